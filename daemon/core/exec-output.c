/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "core/audit.h"
#include "core/exec-internal.h"
#include "core/exec-recording.h"
#include "core/fdstore.h"
#include "wire/runner-spec.h"

/* Some packets: its content is yet to be written when the command ends. */
#define LOG_PIPE_SIZE (16 * 1024)

int exec_output_log(Exec *e)
{
        RunnerLog log = {.version = RUNNER_SPEC_VERSION};
        _cleanup_close_ int theirs = -EBADF;
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC | O_DIRECT) < 0)
                return -errno;
        theirs = ends[0];
        (void) fcntl(theirs, F_SETPIPE_SZ, LOG_PIPE_SIZE);
        r = stream_set_log(e->stream, ends[1], NULL);
        if (r < 0)
                return r;
        snprintf(log.exec_id, sizeof(log.exec_id), "%s", e->id);
        snprintf(log.container_name, sizeof(log.container_name), "%s", e->container->name);
        snprintf(log.container_id, sizeof(log.container_id), "%s", e->container->id);
        snprintf(log.container_kind, sizeof(log.container_kind), "%s", e->container->kind);
        r = fd_send_message(e->control_fd, RUNNER_TAKEN_LOG, 1, NULL, 0);
        if (r >= 0)
                r = fd_send_message(e->control_fd, &log, sizeof(log), &theirs, 1);
        e->logging = r >= 0;
        return r;
}

static void exec_on_output(void *userdata, FrameType type, const void *data, size_t size)
{
        Exec *e = userdata;

        exec_recording_output(e, type, data, size);
}

static bool exec_has_room(void *userdata)
{
        return exec_recording_has_room(userdata);
}

static void exec_on_output_end(void *userdata)
{
        Exec *e = userdata;

        e->output_ended = true;
        exec_advance(e);
}

void exec_apply_disconnect(Exec *e)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (!e->client_gone || e->state != EXEC_RUNNING)
                return;
        e->client_gone = false;
        switch (e->request->on_disconnect) {
        case ON_DISCONNECT_HANGUP:
                fdstore_forget_terminal(e);
                if (e->request->tty)
                        stream_hang_up(e->stream);
                else
                        (void) exec_kill(e, SIGHUP, false, NULL, NULL, NULL, &refusal);
                break;
        case ON_DISCONNECT_KILL:
                (void) exec_kill(e, SIGKILL, true, NULL, NULL, NULL, &refusal);
                break;
        default:
                break;
        }
}

static void exec_on_client_gone(void *userdata)
{
        Exec *e = userdata;

        (void) audit_exec(AUDIT_DETACHED, e, e->starter, NULL);
        e->client_gone = true;
        exec_apply_disconnect(e);
}

static void exec_on_caller_gone(void *userdata)
{
        Exec *e = userdata;

        e->caller = caller_watch_free(e->caller);
        exec_on_client_gone(e);
}

int exec_follow_caller(Exec *e, const char *bus_name, bool ask)
{
        if (e->request->on_disconnect == ON_DISCONNECT_KEEP || !e->env->callers)
                return 0;
        return caller_watch_new(e->env->callers, bus_name, ask, exec_on_caller_gone, e, &e->caller);
}

static void exec_on_detached(void *userdata)
{
        Exec *e = userdata;

        (void) audit_exec(AUDIT_DETACHED, e, e->starter, NULL);
        exec_tell(e, "exec_detach");
}

static void exec_on_clients(void *userdata)
{
        Exec *e = userdata;

        if (e->env->events->on_clients)
                e->env->events->on_clients(e->env->userdata, e);
}

static const StreamEvents stream_events = {
        .on_output_end = exec_on_output_end,
        .on_client_gone = exec_on_client_gone,
        .on_detached = exec_on_detached,
        .on_clients = exec_on_clients,
};

static const StreamEvents stream_events_observed = {
        .on_output_end = exec_on_output_end,
        .on_client_gone = exec_on_client_gone,
        .on_detached = exec_on_detached,
        .on_clients = exec_on_clients,
        .on_output = exec_on_output,
        .has_room = exec_has_room,
};

/* Rings are in memory from the first byte of output on. One of a user who has many is smaller, and no exec is
 * refused for it: less is read ahead of a slow client, and less is kept for a late one. */
static size_t exec_charge_ring(Exec *e)
{
        Budget *b = e->env->outputs;
        size_t size = e->env->config->output_buffer_size;

        if (!b)
                return size;
        if (!budget_take(b, e->creator->uid, size)) {
                size = OUTPUT_RING_SMALL;
                budget_force(b, e->creator->uid, size);
        }
        e->ring_charge = size;
        return size;
}

Stream *exec_stream(Exec *e)
{
        if (!e->stream)
                e->stream = stream_new(e->env->event,
                                       e->request->record ? &stream_events_observed : &stream_events, e);
        else
                return e->stream;
        if (e->stream)
                stream_output_ring(e->stream)->limit = exec_charge_ring(e);
        return e->stream;
}
