/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exec's face on the bus. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "api/dbus-object.h"
#include "api/exec-view.h"
#include "base/fd.h"
#include "core/exec-access.h"
#include "core/exec-output.h"
#include "core/exec-recording.h"
#include "core/exec-start.h"

/* The exec that is found for a path is what the methods get; the manager is what they were registered with. */
static Manager *manager_of(sd_bus_message *m)
{
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(m)));
}

/* Starting. */

static void start_finish(DbusCall *c)
{
        Refusal refusal = {.kind = c->exec->failure_kind, .message = c->exec->failure};

        if (c->exec->state == EXEC_FAILED)
                dbus_call_refuse(c, &refusal);
        else
                c->next(c);
}

static void start_on_state(ExecWatch *w, Exec *e)
{
        DbusCall *c = LIST_ENTRY(w, DbusCall, watch);

        if (e->state == EXEC_STARTING)
                return;
        exec_unwatch(w);
        start_finish(c);
}

void dbus_start_exec(DbusCall *c, bool detached, void (*done)(DbusCall *c))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ConsoleSize no_size = {.set = false};
        Exec *e = c->exec;

        c->next = done;
        if (e->state != EXEC_CREATED) {
                (void) exec_start(e, c->peer, &no_size, detached, &refusal);
                dbus_call_refuse(c, &refusal);
                return;
        }
        if (c->fds[0] >= 0 || c->piped) {
                int r = exec_follow_caller(e, sd_bus_message_get_sender(c->message), false);

                if (r < 0) {
                        dbus_call_fail(c, r);
                        return;
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(c->fds); i++)
                e->stdio[i] = TAKE_FD(c->fds[i]);
        e->piped = c->piped;
        e->one_output = c->one_output;
        exec_watch(e, &c->watch, start_on_state);
        /* What fails here has changed the state already, and the watch has answered. */
        (void) exec_start(e, c->peer, &no_size, detached, &refusal);
}

static void reply_nothing(DbusCall *c)
{
        dbus_call_reply(c, NULL);
}

static void reply_pipes(DbusCall *c)
{
        const int *fds = c->exec->stdio;

        /* It ended before we could tell, and could not be served. */
        if (fds[2] < 0)
                dbus_call_fail(c, -EIO);
        else
                dbus_call_reply(c, "hhh", fds[0], fds[1], fds[2]);
}

static void start_run(DbusCall *c)
{
        dbus_start_exec(c, c->fds[0] < 0 && !c->piped, c->piped ? reply_pipes : reply_nothing);
}

static void start_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_MANAGE, "start", start_run);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Exec *e = userdata;
        DbusCall *c;
        int r = dbus_call_new(manager_of(m), m, e, &c);

        return r < 0 ? r : dbus_call_begin(c, start_authorize);
}

int dbus_read_pipes(sd_bus_message *m, DbusCall *c, bool passed, Refusal *reterr)
{
        int one_output, r;

        if (passed)
                return dbus_read_stdio(m, c->fds, reterr);
        r = sd_bus_message_read(m, "b", &one_output);
        c->piped = true;
        c->one_output = r >= 0 && one_output;
        return r;
}

static int start_with_pipes(sd_bus_message *m, Exec *e, bool passed, sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        r = dbus_call_new(manager_of(m), m, e, &c);
        if (r < 0)
                return r;
        r = dbus_read_pipes(m, c, passed, &refusal);
        if (r >= 0 && e->request->tty)
                r = refuse(&refusal, REFUSAL_BAD_REQUEST, EINVAL, "the exec has a tty: use StartAttached");
        if (r >= 0)
                r = exec_recording_decide(e->env, e->request, true, &refusal);
        if (r < 0)
                return refusal.kind != REFUSAL_NONE ? dbus_error_from_refusal(error, &refusal) : r;
        return dbus_call_begin(TAKE_PTR(c), start_authorize);
}

static int method_start_with_fds(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return start_with_pipes(m, userdata, true, error);
}

static int method_start_piped(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return start_with_pipes(m, userdata, false, error);
}

/* Attaching: one end of a socket pair becomes a client of the stream, the other goes to the caller. */

