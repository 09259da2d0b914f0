/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of execd.conf: the valid texts of each, and the member for its value. */

#include <string.h>

#include "base/log.h"
#include "core/config-type.h"
#include "core/output-ring.h"
#include "core/spare-runners.h"
#include "wire/units.h"

const ManagerConfig manager_config_default = {
        .log_level = LOG_INFO,
        .idle_usec = IDLE_USEC,
        .idle_usec_max = IDLE_USEC_MAX,
        .authz_usec = AUTHZ_USEC,
        .authz_interactive_usec = AUTHZ_INTERACTIVE_USEC,
        .authz_max = AUTHZ_MAX,
        .authz_per_uid_max = AUTHZ_PER_UID_MAX,
        .memory_max = MEMORY_MAX,
        .memory_per_uid_max = MEMORY_PER_UID_MAX,
        .connections_max = CONNECTIONS_MAX,
        .connections_per_uid_max = CONNECTIONS_PER_UID_MAX,
        .head_usec = HTTP_HEAD_USEC,
        .body_usec = HTTP_BODY_USEC,
        .execs_max = EXECS_MAX,
        .execs_per_uid_max = EXECS_PER_UID_MAX,
        .created_usec_max = CREATED_USEC_MAX,
        .drain_usec = DRAIN_USEC,
        .parked_max = PARKED_MAX,
        .spares_max = SPARES_MAX,
        .output_buffer_size = OUTPUT_BUFFER_SIZE,
        .output_memory_max = OUTPUT_MEMORY_MAX,
        .output_memory_per_uid_max = OUTPUT_MEMORY_UID_MAX,
        .on_disconnect = ON_DISCONNECT_KEEP,
        .unenforceable_limits = LIMITS_WARN,
        .allowed_properties = UINT64_MAX,
        .privileged_capabilities = UINT64_MAX,
        .retention_usec = RETENTION_USEC,
        .ended_max = ENDED_MAX,
        .output_kept_max = OUTPUT_KEPT_MAX,
        .record = RECORD_REQUESTED,
        .record_size_max = RECORD_SIZE_MAX,
        .record_total_max = RECORD_TOTAL_MAX,
};

#define AT(member) offsetof(ManagerConfig, member)
#define HOUR       (3600 * USEC_PER_SEC)
#define TIB        (UINT64_C(1) << 40)

/* Sections and keys in the order of packaging/execd.conf. */
static const ConfigKey keys[] = {
        {"Daemon", "LogLevel", &config_log_level, AT(log_level), 0, 0},
        {"Daemon", "IdleTimeoutSec", &config_span, AT(idle_usec), USEC_PER_SEC, UNITS_INFINITY},
        {"Daemon", "IdleTimeoutMaxSec", &config_span, AT(idle_usec_max), 0, HOUR},
        {"Daemon", "AuthorizationTimeoutSec", &config_span, AT(authz_usec), USEC_PER_SEC, HOUR},
        {"Daemon", "InteractiveAuthorizationTimeoutSec", &config_span, AT(authz_interactive_usec),
         USEC_PER_SEC, HOUR},
        {"Daemon", "AuthorizationsMax", &config_number, AT(authz_max), 1, 100},
        {"Daemon", "AuthorizationsPerUserMax", &config_number, AT(authz_per_uid_max), 1, 100},
        {"Daemon", "RequestMemoryMax", &config_size, AT(memory_max), 1024 * 1024, TIB},
        {"Daemon", "RequestMemoryPerUserMax", &config_size, AT(memory_per_uid_max), 1024 * 1024, TIB},
        {"Daemon", "ListServices", &config_boolean, AT(list_services), 0, 0},
        {"HTTP", "ConnectionsMax", &config_number, AT(connections_max), 1, 32768},
        {"HTTP", "ConnectionsPerUserMax", &config_number, AT(connections_per_uid_max), 1, 32768},
        {"HTTP", "HeadTimeoutSec", &config_span, AT(head_usec), 100 * USEC_PER_MSEC, HOUR},
        {"HTTP", "BodyTimeoutSec", &config_span, AT(body_usec), 100 * USEC_PER_MSEC, HOUR},
        {"Exec", "ExecsMax", &config_number, AT(execs_max), 1, 8192},
        {"Exec", "ExecsPerUserMax", &config_number, AT(execs_per_uid_max), 1, 8192},
        {"Exec", "CreatedTimeoutSec", &config_span, AT(created_usec_max), USEC_PER_SEC, 24 * HOUR},
        {"Exec", "DrainTimeoutSec", &config_span, AT(drain_usec), 0, HOUR},
        {"Exec", "ReadyRunnersMax", &config_number, AT(parked_max), 0, 1024},
        {"Exec", "SpareRunnersMax", &config_number, AT(spares_max), 0, SPARES},
        {"Exec", "OutputBufferSize", &config_size, AT(output_buffer_size), OUTPUT_RING_SIZE,
         16 * 1024 * 1024},
        {"Exec", "OutputMemoryMax", &config_size, AT(output_memory_max), 1024 * 1024, TIB},
        {"Exec", "OutputMemoryPerUserMax", &config_size, AT(output_memory_per_uid_max), 1024 * 1024, TIB},
        {"Exec", "DefaultOnDisconnect", &config_on_disconnect, AT(on_disconnect), 0, 0},
        {"Exec", "DefaultDetachKeys", &config_detach_keys, AT(detach_keys), 0, 0},
        {"Exec", "DefaultProperty", &config_property, AT(properties), 0, 0},
        {"Exec", "UnenforceableLimits", &config_limit_mode, AT(unenforceable_limits), 0, 0},
        {"Exec", "AllowedProperties", &config_property_names, AT(allowed_properties), 0, 0},
        {"Exec", "PrivilegedCapabilities", &config_capabilities, AT(privileged_capabilities), 0, 0},
        {"Retention", "RetentionSec", &config_span, AT(retention_usec), 10 * USEC_PER_SEC, 7 * 24 * HOUR},
        {"Retention", "EndedExecsMax", &config_number, AT(ended_max), 64, 65536},
        {"Retention", "EndedOutputMax", &config_size, AT(output_kept_max), 0, 512 * 1024 * 1024},
        {"Recording", "Record", &config_record_mode, AT(record), 0, 0},
        {"Recording", "RecordingDirectory", &config_path, AT(record_path), 0, 1024},
        {"Recording", "RecordingSizeMax", &config_size, AT(record_size_max), 0, TIB},
        {"Recording", "RecordingsTotalMax", &config_size, AT(record_total_max), 0, 1024 * TIB},
};

