/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exec-recording.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/audit.h"

#define COLUMNS 80
#define ROWS    24

int exec_recording_decide(const ExecEnv *env, ExecRequest *q, bool with_fds, Refusal *reterr)
{
        RecordMode mode = env->config->record;

        if (mode == RECORD_OFF && q->record)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "Record: recordings are disabled in execd.conf (Record=off)");
        if (with_fds && (q->record || mode == RECORD_ALWAYS))
                return refuse(reterr, q->record ? REFUSAL_BAD_REQUEST : REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "%s: streams that are passed as file descriptors cannot be recorded, "
                              "use StartAttached or Start",
                              q->record ? "Record" : "Record=always in execd.conf");
        if (q->record)
                return 1;
        q->record = mode == RECORD_ALWAYS;
        return 0;
}

int exec_recording_probed(const ExecEnv *env, int error, Refusal *reterr)
{
        if (error >= 0)
                return 0;
        return refuse(reterr, REFUSAL_UNAVAILABLE, error, "Record: failed to write recordings to %s: %s",
                      recorder_path(env->recorder), strerror(-error));
}

/* The value of TERM that the command is given; Docker's when it has a terminal and no other was asked for.
 */
static const char *find_term(const ExecRequest *q)
{
        const char *term = q->tty ? "xterm" : NULL;

        STRV_FOREACH (v, q->env)
                if (strncmp(*v, "TERM=", strlen("TERM=")) == 0)
                        term = *v + strlen("TERM=");
        return term;
}

static void on_over(void *userdata, bool exists, const char *why)
{
        Exec *e = userdata;

        if (!exists)
                e->recording_path = mfree(e->recording_path);
        (void) audit_exec(AUDIT_UNRECORDED, e, e->starter, why);
        /* The output is no longer recorded. */
        if (e->stream) {
                stream_ignore_output(e->stream);
                stream_wake(e->stream);
        }
}

static void on_room(void *userdata)
{
        const Exec *e = userdata;

        if (e->stream)
                stream_wake(e->stream);
}

static void on_closed(void *userdata)
{
        Exec *e = userdata;

        e->recording = NULL;
        if (e->recording_closed)
                e->recording_closed(e);
}

static const RecordingEvents recording_events = {
        .on_over = on_over,
        .on_room = on_room,
        .on_closed = on_closed,
};

static void tell_unrecorded(Exec *e, bool exists, const char *what, int error)
{
        char why[160];

        snprintf(why, sizeof(why), "because its file could not be %s (%s)", what, strerror(-error));
        on_over(e, exists, why);
}

void exec_recording_begin(Exec *e)
{
        const ExecRequest *q = e->request;
        const ConsoleSize *size = &e->start_size;
        _cleanup_free_ char *title = NULL;
        CastHeader header = {
                .columns = size->set && size->columns > 0 ? size->columns : COLUMNS,
                .rows = size->set && size->rows > 0 ? size->rows : ROWS,
                .timestamp = e->started_usec / USEC_PER_SEC,
                .command = e->command_line,
                .term = find_term(q),
                .exec_id = e->id,
                .container = e->container->name,
                .user = q->user,
                .caller_uid = (unsigned) e->creator->uid,
                .tty = q->tty,
        };
        int r;

        if (!q->record)
                return;
        if (asprintf(&title, "%s: %s", e->container->name, e->command_line) < 0)
                title = NULL;
        header.title = title;
        e->recording_path = recorder_path_of(e->env->recorder, e->id);
        r = e->recording_path ? recording_new(e->env->recorder, &header, &recording_events, e, &e->recording)
                              : -ENOMEM;
        if (r < 0)
                tell_unrecorded(e, false, "created", r);
}

void exec_recording_resume(Exec *e)
{
        int r;

        if (!e->request->record || !e->recording_path)
                return;
        r = recording_resume(e->env->recorder, e->id, e->creator->uid, e->request->tty, e->started_monotonic,
                             &recording_events, e, &e->recording);
        if (r < 0)
                tell_unrecorded(e, true, "reopened", r);
}

bool exec_recording_has_room(const Exec *e)
{
        return !e->recording || recording_has_room(e->recording);
}

void exec_recording_output(Exec *e, FrameType type, const void *data, size_t size)
{
        if (e->recording)
                recording_output(e->recording, type, data, size);
}

void exec_recording_resize(Exec *e, uint16_t rows, uint16_t columns)
{
        if (e->recording && e->request->tty)
                recording_resize(e->recording, columns, rows);
}

bool exec_recording_finish(Exec *e, void (*closed)(Exec *e))
{
        if (!e->recording)
                return true;
        e->recording_closed = closed;
        if (!recording_is_ending(e->recording))
                recording_end(e->recording, false);
        return false;
}

void exec_recording_end(Exec *e)
{
        Recording *r = TAKE_PTR(e->recording);

        if (!r)
                return;
        if (recording_is_ending(r))
                recording_forget(r);
        else if (e->persistence == EXEC_STORED)
                recording_suspend(r);
        else {
                recording_end(r, !exec_has_ended(e));
                recording_forget(r);
        }
}

int exec_recording_open(const Exec *e, recorder_answer_t callback, void *userdata, RecorderQuestion **ret,
                        Refusal *reterr)
{
        int r;

        if (!e->recording_path)
                return exec_recording_opened(e, -ENOENT, reterr);
        if (e->recording)
                recording_flush(e->recording);
        r = recorder_ask(e->env->recorder, RECORDER_OPEN, e->id, callback, userdata, ret);
        return r < 0 ? exec_recording_opened(e, r, reterr) : 0;
}

int exec_recording_opened(const Exec *e, int error, Refusal *reterr)
{
        if (error >= 0)
                return 0;
        if (error == -ENOENT)
                return refuse(reterr, REFUSAL_NO_EXEC, ENOENT, "exec %s has no recording", e->id);
        log_errno(LOG_WARNING, error, "Failed to open the recording %s", e->recording_path);
        return refuse(reterr, REFUSAL_UNAVAILABLE, error, "failed to open the recording of exec %s: %s",
                      e->id, strerror(-error));
}
