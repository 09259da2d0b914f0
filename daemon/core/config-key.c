/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of execd.conf: what each one's text may be, and where its value goes. */

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "base/strv.h"
#include "core/config.h"
#include "core/output-ring.h"
#include "core/spare-runners.h"
#include "wire/capability.h"
#include "wire/name-mask.h"
#include "wire/units.h"

typedef struct ConfigType {
        size_t size;
        int (*parse)(const ConfigKey *k, const char *text, void *value, Refusal *reterr);
        void (*print)(const ConfigKey *k, const void *value, Buf *b); /* with the newline */
        void (*expect)(const ConfigKey *k, Buf *b);                   /* what is allowed */
        int (*copy)(const void *from, void *to); /* NULL: its bytes. What `to` has is given up. */
} ConfigType;

struct ConfigKey {
        const char *section;
        const char *name;
        const ConfigType *type;
        size_t offset;
        uint64_t minimum;
        uint64_t maximum; /* UNITS_INFINITY: of a span, "infinity" is allowed too */
};

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
        .allowed_properties = UINT64_MAX,
        .privileged_capabilities = UINT64_MAX,
        .retention_usec = RETENTION_USEC,
        .ended_max = ENDED_MAX,
        .output_kept_max = OUTPUT_KEPT_MAX,
        .record = RECORD_REQUESTED,
        .record_size_max = RECORD_SIZE_MAX,
        .record_total_max = RECORD_TOTAL_MAX,
};

static int parse_in_range(const ConfigKey *k, int r, uint64_t n, void *value)
{
        if (r < 0)
                return r;
        if (n < k->minimum || n > k->maximum)
                return -ERANGE;
        *(uint64_t *) value = n;
        return 0;
}

static int parse_number(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = units_parse_number(text, &n);

        return parse_in_range(k, r, n, value);
}

static void print_number(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%" PRIu64 "\n", k->name, *(const uint64_t *) value);
}

static void expect_number(const ConfigKey *k, Buf *b)
{
        buf_printf(b, "a number from %" PRIu64 " to %" PRIu64, k->minimum, k->maximum);
}

static const ConfigType number = {sizeof(uint64_t), parse_number, print_number, expect_number, NULL};

static int parse_size(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = units_parse_size(text, &n);

        return parse_in_range(k, r, n, value);
}

static void print_size(const ConfigKey *k, const void *value, Buf *b)
{
        char text[UNITS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, units_format_size(text, *(const uint64_t *) value));
}

static void expect_size(const ConfigKey *k, Buf *b)
{
        char least[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];

        buf_printf(b, "a number of bytes from %s to %s (such as 512K or 64M)",
                   units_format_size(least, k->minimum), units_format_size(most, k->maximum));
}

static const ConfigType size = {sizeof(uint64_t), parse_size, print_size, expect_size, NULL};

static int parse_span(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        uint64_t n = 0;
        int r = units_parse_span(text, &n);

        return parse_in_range(k, r, n, value);
}

static void print_span(const ConfigKey *k, const void *value, Buf *b)
{
        char text[UNITS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, units_format_span(text, *(const uint64_t *) value));
}

static void expect_span(const ConfigKey *k, Buf *b)
{
        char least[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];

        units_format_span(least, k->minimum);
        if (k->maximum == UNITS_INFINITY)
                buf_printf(b, "a time span of at least %s (such as 45s or 15min), or infinity", least);
        else
                buf_printf(b, "a time span from %s to %s (such as 45s or 15min)", least,
                           units_format_span(most, k->maximum));
}

static const ConfigType span = {sizeof(uint64_t), parse_span, print_span, expect_span, NULL};

static int parse_log_level(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int level = log_level_from_string(text);

        if (level < 0)
                return level;
        *(int *) value = level;
        return 0;
}

static void print_log_level(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, log_level_to_string(*(const int *) value));
}

static void expect_log_level(const ConfigKey *k, Buf *b)
{
        buf_puts(b,
                 "one of emerg, alert, crit, err, warning, notice, info and debug, or a number from 0 to 7");
}

static const ConfigType log_level = {sizeof(int), parse_log_level, print_log_level, expect_log_level, NULL};

static int parse_on_disconnect(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int r = on_disconnect_from_string(text);

        if (r < 0)
                return r;
        *(OnDisconnect *) value = (OnDisconnect) r;
        return 0;
}

static void print_on_disconnect(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, on_disconnect_to_string(*(const OnDisconnect *) value));
}

static void expect_on_disconnect(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "keep, hangup or kill");
}