_Static_assert(ELEMENTSOF(keys) <= CONFIG_KEYS_MAX, "there are more keys than there is room for");

const ConfigKey *config_key_at(size_t i)
{
        return i < ELEMENTSOF(keys) ? &keys[i] : NULL;
}

size_t config_key_index(const ConfigKey *k)
{
        return (size_t) (k - keys);
}

const ConfigKey *config_key_find(const char *section, const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
                        return &keys[i];
        return NULL;
}

bool config_section_exists(const char *section)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0)
                        return true;
        return false;
}

const char *config_key_section(const ConfigKey *k)
{
        return k->section;
}

int config_key_copy(const ConfigKey *k, const ManagerConfig *from, ManagerConfig *to)
{
        const void *source = (const char *) from + k->offset;
        void *target = (char *) to + k->offset;

        if (k->type->copy)
                return k->type->copy(source, target);
        memcpy(target, source, k->type->size);
        return 0;
}

int config_key_set(const ConfigKey *k, const char *text, ManagerConfig *c, Refusal *reterr)
{
        _cleanup_refusal_ Refusal why = REFUSAL_INIT;
        _cleanup_buf_ Buf expected = BUF_INIT;
        int r;

        if (!*text)
                return config_key_copy(k, &manager_config_default, c);
        r = k->type->parse(k, text, (char *) c + k->offset, &why);
        if (r >= 0 || r == -ENOMEM)
                return r;
        if (why.message)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s", why.message);
        if (k->type->expect)
                k->type->expect(k, &expected);
        else
                buf_puts(&expected, k->type->expected);
        buf_append(&expected, "", 1);
        if (buf_error(&expected) < 0)
                return -ENOMEM;
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "expected %s", buf_head(&expected));
}

void config_key_print(const ConfigKey *k, const ManagerConfig *c, Buf *b)
{
        k->type->print(k, (const char *) c + k->offset, b);
}

int config_check_privileged(const ManagerConfig *c, bool privileged, Refusal *reterr)
{
        if (!privileged || c->privileged_capabilities != 0)
                return 0;
        return refuse(reterr, REFUSAL_DENIED, EACCES,
                      "Privileged: disabled by PrivilegedCapabilities=none in execd.conf");
}

void manager_config_done(ManagerConfig *c)
{
        scope_property_list_done(&c->properties);
        free(c->record_path);
}
