/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-options.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/stdio-fd.h"
#include "base/strv.h"
#include "wire/user-spec.h"

/* More than there are. */
#define OPTIONS_MAX 32

int dbus_read_string(sd_bus_message *m, const char *key, char **field, Refusal *reterr)
{
        const char *s;
        char *copy;

        if (sd_bus_message_read(m, "v", "s", &s) < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s: a string (s) is expected", key);
        if (strlen(s) > EXEC_STRING_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "%s: longer than %d bytes", key,
                              EXEC_STRING_MAX);
        copy = strdup(s);
        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

int dbus_read_flag(sd_bus_message *m, const char *key, bool *field, Refusal *reterr)
{
        int b;

        if (sd_bus_message_read(m, "v", "b", &b) < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s: a boolean (b) is expected", key);
        *field = b;
        return 0;
}

/* A message may have 32 MiB, of which only as much is copied as can be valid. */
static int check_size(const char *key, size_t size, Refusal *reterr)
{
        if (size <= 2 * EXEC_ARGS_SIZE_MAX)
                return 0;
        return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "%s: has more than %d bytes", key,
                      2 * EXEC_ARGS_SIZE_MAX);
}

int dbus_read_strings(sd_bus_message *m, const char *key, bool keep_empty, char ***field, Refusal *reterr)
{
        size_t n = 0, kept = 0, room = 0, size = 0;
        const char *s;
        int r;

        *field = strv_free(*field);
        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: an array of strings (as) is expected", key);
        /* sd_bus_message_read() takes several times as long, and there may be many. */
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                if (++n > EXEC_ARGS_MAX)
                        return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "%s: more than %d entries", key,
                                      EXEC_ARGS_MAX);
                size += sizeof(char *) + strlen(s) + 1;
                if (check_size(key, size, reterr) < 0)
                        return -E2BIG;
                if ((*s || keep_empty) && strv_append_counted(field, &kept, &room, s) < 0)
                        return -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

typedef int (*pair_t)(ExecRequest *q, const char *key, const char *value, Refusal *reterr);

static int add_label(ExecRequest *q, const char *key, const char *value, Refusal *reterr)
{
        char *label;

        /* In "KEY=VALUE" the rest of such a key would become a part of the value. */
        if (strchr(key, '='))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "Labels: a key must not contain \"=\"");
        if (strv_length(q->labels) >= EXEC_LABELS_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "Labels: more than %d", EXEC_LABELS_MAX);
        if (asprintf(&label, "%s=%s", key, value) < 0)
                return -ENOMEM;
        return strv_consume(&q->labels, label);
}

static int add_property(ExecRequest *q, const char *key, const char *value, Refusal *reterr)
{
        ScopePropertyList l = {.items = q->properties, .n = q->n_properties};
        int r = exec_request_check_string("Properties: a name", key, reterr);

        /* Of one that is given twice the last value holds, as in JSON. */
        if (r >= 0)
                r = scope_property_list_set(&l, key, value, reterr);
        q->properties = l.items;
        q->n_properties = l.n;
        return r;
}

static int read_pairs(sd_bus_message *m, const char *name, ExecRequest *q, pair_t add, Refusal *reterr)
{
        const char *key, *value;
        size_t size = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: a dictionary of strings (a{ss}) is expected", name);
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
                size += strlen(key) + strlen(value);
                r = check_size(name, size, reterr);
                if (r >= 0)
                        r = add(q, key, value, reterr);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_on_disconnect(sd_bus_message *m, ExecRequest *q, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = dbus_read_string(m, "OnDisconnect", &text, reterr);
        if (r < 0)
                return r;
        r = on_disconnect_from_string(text);
        if (r < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "OnDisconnect: keep, hangup or kill is expected");
        q->on_disconnect = (OnDisconnect) r;
        q->on_disconnect_given = true;
        return 0;
}

static int read_detach_keys(sd_bus_message *m, ExecRequest *q, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = dbus_read_string(m, "DetachKeys", &text, reterr);
        return r < 0 ? r : detach_keys_parse(text, &q->detach_keys, reterr);
}

/* (rows, columns), as in Docker's [h, w]. */
static int read_console_size(sd_bus_message *m, const char *key, ConsoleSize *size, Refusal *reterr)
{
        if (sd_bus_message_read(m, "v", "(qq)", &size->rows, &size->columns) < 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: two numbers, rows and columns (qq), are expected", key);
        size->set = size->rows > 0 || size->columns > 0;
        return 0;
}

int dbus_refuse_option(const char *key, Refusal *reterr)
{
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "options: unknown option \"%s\"", key);
}

/* The message has all values of an option, of which only the last one would be counted. */
static int option_check_new(const char *const *seen, size_t n, const char *key, Refusal *reterr)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(seen[i], key) == 0)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "options: \"%s\" is given twice",
                                      key);
        return n < OPTIONS_MAX ? 0
                               : refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "options: more than %d entries",
                                        OPTIONS_MAX);
}

