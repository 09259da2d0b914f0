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
        int r;

        if (mode == RECORD_OFF && q->record)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "Record: recordings are disabled in execd.conf (Record=off)");
        if (with_fds && (q->record || mode == RECORD_ALWAYS))
                return refuse(reterr, q->record ? REFUSAL_BAD_REQUEST : REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "%s, and streams that are passed as file descriptors cannot be: "
                              "use StartAttached or Start",
                              q->record ? "Record: it is to be recorded"
                                        : "every exec is to be recorded (Record=always)");
        if (q->record) {
                r = recording_store_open(env->recordings);
                if (r < 0)
                        return refuse(reterr, REFUSAL_UNAVAILABLE, r,
                                      "Record: failed to write recordings to %s: %s", env->recordings->path,
                                      strerror(-r));
        }
        if (mode == RECORD_ALWAYS)
                q->record = true;
        return 0;
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

static void tell_truncated(Exec *e, const char *why)
{
        (void) audit_exec(AUDIT_UNRECORDED, e, e->starter, why);
        /* The output is no longer recorded. */
        if (e->stream)
                stream_ignore_output(e->stream);
}

static void on_truncated(void *userdata, const char *why)
{
        tell_truncated(userdata, why);
}

void exec_recording_begin(Exec *e)
{
        const ExecRequest *q = e->request;
        const ConsoleSize *size = &e->start_size;
        _cleanup_free_ char *title = NULL, *why = NULL;
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
        e->recording_path = recording_store_path(e->env->recordings, e->id);
        r = e->recording_path ? recording_new(e->env->recordings, &header, on_truncated, e, &e->recording)
                              : -ENOMEM;
        if (r >= 0)
                return;
        e->recording_path = mfree(e->recording_path);
        if (asprintf(&why, "because its file could not be created (%s)", strerror(-r)) < 0)
                why = NULL;
        tell_truncated(e, why ?: "because there is no file for it");
}

void exec_recording_resume(Exec *e)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        _cleanup_free_ char *why = NULL;
        int r;

        if (!e->request->record || !e->recording_path)
                return;
        r = recording_resume(e->env->recordings, e->id, e->request->tty, on_truncated, e, &e->recording);
        if (r >= 0) {
                recording_set_elapsed(e->recording, now - MIN(now, e->started_monotonic));
                return;
        }
        if (asprintf(&why, "because its file could not be reopened (%s)", strerror(-r)) < 0)
                why = NULL;
        tell_truncated(e, why ?: "because its file could not be reopened");
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

void exec_recording_end(Exec *e)
{
        if (e->recording && e->persistence == EXEC_STORED)
                recording_suspend(TAKE_PTR(e->recording));
        else if (e->recording)
                recording_end(TAKE_PTR(e->recording), !exec_has_ended(e));
}

int exec_recording_open(const Exec *e, int *ret_fd, Refusal *reterr)
{
        int r = e->recording_path ? recording_read(e->env->recordings, e->id, ret_fd) : -ENOENT;

        if (r >= 0)
                return 0;
        if (r != -ENOENT)
                log_errno(LOG_WARNING, r, "Failed to open the recording %s", e->recording_path);
        return refuse(reterr, REFUSAL_NO_EXEC, ENOENT, "exec %s has no recording", e->id);
}