static int attach_stream(DbusCall *c, bool primary)
{
        const ExecRequest *q = c->exec->request;
        StreamClientOptions o = {
                .raw = q->tty,
                .want_stdout = primary ? q->attach_stdout : c->want_stdout,
                .want_stderr = !q->tty && (primary ? q->attach_stderr : c->want_stderr),
                .writer = primary ? q->attach_stdin : c->want_stdin,
                .replay = c->replay,
                .primary = primary,
        };
        Stream *s = exec_stream(c->exec);
        int pair[2], r;

        if (!s)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        o.fd = pair[0];
        r = stream_add_client(s, &o);
        if (r < 0) {
                fd_close(pair[1]);
                return r;
        }
        c->stream = pair[1];
        return 0;
}

static void reply_stream(DbusCall *c)
{
        dbus_call_reply(c, "h", c->stream);
}

static void start_attached_run(DbusCall *c)
{
        int r = 0;

        if (c->exec->state == EXEC_CREATED)
                r = attach_stream(c, true);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_start_exec(c, false, reply_stream);
}

static void start_attached_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_MANAGE, "start", start_attached_run);
}

static int method_start_attached(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        Exec *e = userdata;
        DbusCall *c;
        int r = dbus_call_new(manager_of(m), m, e, &c);

        return r < 0 ? r : dbus_call_begin(c, start_attached_authorize);
}

static void attach_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int r;

        if (exec_access_attach(c->exec, c->peer, c->want_stdin, "Stdin", &refusal) < 0) {
                dbus_call_refuse(c, &refusal);
                return;
        }
        r = attach_stream(c, false);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                reply_stream(c);
}

static void attach_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_MANAGE, "attach", attach_run);
}

static int method_attach(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Exec *e = userdata;
        int r;

        r = dbus_call_new(manager_of(m), m, e, &c);
        if (r >= 0)
                r = dbus_read_attach_options(m, c, &refusal);
        if (r < 0)
                return refusal.kind != REFUSAL_NONE ? dbus_error_from_refusal(error, &refusal) : r;
        return dbus_call_begin(TAKE_PTR(c), attach_authorize);
}

/* Controlling. */

static void resize_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_access_resize(c->exec, c->peer, c->rows, c->columns, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else
                reply_nothing(c);
}

static void resize_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_MANAGE, "resize", resize_run);
}

static int method_resize(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        Exec *e = userdata;
        int r;

        r = dbus_call_new(manager_of(m), m, e, &c);
        if (r >= 0)
                r = sd_bus_message_read(m, "qq", &c->rows, &c->columns);
        return r < 0 ? r : dbus_call_begin(TAKE_PTR(c), resize_authorize);
}

static int kill_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        DbusCall *c = userdata;

        c->slot = sd_bus_slot_unref(c->slot);
        if (spawner_reply_refusal(m, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else
                reply_nothing(c);
        return 0;
}

static void kill_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_access_kill(c->exec, c->peer, c->signal_number, c->all, kill_on_reply, c, &c->slot,
                             &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static void kill_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_MANAGE, "kill", kill_run);
}

static int method_kill(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        Refusal bad = {.kind = REFUSAL_BAD_REQUEST, .message = (char *) "signal: there is no such signal"};
        Exec *e = userdata;
        int all, r;

        r = dbus_call_new(manager_of(m), m, e, &c);
        if (r >= 0)
                r = sd_bus_message_read(m, "ib", &c->signal_number, &all);
        if (r < 0)
                return r;
        if (c->signal_number < 1 || c->signal_number > SIGRTMAX)
                return dbus_error_from_refusal(error, &bad);
        c->all = all;
        return dbus_call_begin(TAKE_PTR(c), kill_authorize);
}

static void wait_finish(DbusCall *c)
{
        dbus_call_reply(c, "is", c->exec->exit_code, exec_result(c->exec) ?: "");
}

static void wait_on_state(ExecWatch *w, Exec *e)
{
        if (exec_has_ended(e))
                wait_finish(LIST_ENTRY(w, DbusCall, watch));
}

static int wait_on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        DbusCall *c = userdata;

        (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_TIMEOUT,
                                          "the exec has not ended in time");
        dbus_call_free(c);
        return 0;
}

static void wait_run(DbusCall *c)
{
        int r = 0;

        if (exec_has_ended(c->exec)) {
                wait_finish(c);
                return;
        }
        /* What no clock can reach is never. */
        if (c->timeout_usec > 0 && c->timeout_usec < INT64_MAX)
                r = sd_event_add_time_relative(c->manager->event, &c->timer, CLOCK_MONOTONIC,
                                               c->timeout_usec, 0, wait_on_timeout, c);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                exec_watch(c->exec, &c->watch, wait_on_state);
}

