/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/bus.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

/* execd gives a person two minutes to type a password. */
#define CALL_TIMEOUT_USEC (UINT64_C(180) * 1000 * 1000)

/* execd may be restarted, and more than once, while a command runs. */
#define AGAIN_TRIES 1000

/* A restart takes less, also where the host is slow. */
#define AGAIN_USEC (10 * USEC_PER_SEC)

/* ssh says on stderr what it knows itself. The other end may lack what execctl starts there. */
static int fail_connect(const Ctl *c, int r)
{
        int status = c->options.host ? fail_errno(r, "Failed to connect to the system bus of %s over ssh",
                                                  c->options.host)
                                     : fail_errno(r, "Failed to connect to the system bus");

        if (c->options.host)
                fprintf(stderr, "To see why, run: ssh %s systemd-stdio-bridge --version\n", c->options.host);
        return status;
}

int bus_connect(Ctl *c)
{
        const char *name;
        int r;

        if (c->bus)
                return 0;
        r = c->options.host ? sd_bus_open_system_remote(&c->bus, c->options.host)
                            : sd_bus_open_system(&c->bus);
        /* Not before the bus has said hello is it known whether there is one. */
        if (r >= 0)
                r = sd_bus_get_unique_name(c->bus, &name);
        if (r < 0)
                return fail_connect(c, r);
        (void) sd_bus_set_method_call_timeout(c->bus, CALL_TIMEOUT_USEC);
        (void) sd_bus_set_allow_interactive_authorization(c->bus, !c->options.no_ask_password);
        return 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The bus says that the name has no owner, or systemd that it does not start a disabled or masked unit. */
bool bus_lacks_execd(const sd_bus_error *error)
{
        return sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               has_prefix(error->name, "org.freedesktop.DBus.Error.Spawn.") ||
               has_prefix(error->name, "org.freedesktop.systemd1.") ||
               (error->message && has_prefix(error->message, "Unit dbus-org.execd1.service "));
}

/* The beginnings of errors that name a field of the request, and the option that sets it. */
static const struct {
        const char *begin, *option;
        bool keep; /* the beginning says more than the name of the field */
} fields[] = {
        {"Properties.", "--property", false},
        {"Properties: ", "--property", false},
        {"Labels: ", "--label", false},
        {"Env: ", "--setenv", false},
        {"Env has ", "--setenv", true},
        {"invalid User: ", "--user", false},
        {"User: ", "--user", false},
        {"WorkingDir: ", "--working-directory", false},
        {"DetachKeys: ", "--detach-keys", false},
        {"Invalid escape keys ", "--detach-keys", true},
};

static int fail_refused(const char *message)
{
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (has_prefix(message, fields[i].begin))
                        return fail("%s: %s", fields[i].option,
                                    message + (fields[i].keep ? 0 : strlen(fields[i].begin)));
        return fail("%s", message);
}

int bus_fail(const sd_bus_error *error, int r)
{
        const char *message = error->message && *error->message ? error->message : error->name;

        if (!sd_bus_error_is_set(error))
                return fail_errno(r, "Failed to call execd");
        if (sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit"))
                return fail("execd is disabled. To enable it: systemctl enable --now execd.socket "
                            "execd-spawner.socket");
        if (bus_lacks_execd(error))
                return fail("execd is not available: %s", error->message ?: error->name);
        (void) fail_refused(message);
        if (sd_bus_error_has_name(error, REFUSAL_ERROR_PREFIX "CommandNotFound"))
                return 127;
        if (sd_bus_error_has_name(error, REFUSAL_ERROR_PREFIX "CommandNotRunnable"))
                return 126;
        return EXIT_FAILURE;
}

int bus_new_call(Ctl *c, const char *path, const char *interface, const char *member, sd_bus_message **ret)
{
        int r = bus_connect(c);

        if (r != 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, ret, BUS_NAME, path, interface, member);
        return r < 0 ? fail_errno(r, "Failed to create method call %s", member) : 0;
}

int bus_new_manager_call(Ctl *c, const char *member, const char *text, sd_bus_message **ret)
{
        int r = bus_new_call(c, MANAGER_PATH, MANAGER_INTERFACE, member, ret);

        if (r != 0 || !text)
                return r;
        return sd_bus_message_append(*ret, "s", text) < 0 ? fail_memory() : 0;
}

int bus_call(Ctl *c, sd_bus_message *m, sd_bus_message **ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        agent_open(c);
        r = sd_bus_call(c->bus, m, 0, &error, ret);
        return r < 0 ? bus_fail(&error, r) : 0;
}

int bus_ask(Ctl *c, const char *member, const char *text, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = bus_new_manager_call(c, member, text, &m);

        return r ?: bus_call(c, m, ret);
}

void exec_list_done(ExecList *l)
{
        l->message = sd_bus_message_unref(l->message);
        l->rows = mfree(l->rows);
        l->n = 0;
}

int exec_list_read(Ctl *c, ExecList *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        size_t allocated = 0;
        int r;

        r = bus_new_manager_call(c, "ListExecs", NULL, &m);
        if (r != 0)
                return r;
        r = sd_bus_call(c->bus, m, 0, &error, &ret->message);
        if (r < 0)
                return bus_fail(&error, r);
        r = sd_bus_message_enter_container(ret->message, 'a', "(sossssut)");
        while (r >= 0) {
                ExecRow row = {0};

                r = sd_bus_message_read(ret->message, "(sossssut)", &row.id, &row.path, &row.container,
                                        &row.state, &row.command_line, &row.unit, &row.uid,
                                        &row.created_usec);
                if (r <= 0)
                        break;
                if (ret->n == allocated) {
                        ExecRow *rows;

                        allocated = allocated * 2 + 64;
                        rows = reallocarray(ret->rows, allocated, sizeof(ExecRow));
                        if (!rows)
                                return fail_memory();
                        ret->rows = rows;
                }
                ret->rows[ret->n++] = row;
        }
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

void exec_name_done(ExecName *n)
{
        n->path = mfree(n->path);
}

static int set_name(ExecName *ret, const char *id, const char *path)
{
        snprintf(ret->id, sizeof(ret->id), "%s", id);
        ret->path = strdup(path);
        return ret->path ? 1 : -fail_memory();
}

/* An exec that ended long ago is in no list, but execd may find it in the journal. */
static int find_by_id(Ctl *c, const char *id, ExecName *ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = bus_new_manager_call(c, "GetExec", id, &m);
        if (r != 0)
                return -r;
        agent_open(c);
        r = sd_bus_call(c->bus, m, 0, &error, &reply);
        if (r < 0 && sd_bus_error_has_name(&error, REFUSAL_ERROR_PREFIX "NoSuchExec"))
                return 0;
        if (r < 0)
                return -bus_fail(&error, r);
        r = sd_bus_message_read(reply, "o", &path);
        return r < 0 ? -fail_errno(r, "Invalid reply from execd") : set_name(ret, id, path);
}

static bool may_be_id(const char *text)
{
        size_t length = strlen(text);

        return length > 0 && length <= EXEC_ID_LENGTH && !text[strspn(text, "0123456789abcdef")];
}

int exec_find_any(Ctl *c, const char *prefix, ExecName *ret)
{
        _cleanup_(exec_list_done) ExecList list = {0};
        const ExecRow *found = NULL;
        size_t length = strlen(prefix);
        int r;

        if (!may_be_id(prefix))
                return 0;
        if (length == EXEC_ID_LENGTH)
                return find_by_id(c, prefix, ret);
        r = exec_list_read(c, &list);
        if (r != 0)
                return -r;
        for (size_t i = 0; i < list.n; i++) {
                if (strncmp(list.rows[i].id, prefix, length) != 0)
                        continue;
                if (found)
                        return -fail("Several execs have an ID that begins with \"%s\".", prefix);
                found = &list.rows[i];
        }
        return found ? set_name(ret, found->id, found->path) : 0;
}

int exec_find(Ctl *c, const char *prefix, ExecName *ret)
{
        int r;

        if (!may_be_id(prefix))
                return fail("\"%s\" is not the ID of an exec, nor the beginning of one. "
                            "\"execctl list\" shows execs.",
                            prefix);
        r = exec_find_any(c, prefix, ret);
        if (r == 0)
                return fail("There is no exec \"%s\" that you may see. \"execctl list --all\" shows execs.",
                            prefix);
        return r < 0 ? -r : 0;
}

int bus_new_question(Ctl *c, const char *path, const char *interface, const char *member,
                     sd_bus_message **ret)
{
        int r = bus_new_call(c, path, interface, member, ret);

        return r != 0 ? r : sd_bus_message_set_auto_start(*ret, false) < 0 ? fail_memory() : 0;
}

bool bus_ask_again(Again *a, const sd_bus_error *error)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        /* It has left the bus while the question was with it. */
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY)) {
                a->until = 0;
                return ++a->tries < AGAIN_TRIES;
        }
        if (!bus_lacks_execd(error))
                return false;
        if (a->until == 0)
                a->until = now + AGAIN_USEC;
        return now < a->until;
}

