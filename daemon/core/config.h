/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The settings of execd.conf and its drop-ins, which are found where systemd's are, in one structure. Invalid
 * settings are logged and ignored, so that there is always a configuration.
 *
 * To add a setting: a member of ManagerConfig with its default, a row in `keys` of config-key.c, a line in
 * packaging/execd.conf, and a paragraph in execd.conf(5), which tests compare with each other; a row in
 * tests/unit/core/test-config.c and a case in tests/system/test_config.py. If an option of execd has the same
 * meaning, config_override() in main.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/time.h"
#include "core/limit-warnings.h"
#include "wire/exec-request.h"

/* The defaults; each error that a limit causes names it. Limits of a single request, which cannot be changed,
 * are in wire/exec-request.h and wire/http-request.h. */
#define IDLE_USEC               (30 * USEC_PER_SEC)
#define IDLE_USEC_MAX           (360 * USEC_PER_SEC) /* with clients that come back after pauses */
#define AUTHZ_USEC              (10 * USEC_PER_SEC)
#define AUTHZ_INTERACTIVE_USEC  (120 * USEC_PER_SEC) /* a person may have to type a password */
#define AUTHZ_MAX               64                   /* questions to polkit; dbus-daemon takes 128 calls */
#define AUTHZ_PER_UID_MAX       16
#define MEMORY_MAX              (64 * 1024 * 1024) /* bytes of requests and answers, and of the requests of execs */
#define MEMORY_PER_UID_MAX      (24 * 1024 * 1024)
#define CONNECTIONS_MAX         8192                /* in all */
#define CONNECTIONS_PER_UID_MAX 1024                /* of one uid */
#define HTTP_HEAD_USEC          (10 * USEC_PER_SEC) /* from a request's first byte to its head's end: else 408 */
#define HTTP_BODY_USEC          (30 * USEC_PER_SEC)     /* then to the end of its body: else 408 */
#define EXECS_MAX               4096                    /* execs that have not ended */
#define EXECS_PER_UID_MAX       1024                    /* of one caller */
#define CREATED_USEC_MAX        (5 * 60 * USEC_PER_SEC) /* a created exec that is not started */
#define DRAIN_USEC              (2 * USEC_PER_SEC)      /* others holding the output of an ended command */
#define PARKED_MAX              64                      /* runners held ready for created execs */
#define SPARES_MAX              16 /* containers that have a runner ready for a next exec */
#define RETENTION_USEC          (10 * 60 * USEC_PER_SEC) /* an ended exec can be looked at */
#define ENDED_MAX               1024 /* ended execs that are remembered; the journal knows the others */
#define OUTPUT_KEPT_MAX         (8 * 1024 * 1024)           /* bytes of output of ended execs, in all */
#define RECORD_SIZE_MAX         (64 * 1024 * 1024)          /* bytes of one recording */
#define RECORD_TOTAL_MAX        (1024 * 1024 * 1024)        /* bytes of all of them */
#define RECORDINGS_PATH         "/var/lib/execd/recordings" /* as the unit has it */
#define OUTPUT_BUFFER_SIZE      (128 * 1024)                /* of each running exec */
#define OUTPUT_MEMORY_MAX       (48 * 1024 * 1024) /* bytes of these, before they are made smaller */
#define OUTPUT_MEMORY_UID_MAX   (16 * 1024 * 1024) /* of one caller */

/* Calls over D-Bus under way, which cannot be turned. */
#define CALLS_MAX         4096
#define CALLS_PER_UID_MAX 1024

/* The execs that are recorded. */
typedef enum RecordMode {
        RECORD_OFF,
        RECORD_REQUESTED, /* those that ask for it */
        RECORD_ALWAYS,    /* all execs */
} RecordMode;