int dbus_read_options(sd_bus_message *m, dbus_option_t option, void *userdata, Refusal *reterr)
{
        const char *seen[OPTIONS_MAX]; /* in the message */
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = option_check_new(seen, n, key, reterr);
                if (r >= 0) {
                        seen[n++] = key;
                        r = option(m, key, userdata, reterr);
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int dbus_read_exec_option(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr)
{
        ExecRequest *q = userdata;
        const struct {
                const char *key;
                bool *field;
        } flags[] = {
                {"Tty", &q->tty},
                {"Privileged", &q->privileged},
                {"AttachStdin", &q->attach_stdin},
                {"AttachStdout", &q->attach_stdout},
                {"AttachStderr", &q->attach_stderr},
                {"Record", &q->record},
        };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                if (strcmp(key, flags[i].key) == 0)
                        return dbus_read_flag(m, key, flags[i].field, reterr);
        if (strcmp(key, "User") == 0)
                return dbus_read_string(m, key, &q->user, reterr);
        if (strcmp(key, "WorkingDir") == 0)
                return dbus_read_string(m, key, &q->working_dir, reterr);
        if (strcmp(key, "DetachKeys") == 0)
                return read_detach_keys(m, q, reterr);
        if (strcmp(key, "OnDisconnect") == 0)
                return read_on_disconnect(m, q, reterr);
        if (strcmp(key, "ConsoleSize") == 0)
                return read_console_size(m, key, &q->console_size, reterr);
        if (strcmp(key, "Env") == 0)
                return dbus_read_strings(m, key, false, &q->env, reterr);
        if (strcmp(key, "Labels") == 0)
                return read_pairs(m, key, q, add_label, reterr);
        if (strcmp(key, "Properties") == 0)
                return read_pairs(m, key, q, add_property, reterr);
        return dbus_refuse_option(key, reterr);
}

static int read_command(sd_bus_message *m, ExecRequest *q, Refusal *reterr)
{
        size_t n = 0, room = 0, size = 0;
        const char *s;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                if (n >= EXEC_ARGS_MAX)
                        return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "command: more than %d entries",
                                      EXEC_ARGS_MAX);
                size += sizeof(char *) + strlen(s) + 1;
                r = check_size("command", size, reterr);
                if (r >= 0)
                        r = strv_append_counted(&q->argv, &n, &room, s);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int dbus_read_request(sd_bus_message *m, bool with_options, ExecRequest **ret, Refusal *reterr)
{
        _cleanup_(exec_request_freep) ExecRequest *q = calloc(1, sizeof(ExecRequest));
        UserSpec user = USER_SPEC_INIT;
        int r;

        if (!q)
                return -ENOMEM;
        q->attach_stdout = q->attach_stderr = true;
        r = read_command(m, q, reterr);
        if (r >= 0 && with_options)
                r = dbus_read_options(m, dbus_read_exec_option, q, reterr);
        if (r >= 0)
                r = exec_request_validate(q, reterr);
        if (r >= 0)
                r = user_spec_parse(q->user, &user, reterr);
        user_spec_done(&user);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

static int read_attach_option(sd_bus_message *m, const char *key, void *userdata, Refusal *reterr)
{
        DbusAttachOptions *o = userdata;
        const struct {
                const char *key;
                bool *field;
        } flags[] = {
                {"Stdin", &o->want_stdin},
                {"Stdout", &o->want_stdout},
                {"Stderr", &o->want_stderr},
                {"Replay", &o->replay},
        };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                if (strcmp(key, flags[i].key) == 0)
                        return dbus_read_flag(m, key, flags[i].field, reterr);
        return dbus_refuse_option(key, reterr);
}

int dbus_read_attach_options(sd_bus_message *m, DbusAttachOptions *ret, Refusal *reterr)
{
        *ret = (DbusAttachOptions){.want_stdout = true, .want_stderr = true, .replay = true};
        return dbus_read_options(m, read_attach_option, ret, reterr);
}

int dbus_read_stdio(sd_bus_message *m, int fds[static 3], Refusal *reterr)
{
        for (int i = 0; i < 3; i++) {
                int fd, r;

                r = sd_bus_message_read(m, "h", &fd);
                if (r < 0)
                        return r;
                fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (fds[i] < 0)
                        return -errno;
                r = stdio_fd_check(fds[i], i, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

int dbus_read_reference(sd_bus_message *m, char **ret, Refusal *reterr)
{
        const char *reference;
        int r;

        r = sd_bus_message_read(m, "s", &reference);
        if (r >= 0)
                r = exec_request_check_string("container", reference, reterr);
        if (r < 0)
                return r;
        *ret = strdup(reference);
        return *ret ? 0 : -ENOMEM;
}

int dbus_read_id(sd_bus_message *m, const char **ret, Refusal *reterr)
{
        int r = sd_bus_message_read(m, "s", ret);

        return r < 0 ? r : exec_request_check_string("id", *ret, reterr);
}