int bus_fail_question(const char *path, const sd_bus_error *error, int r)
{
        const char *id = path + strlen(path) - EXEC_ID_LENGTH;

        if (!bus_lacks_execd(error))
                return bus_fail(error, r);
        (void) fail(
                "execd was stopped, and the exit status of the command is not known. When execd is back, "
                "ask again: execctl wait %.*s",
                ID_SHOWN, id);
        return EXIT_STOPPED;
}

/* Asks until there is an answer. */
static int ask(Ctl *c, const char *path, const char *interface, const char *member,
               int (*append)(sd_bus_message *), sd_bus_message **ret)
{
        Again again = {0};

        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r;

                r = bus_new_question(c, path, interface, member, &m);
                if (r != 0)
                        return r;
                if (append(m) < 0)
                        return fail_memory();
                agent_open(c);
                r = sd_bus_call(c->bus, m, UINT64_MAX, &error, ret);
                if (r >= 0)
                        return 0;
                if (!bus_ask_again(&again, &error))
                        return bus_fail_question(path, &error, r);
                (void) poll(NULL, 0, AGAIN_MSEC);
        }
}

static int append_forever(sd_bus_message *m)
{
        return sd_bus_message_append(m, "t", UINT64_C(0));
}

int exec_read_end(const Ctl *c, sd_bus_message *reply, int *ret_exit_status)
{
        const char *result;
        int r = sd_bus_message_read(reply, "is", ret_exit_status, &result);

        if (r >= 0 && strcmp(result, "timeout") == 0 && !c->options.quiet)
                fprintf(stderr, "execctl: The command has reached RuntimeMaxSec and was ended.\n");
        return r;
}

int exec_wait(Ctl *c, const char *path, int *ret_exit_status)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = ask(c, path, EXEC_INTERFACE, "Wait", append_forever, &reply);
        if (r != 0)
                return r;
        r = exec_read_end(c, reply, ret_exit_status);
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

static int append_state(sd_bus_message *m)
{
        return sd_bus_message_append(m, "ss", EXEC_INTERFACE, "State");
}

int exec_is_running(Ctl *c, const char *path, bool *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *state;
        int r;

        r = ask(c, path, "org.freedesktop.DBus.Properties", "Get", append_state, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "v", "s", &state);
        if (r < 0)
                return fail_errno(r, "Invalid reply from execd");
        *ret = strcmp(state, "running") == 0;
        return 0;
}

int bus_append_strings(sd_bus_message *m, const char *name, char *const *strings)
{
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) strings);
        for (int i = 0; i < 2 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}