typedef struct ManagerConfig {
        /* Not in the file. */
        const char *spawner_socket;
        const char *state_path;
        const char *controllers_path; /* NULL: of this machine */

        int log_level;
        uint64_t idle_usec;     /* UNITS_INFINITY: never */
        uint64_t idle_usec_max; /* with clients that come back after pauses */
        uint64_t authz_usec;
        uint64_t authz_interactive_usec;
        uint64_t authz_max;
        uint64_t authz_per_uid_max;
        uint64_t memory_max;
        uint64_t memory_per_uid_max;

        bool list_services; /* in lists of containers that do not ask for a kind */

        uint64_t connections_max;
        uint64_t connections_per_uid_max;
        uint64_t head_usec;
        uint64_t body_usec;

        uint64_t execs_max;
        uint64_t execs_per_uid_max;
        uint64_t created_usec_max;
        uint64_t drain_usec;
        uint64_t parked_max;
        uint64_t spares_max;
        uint64_t output_buffer_size;
        uint64_t output_memory_max;
        uint64_t output_memory_per_uid_max;
        OnDisconnect on_disconnect; /* of requests that say nothing of it */
        DetachKeys detach_keys;     /* the same */
        ScopePropertyList properties;
        LimitMode unenforceable_limits;
        uint64_t allowed_properties; /* a bit for each of scope_property_name() */
        uint64_t
                privileged_capabilities; /* those that Privileged may add; a bit for each of capability_name() */

        uint64_t retention_usec;
        uint64_t ended_max;
        uint64_t output_kept_max;

        RecordMode record;
        char *record_path; /* owned; the directory of recordings, NULL: RECORDINGS_PATH. Not reloaded. */
        uint64_t record_size_max;  /* 0: any */
        uint64_t record_total_max; /* the same; the oldest go first, of who has the most */
} ManagerConfig;

void manager_config_done(ManagerConfig *c);

/* Refuses a privileged exec where the configuration allows none. */
int config_check_privileged(const ManagerConfig *c, bool privileged, Refusal *reterr);

/* The keys of the table. */
#define CONFIG_KEYS_MAX 48

typedef struct ConfigOrigin {
        char *file; /* NULL: the default */
        unsigned line;
} ConfigOrigin;

typedef struct Config {
        ManagerConfig values;
        ConfigOrigin origins[CONFIG_KEYS_MAX];
        unsigned n_invalid; /* invalid values, lines that cannot be parsed, files that cannot be
                               read */
        unsigned n_unknown; /* keys and sections */
} Config;

typedef struct ConfigLoadOptions {
        const char *root;   /* before each path; "" */
        char *const *files; /* NULL: the files of the directories */
        const ManagerConfig
                *previous; /* where a value that cannot be used is taken from; NULL: stays as it was */
        void (*tell)(const char *text);
} ConfigLoadOptions;

/* Fails only if memory is short. Each fault in the files is logged on a line of its own, and counted. */
int config_load(const ConfigLoadOptions *o, Config *ret);
void config_done(Config *c);

/* Sets a key from the command line. -EINVAL if the value is invalid. */
int config_override(Config *c, const char *section, const char *name, const char *text);

/* All keys in the form of a file, each after a comment with its source. */
void config_dump(const Config *c, Buf *b);

/* The table (config-key.c). */
typedef struct ConfigKey ConfigKey;

extern const ManagerConfig manager_config_default;

const ConfigKey *config_key_find(const char *section, const char *name);
const ConfigKey *config_key_at(size_t i); /* NULL after the last one */
size_t config_key_index(const ConfigKey *k);
bool config_section_exists(const char *section);
const char *config_key_section(const ConfigKey *k);
/* "" is the default. The refusal says what is allowed; the value is as it was then. */
int config_key_set(const ConfigKey *k, const char *text, ManagerConfig *c, Refusal *reterr);
int config_key_copy(const ConfigKey *k, const ManagerConfig *from, ManagerConfig *to);
/* The value as a file would have it: one line, or as many as it takes, "Key=value". */
void config_key_print(const ConfigKey *k, const ManagerConfig *c, Buf *b);