static const ConfigType on_disconnect = {sizeof(OnDisconnect), parse_on_disconnect, print_on_disconnect,
                                         expect_on_disconnect, NULL};

static int parse_detach_keys(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return detach_keys_parse(text, value, NULL);
}

static void print_detach_keys(const ConfigKey *k, const void *value, Buf *b)
{
        char text[DETACH_KEYS_TEXT_SIZE];

        buf_printf(b, "%s=%s\n", k->name, detach_keys_format(text, value));
}

static void expect_detach_keys(const ConfigKey *k, Buf *b)
{
        buf_printf(b,
                   "at most %d keys separated by commas, each a character, DEL, or ctrl- and one of a-z @ [ "
                   "\\ ] "
                   "^ _ and the comma; or none",
                   DETACH_KEYS_MAX);
}

static const ConfigType detach_keys = {sizeof(DetachKeys), parse_detach_keys, print_detach_keys,
                                       expect_detach_keys, NULL};

static int copy_properties(const void *from, void *to)
{
        return scope_property_list_copy(from, to);
}

/* One more, or another value for one that is there. */
static int parse_property(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        const char *equals = strchr(text, '=');
        _cleanup_free_ char *name = NULL;

        if (!equals)
                return -EINVAL;
        name = memdup_text(text, (size_t) (equals - text));
        if (!name)
                return -ENOMEM;
        return scope_property_list_set(value, name, equals + 1, reterr);
}

static void print_properties(const ConfigKey *k, const void *value, Buf *b)
{
        const ScopePropertyList *l = value;

        for (size_t i = 0; i < l->n; i++)
                buf_printf(b, "%s=%s=%s\n", k->name, l->items[i].name, l->items[i].text);
        if (l->n == 0)
                buf_printf(b, "%s=\n", k->name);
}

static void expect_property(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "NAME=VALUE (such as MemoryMax=1G)");
}

static const ConfigType property = {sizeof(ScopePropertyList), parse_property, print_properties,
                                    expect_property, copy_properties};

static void print_mask(NameAt name_at, const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=", k->name);
        name_mask_print(name_at, *(const uint64_t *) value, b);
        buf_puts(b, "\n");
}

static int parse_property_names(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return name_mask_parse(scope_property_name, text, value);
}

static void print_property_names(const ConfigKey *k, const void *value, Buf *b)
{
        print_mask(scope_property_name, k, value, b);
}

static void expect_property_names(const ConfigKey *k, Buf *b)
{
        name_mask_expect(scope_property_name, b);
}

static const ConfigType property_names = {sizeof(uint64_t), parse_property_names, print_property_names,
                                          expect_property_names, NULL};

static int parse_capabilities(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return name_mask_parse(capability_name, text, value);
}

static void print_capabilities(const ConfigKey *k, const void *value, Buf *b)
{
        print_mask(capability_name, k, value, b);
}

static void expect_capabilities(const ConfigKey *k, Buf *b)
{
        name_mask_expect(capability_name, b);
}

static const ConfigType capabilities = {sizeof(uint64_t), parse_capabilities, print_capabilities,
                                        expect_capabilities, NULL};

static int parse_record_mode(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        int r = record_mode_from_string(text);

        if (r < 0)
                return r;
        *(RecordMode *) value = (RecordMode) r;
        return 0;
}

static void print_record_mode(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, record_mode_to_string(*(const RecordMode *) value));
}

static void expect_record_mode(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "off, requested or always");
}

static const ConfigType record_mode = {sizeof(RecordMode), parse_record_mode, print_record_mode,
                                       expect_record_mode, NULL};

static int parse_boolean(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        return units_parse_boolean(text, value);
}

static void print_boolean(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, *(const bool *) value ? "yes" : "no");
}

static void expect_boolean(const ConfigKey *k, Buf *b)
{
        buf_puts(b, "yes or no");
}

static const ConfigType boolean = {sizeof(bool), parse_boolean, print_boolean, expect_boolean, NULL};

static int copy_path(const void *from, void *to)
{
        const char *source = *(char *const *) from;
        char *copy = source ? strdup(source) : NULL;

        if (source && !copy)
                return -ENOMEM;
        free(*(char **) to);
        *(char **) to = copy;
        return 0;
}

static int parse_path(const ConfigKey *k, const char *text, void *value, Refusal *reterr)
{
        if (text[0] != '/' || strlen(text) > k->maximum)
                return -EINVAL;
        return copy_path(&text, value);
}

static void print_path(const ConfigKey *k, const void *value, Buf *b)
{
        buf_printf(b, "%s=%s\n", k->name, *(char *const *) value ?: RECORDINGS_PATH);
}