static void wait_authorize(DbusCall *c)
{
        dbus_call_authorize_exec(c, AUTHZ_INSPECT, "wait", wait_run);
}

static int method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_(dbus_call_freep) DbusCall *c = NULL;
        Exec *e = userdata;
        int r;

        r = dbus_call_new(manager_of(m), m, e, &c);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &c->timeout_usec);
        return r < 0 ? r : dbus_call_begin(TAKE_PTR(c), wait_authorize);
}

/* Properties, through one getter: what they show is small. */

static int property_get(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const Exec *e = userdata;
        const struct {
                const char *name, *value;
        } strings[] = {
                {"Id", e->id},
                {"ContainerId", e->container->id},
                {"ContainerName", e->container->name},
                {"CommandLine", e->command_line},
                {"User", e->request->user},
                {"Unit", e->unit},
                {"State", exec_status_name(e)},
                {"Result", exec_result(e)},
                {"RecordingPath", e->recording_path},
        };
        const struct {
                const char *name;
                uint64_t value;
        } times[] = {
                {"CreatedUSec", e->created_usec},
                {"StartedUSec", e->started_usec},
                {"FinishedUSec", e->finished_usec},
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (strcmp(strings[i].name, property) == 0)
                        return sd_bus_message_append(reply, "s", strings[i].value ?: "");
        for (size_t i = 0; i < ELEMENTSOF(times); i++)
                if (strcmp(times[i].name, property) == 0)
                        return sd_bus_message_append(reply, "t", times[i].value);
        if (strcmp(property, "Error") == 0) {
                _cleanup_free_ char *text = refusal_plain(e->failure ?: "");

                return text ? sd_bus_message_append(reply, "s", text) : -ENOMEM;
        }
        if (strcmp(property, "Tty") == 0)
                return sd_bus_message_append(reply, "b", (int) e->request->tty);
        if (strcmp(property, "Privileged") == 0)
                return sd_bus_message_append(reply, "b", (int) e->request->privileged);
        if (strcmp(property, "Record") == 0)
                return sd_bus_message_append(reply, "b", (int) e->request->record);
        if (strcmp(property, "Command") == 0)
                return sd_bus_message_append_strv(reply, e->request->argv);
        if (strcmp(property, "CallerUID") == 0)
                return sd_bus_message_append(reply, "u", (uint32_t) e->creator->uid);
        if (strcmp(property, "Pid") == 0)
                return sd_bus_message_append(reply, "u", exec_is_running(e) ? (uint32_t) e->pid : 0);
        if (strcmp(property, "ExitStatus") == 0)
                return sd_bus_message_append(reply, "i", exec_result(e) ? e->exit_code : -1);
        return -ENOENT;
}

#define CONST_PROPERTY SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define FOR_ALL        SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable dbus_exec_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_start, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartWithFds", SD_BUS_ARGS("h", stdin, "h", stdout, "h", stderr),
                                SD_BUS_NO_RESULT, method_start_with_fds, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartPiped", SD_BUS_ARGS("b", one_output),
                                SD_BUS_RESULT("h", stdin, "h", stdout, "h", stderr), method_start_piped,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("StartAttached", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", stream),
                                method_start_attached, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", stream),
                                method_attach, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Resize", SD_BUS_ARGS("q", rows, "q", columns), SD_BUS_NO_RESULT,
                                method_resize, FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("i", signal, "b", all), SD_BUS_NO_RESULT, method_kill,
                                FOR_ALL),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("t", timeout_usec),
                                SD_BUS_RESULT("i", exit_status, "s", result), method_wait, FOR_ALL),
        SD_BUS_PROPERTY("Id", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerId", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("ContainerName", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CommandLine", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Command", "as", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("User", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Tty", "b", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Privileged", "b", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Record", "b", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("Unit", "s", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CallerUID", "u", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("CreatedUSec", "t", property_get, 0, CONST_PROPERTY),
        SD_BUS_PROPERTY("State", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Result", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("ExitStatus", "i", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Error", "s", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("Pid", "u", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("StartedUSec", "t", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("FinishedUSec", "t", property_get, 0, CHANGES),
        SD_BUS_PROPERTY("RecordingPath", "s", property_get, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
