/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-start.h"

#include <assert.h>
#include <sys/socket.h>

#include "api/dbus-methods.h"
#include "api/dbus-options.h"
#include "base/fd.h"
#include "core/exec-access.h"
#include "core/exec-output.h"
#include "core/exec-recording.h"
#include "core/exec-start.h"

void dbus_start_done(DbusCall *c)
{
        DbusStart *s = DBUS_CALL(c, DbusStart);

        exec_unwatch(&s->watch);
        for (size_t i = 0; i < ELEMENTSOF(s->fds); i++)
                fd_close(s->fds[i]);
        fd_close(s->stream);
}

void dbus_start_init(DbusStart *s)
{
        for (size_t i = 0; i < ELEMENTSOF(s->fds); i++)
                s->fds[i] = -EBADF;
        s->stream = -EBADF;
}

static void start_on_state(ExecWatch *w, Exec *e)
{
        Refusal refusal = {.kind = e->failure_kind, .message = e->failure};
        DbusStart *s = LIST_ENTRY(w, DbusStart, watch);

        if (e->state == EXEC_STARTING)
                return;
        exec_unwatch(w);
        if (e->state == EXEC_FAILED)
                dbus_call_refuse(&s->call, &refusal);
        else
                s->started(s);
}

void dbus_start_exec(DbusStart *s, bool detached, void (*started)(DbusStart *s))
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ConsoleSize no_size = {.set = false};
        DbusCall *c = &s->call;
        Exec *e = c->exec;

        s->started = started;
        if (e->state != EXEC_CREATED) {
                (void) exec_start(e, c->peer, &no_size, detached, &refusal);
                dbus_call_refuse(c, &refusal);
                return;
        }
        if (s->fds[0] >= 0 || s->piped) {
                int r = exec_follow_caller(e, sd_bus_message_get_sender(c->message), false);

                if (r < 0) {
                        dbus_call_fail(c, r);
                        return;
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(s->fds); i++)
                e->stdio[i] = TAKE_FD(s->fds[i]);
        e->piped = s->piped;
        e->one_output = s->one_output;
        exec_watch(e, &s->watch, start_on_state);
        /* A failure here has already changed the state, and the watch has answered. */
        (void) exec_start(e, c->peer, &no_size, detached, &refusal);
}

static void reply_started(DbusStart *s)
{
        dbus_call_reply(&s->call, NULL);
}

static void reply_pipes(DbusStart *s)
{
        const int *fds = s->call.exec->stdio;

        /* The exec ended before the answer, and could not be served. */
        if (fds[2] < 0)
                dbus_call_fail(&s->call, -EIO);
        else
                dbus_call_reply(&s->call, "hhh", fds[0], fds[1], fds[2]);
}

static void start_run(DbusCall *c)
{
        DbusStart *s = DBUS_CALL(c, DbusStart);

        dbus_start_exec(s, s->fds[0] < 0 && !s->piped, s->piped ? reply_pipes : reply_started);
}

static int start_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        dbus_start_init(DBUS_CALL(c, DbusStart));
        return 0;
}

int dbus_start_read_pipes(sd_bus_message *m, DbusStart *s, bool passed, Refusal *reterr)
{
        int one_output, r;

        if (passed)
                return dbus_read_stdio(m, s->fds, reterr);
        r = sd_bus_message_read(m, "b", &one_output);
        s->piped = true;
        s->one_output = r >= 0 && one_output;
        return r;
}

/* Marks the method whose caller passes the pipes. */
static const char with_fds;

static int start_read_pipes(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        DbusStart *s = DBUS_CALL(c, DbusStart);
        int r;

        dbus_start_init(s);
        r = dbus_start_read_pipes(m, s, c->method->variant == &with_fds, reterr);
        if (r >= 0 && c->exec->request->tty)
                r = refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                           "the exec has a terminal, use StartAttached");
        return r < 0 ? r : exec_recording_decide(c->exec->env, c->exec->request, true, reterr);
}

/* Attaching: one end of a socket pair becomes a client of the stream, the other goes to the caller. */

static int attach_stream(Exec *e, StreamClientOptions *o, int *ret_fd)
{
        Stream *s = exec_stream(e);
        int pair[2], r;

        if (!s)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        o->fd = pair[0];
        r = stream_add_client(s, o);
        if (r < 0) {
                fd_close(pair[1]);
                return r;
        }
        *ret_fd = pair[1];
        return 0;
}

static void reply_stream(DbusStart *s)
{
        dbus_call_reply(&s->call, "h", s->stream);
}

static void start_attached_run(DbusCall *c)
{
        const ExecRequest *q = c->exec->request;
        StreamClientOptions o = {
                .uid = c->peer->uid,
                .pid = c->peer->pid,
                .raw = q->tty,
                .want_stdout = q->attach_stdout,
                .want_stderr = !q->tty && q->attach_stderr,
                .writer = q->attach_stdin,
                .primary = true,
        };
        DbusStart *s = DBUS_CALL(c, DbusStart);
        int r = 0;

        if (c->exec->state == EXEC_CREATED)
                r = attach_stream(c->exec, &o, &s->stream);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_start_exec(s, false, reply_stream);
}

typedef struct AttachCall {
        DbusCall call;
        DbusAttachOptions options;
} AttachCall;

static void attach_run(DbusCall *c)
{
        const DbusAttachOptions *a = &DBUS_CALL(c, AttachCall)->options;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_close_ int fd = -EBADF;
        StreamClientOptions o = {
                .uid = c->peer->uid,
                .pid = c->peer->pid,
                .raw = c->exec->request->tty,
                .want_stdout = a->want_stdout,
                .want_stderr = !c->exec->request->tty && a->want_stderr,
                .writer = a->want_stdin,
                .replay = a->replay,
        };
        int r;

        if (exec_access_attach(c->exec, c->peer, a->want_stdin, "Stdin", &refusal) < 0) {
                dbus_call_refuse(c, &refusal);
                return;
        }
        r = attach_stream(c->exec, &o, &fd);
        if (r < 0)
                dbus_call_fail(c, r);
        else
                dbus_call_reply(c, "h", fd);
}

static int attach_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        return dbus_read_attach_options(m, &DBUS_CALL(c, AttachCall)->options, reterr);
}

#define START_CALL    .size = sizeof(DbusStart), .done = dbus_start_done
#define START_ACT(fn) .act = {AUTHZ_MANAGE, "start", fn}

const DbusMethod dbus_start_methods[] = {
        {"Start", .read = start_read, START_CALL, START_ACT(start_run)},
        {"StartWithFds", .read = start_read_pipes, START_CALL, START_ACT(start_run), .variant = &with_fds},
        {"StartPiped", .read = start_read_pipes, START_CALL, START_ACT(start_run)},
        {"StartAttached", .read = start_read, START_CALL, START_ACT(start_attached_run)},
        {"Attach", sizeof(AttachCall), attach_read, .act = {AUTHZ_MANAGE, "attach", attach_run}},
        {NULL},
};
