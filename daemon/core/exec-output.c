/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-output.h"

#include <signal.h>
#include <string.h>

#include "core/audit.h"
#include "core/exec-recording.h"
#include "core/handover.h"
#include "core/manager.h"

/* A longer line is cut into several records. */
#define JOURNAL_LINE_MAX (16 * 1024)

static void journal_line_send(Exec *e, FrameType type, Buf *line)
{
        if (buf_length(line) > 0)
                (void) audit_output(e, type, buf_head(line), buf_length(line));
        buf_done(line);
}

static void journal_write(Exec *e, FrameType type, const char *data, size_t size)
{
        Buf *line = &e->journal_line[type == FRAME_STDERR];

        while (size > 0) {
                const char *newline = memchr(data, '\n', size);
                size_t piece = newline ? (size_t) (newline - data) : size;

                piece = MIN(piece, JOURNAL_LINE_MAX - buf_length(line));
                buf_append(line, data, piece);
                if (newline && data + piece == newline)
                        piece++;
                else if (buf_length(line) < JOURNAL_LINE_MAX)
                        return;
                journal_line_send(e, type, line);
                data += piece;
                size -= piece;
        }
}

void exec_output_flush(Exec *e)
{
        journal_line_send(e, FRAME_STDOUT, &e->journal_line[0]);
        journal_line_send(e, FRAME_STDERR, &e->journal_line[1]);
}

static void exec_on_output(void *userdata, FrameType type, const void *data, size_t size)
{
        Exec *e = userdata;

        if (e->detached)
                journal_write(e, type, data, size);
        exec_recording_output(e, type, data, size);
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
                handover_forget_terminal(e);
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

        e->caller = bus_name_free(e->caller);
        exec_on_client_gone(e);
}

int exec_follow_caller(Exec *e, const char *bus_name, bool ask)
{
        if (e->request->on_disconnect == ON_DISCONNECT_KEEP || !e->manager->bus)
                return 0;
        return bus_name_follow(e->manager->bus, bus_name, ask, exec_on_caller_gone, e, &e->caller);
}

static void exec_on_detached(void *userdata)
{
        Exec *e = userdata;

        (void) audit_exec(AUDIT_DETACHED, e, e->starter, NULL);
        exec_tell(e, "exec_detach");
}

static const StreamEvents stream_events = {
        .on_output_end = exec_on_output_end,
        .on_client_gone = exec_on_client_gone,
        .on_detached = exec_on_detached,
};

static const StreamEvents stream_events_observed = {
        .on_output_end = exec_on_output_end,
        .on_client_gone = exec_on_client_gone,
        .on_detached = exec_on_detached,
        .on_output = exec_on_output,
};

Stream *exec_stream(Exec *e)
{
        if (!e->stream)
                e->stream = stream_new(
                        e->manager->event,
                        e->detached || e->request->record ? &stream_events_observed : &stream_events, e);
        else
                return e->stream;
        if (e->stream)
                stream_history(e->stream)->limit = e->manager->config.output_buffer_size;
        return e->stream;
}
