/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The validated request of a client: the same structure for JSON over HTTP and for a D-Bus message. Parsing
 * is pure. Every refusal names the field, and the limit where one was exceeded.
 *
 * The JSON rules are Docker's: keys match in any case, unknown keys are ignored, null means the default,
 * nothing is coerced, of duplicate keys the last one wins, and content after the JSON value is refused.
 *
 * To add a field:
 * - a member of ExecRequest, which exec-request.c frees, counts and checks;
 * - HTTP: a row in create_rules of wire/exec-request-json.c; D-Bus: dbus_read_exec_option() in
 *   api/dbus-options.c, and the options of CreateExec in dbus/org.execd1.Manager.xml;
 * - execctl: a member of Options in ctl/ctl.h, a row in ctl/option-table.c and its number in option-table.h,
 *   ctl/options.c, append_options() in ctl/run.c, and fields[] in ctl/bus.c, so that errors name the option;
 * - if clients see it again: exec_view_to_json() in wire/exec-json.c, a property in api/dbus-exec.c and in
 *   dbus/org.execd1.Exec.xml, and its size in api/exec-brief.c if it has no fixed one;
 * - if it has to survive an exit of execd: exec_json_write() and read_request() in wire/exec-json.c;
 * - if the runner needs it: core/spawner-call.c (a flag: wire/spawner-protocol.h), dbus/org.execd1.Spawner.xml,
 *   the signature of Start in spawner/spawner-bus.c, spawner/spawner-args.c, LaunchStart in
 *   spawner/launch-start.h and fill_request() in launch-start.c; if RunnerSpec does not have it yet,
 *   wire/runner-spec.[ch] with RUNNER_SPEC_VERSION, its unit test, and the runner;
 * - execd-http-api(7), org.execd1(5), execctl(1), packaging/openapi.yaml, packaging/NEWS.md;
 * - tests/unit: rows in wire/test-exec-request.c (request-dump.h prints it), wire/test-exec-json.c,
 *   api/test-dbus-options.c, core/test-spawner-call.c; tests/fuzz: same_request() in fuzz-create.c, create.dict;
 *   tests/conformance: bad_fields.py, test_openapi.py, test_extras.py; tests/dbus: OPTIONS in fuzz.py.
 *
 * A limit that exceeds the container's own is lowered to it in the spawner (limits_apply()), and not refused.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "wire/detach-keys.h"
#include "wire/scope-property.h"

/* Limits on one request. */
/* As much as the kernel takes at the usual limit of the stack. The kernel also limits the length of one
 * string. */
#define EXEC_BODY_MAX      (4 * 1024 * 1024) /* bytes of a request body, in which characters may be escaped */
#define START_BODY_MAX     (64 * 1024)       /* the same of a start, which has three short fields */
#define EXEC_ARGS_SIZE_MAX (2 * 1024 * 1024) /* bytes of argv and env together, with their NULs */
#define EXEC_ARGS_MAX      262144            /* entries of argv and env together */
#define EXEC_ENV_MAX       4096              /* entries of env, which are compared with each other */
#define EXEC_STRING_MAX    4096              /* bytes of User, WorkingDir and the like */
#define EXEC_LABELS_MAX    64                /* labels */
#define EXEC_JSON_DEPTH    16                /* nesting of a request body */

typedef enum OnDisconnect {
        ON_DISCONNECT_KEEP,   /* the command lives on, as with Docker */
        ON_DISCONNECT_HANGUP, /* SIGHUP: a tty hangs up, without a tty the command gets the signal */
        ON_DISCONNECT_KILL,   /* the whole scope is killed */
        _ON_DISCONNECT_MAX,
} OnDisconnect;

const char *on_disconnect_to_string(OnDisconnect o); /* "keep", "hangup", "kill" */
int on_disconnect_from_string(const char *s);        /* or -EINVAL */

typedef struct ConsoleSize {
        bool set; /* 0x0 in a request counts as not set */
        uint16_t rows;
        uint16_t columns;
} ConsoleSize;

typedef struct ExecRequest {
        char **argv;       /* at least one entry, the first not empty unless given so; a string Cmd is
                            * {"/bin/sh", "-c", Cmd} */
        char **env;        /* as given: "K=V" or "K" (unset); empty entries are dropped */
        char *user;        /* NULL: the container's default */
        char *working_dir; /* NULL: the container's default */
        DetachKeys detach_keys;
        char **labels; /* "key=value", in the order given; NULL if none */
        ScopeProperty *properties;
        size_t n_properties;
        OnDisconnect on_disconnect;
        bool on_disconnect_given;
        ConsoleSize console_size;
        bool attach_stdin;
        bool attach_stdout;
        bool attach_stderr;
        bool tty;
        bool privileged;
        bool record; /* its output */
} ExecRequest;

/* Frees what is in it, or all of it. */
void exec_request_done(ExecRequest *r);
ExecRequest *exec_request_free(ExecRequest *r);
DEFINE_CLEANUP(ExecRequest, exec_request_free);

/* Bytes that it takes in memory. */
size_t exec_request_size(const ExecRequest *r);

/* How long its scope may be there (RuntimeMaxSec), from when that was made; UINT64_MAX: as long as it likes.
 */
uint64_t exec_request_runtime_max(const ExecRequest *r);

/* Refuses a string of more than EXEC_STRING_MAX bytes; NULL is fine. */
int exec_request_check_string(const char *name, const char *s, Refusal *reterr);

/* Checks what holds for every transport: Cmd present, counts, sizes, NUL bytes cannot occur in C strings but
 * names of environment variables can be empty. 0 or a refusal. */
int exec_request_validate(const ExecRequest *r, Refusal *reterr);

/* The user that the command runs as, as in the request. */
static inline const char *exec_request_user(const ExecRequest *q)
{
        return q->user && *q->user ? q->user : "root";
}

/* The body of POST /containers/{id}/exec. `version` is the API version as major * 1000 + minor (ConsoleSize
 * is ignored below 1.42). An empty body counts as {}. */
int exec_request_from_json(const char *json, size_t size, unsigned version, ExecRequest **ret,
                           Refusal *reterr);

/* The same in steps of about so many bytes, for a loop that has others to serve. The text is weak. */
typedef struct ExecRequestReader ExecRequestReader;
int exec_request_reader_new(const char *json, size_t size, unsigned version, ExecRequestReader **ret);
/* 1: *ret is the request. 0: there is more to read. */
int exec_request_reader_step(ExecRequestReader *d, size_t bytes, ExecRequest **ret, Refusal *reterr);
ExecRequestReader *exec_request_reader_free(ExecRequestReader *d);
DEFINE_CLEANUP(ExecRequestReader, exec_request_reader_free);

typedef struct StartOptions {
        bool detach;
        bool tty;
        ConsoleSize console_size;
} StartOptions;

/* The body of POST /exec/{id}/start. An empty body counts as {}. */
int start_options_from_json(const char *json, size_t size, unsigned version, StartOptions *ret,
                            Refusal *reterr);