static void expect_path(const ConfigKey *k, Buf *b)
{
        buf_printf(b, "a path that begins with / and has at most %" PRIu64 " bytes", k->maximum);
}

static const ConfigType path = {sizeof(char *), parse_path, print_path, expect_path, copy_path};

#define AT(member) offsetof(ManagerConfig, member)
#define HOUR       (3600 * USEC_PER_SEC)
#define TIB        (UINT64_C(1) << 40)

/* Sections and keys in the order of packaging/execd.conf. */
static const ConfigKey keys[] = {
        {"Daemon", "LogLevel", &log_level, AT(log_level), 0, 0},
        {"Daemon", "IdleTimeoutSec", &span, AT(idle_usec), USEC_PER_SEC, UNITS_INFINITY},
        {"Daemon", "IdleTimeoutMaxSec", &span, AT(idle_usec_max), 0, HOUR},
        {"Daemon", "AuthorizationTimeoutSec", &span, AT(authz_usec), USEC_PER_SEC, HOUR},
        {"Daemon", "InteractiveAuthorizationTimeoutSec", &span, AT(authz_interactive_usec), USEC_PER_SEC,
         HOUR},
        {"Daemon", "AuthorizationsMax", &number, AT(authz_max), 1, 100},
        {"Daemon", "AuthorizationsPerUserMax", &number, AT(authz_per_uid_max), 1, 100},
        {"Daemon", "RequestMemoryMax", &size, AT(memory_max), 1024 * 1024, TIB},
        {"Daemon", "RequestMemoryPerUserMax", &size, AT(memory_per_uid_max), 1024 * 1024, TIB},
        {"Daemon", "ListServices", &boolean, AT(list_services), 0, 0},
        {"HTTP", "ConnectionsMax", &number, AT(connections_max), 1, 32768},
        {"HTTP", "ConnectionsPerUserMax", &number, AT(connections_per_uid_max), 1, 32768},
        {"HTTP", "HeadTimeoutSec", &span, AT(head_usec), 100 * USEC_PER_MSEC, HOUR},
        {"HTTP", "BodyTimeoutSec", &span, AT(body_usec), 100 * USEC_PER_MSEC, HOUR},
        {"Exec", "ExecsMax", &number, AT(execs_max), 1, 8192},
        {"Exec", "ExecsPerUserMax", &number, AT(execs_per_uid_max), 1, 8192},
        {"Exec", "CreatedTimeoutSec", &span, AT(created_usec_max), USEC_PER_SEC, 24 * HOUR},
        {"Exec", "DrainTimeoutSec", &span, AT(drain_usec), 0, HOUR},
        {"Exec", "ReadyRunnersMax", &number, AT(parked_max), 0, 1024},
        {"Exec", "SpareRunnersMax", &number, AT(spares_max), 0, SPARES},
        {"Exec", "OutputBufferSize", &size, AT(output_buffer_size), OUTPUT_RING_SIZE, 16 * 1024 * 1024},
        {"Exec", "OutputMemoryMax", &size, AT(output_memory_max), 1024 * 1024, TIB},
        {"Exec", "OutputMemoryPerUserMax", &size, AT(output_memory_per_uid_max), 1024 * 1024, TIB},
        {"Exec", "DefaultOnDisconnect", &on_disconnect, AT(on_disconnect), 0, 0},
        {"Exec", "DefaultDetachKeys", &detach_keys, AT(detach_keys), 0, 0},
        {"Exec", "DefaultProperty", &property, AT(properties), 0, 0},
        {"Exec", "AllowedProperties", &property_names, AT(allowed_properties), 0, 0},
        {"Exec", "PrivilegedCapabilities", &capabilities, AT(privileged_capabilities), 0, 0},
        {"Retention", "RetentionSec", &span, AT(retention_usec), 10 * USEC_PER_SEC, 7 * 24 * HOUR},
        {"Retention", "EndedExecsMax", &number, AT(ended_max), 64, 65536},
        {"Retention", "EndedOutputMax", &size, AT(output_kept_max), 0, 512 * 1024 * 1024},
        {"Recording", "Record", &record_mode, AT(record), 0, 0},
        {"Recording", "RecordingDirectory", &path, AT(record_path), 0, 1024},
        {"Recording", "RecordingSizeMax", &size, AT(record_size_max), 0, TIB},
        {"Recording", "RecordingsTotalMax", &size, AT(record_total_max), 0, 1024 * TIB},
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

const char *config_key_name(const ConfigKey *k)
{
        return k->name;
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
        k->type->expect(k, &expected);
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
