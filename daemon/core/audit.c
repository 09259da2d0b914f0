/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>

#include "base/log.h"
#include "core/exec-record.h"
#include "core/message-id.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define RECORD_FIELDS  32

/* A longer one would not fit into one datagram with the rest. */
#define WHOLE_MAX (64 * 1024)

static const struct {
        const char *message_id;
        const char *verb;
        int priority;
} kinds[_AUDIT_EVENT_MAX] = {
        [AUDIT_CREATED] = {MESSAGE_EXEC_CREATED, "created", LOG_INFO},
        [AUDIT_DENIED] = {MESSAGE_EXEC_DENIED, "denied", LOG_NOTICE},
        [AUDIT_STARTED] = {MESSAGE_EXEC_STARTED, "started", LOG_INFO},
        [AUDIT_DETACHED] = {MESSAGE_EXEC_DETACHED, "was left by its client", LOG_INFO},
        [AUDIT_EXITED] = {MESSAGE_EXEC_EXITED, "exited", LOG_INFO},
        [AUDIT_FAILED] = {MESSAGE_EXEC_FAILED, "could not be started", LOG_NOTICE},
        [AUDIT_KILLED] = {MESSAGE_EXEC_KILLED, "was signalled", LOG_INFO},
        [AUDIT_UNRECORDED] = {MESSAGE_EXEC_UNRECORDED, "is not recorded any more", LOG_WARNING},
};

/* A journal record that is being put together. */
typedef struct Record {
        struct iovec fields[RECORD_FIELDS];
        int n_fields;
        bool failed;
} Record;

static void record_done(Record *r)
{
        for (int i = 0; i < r->n_fields; i++)
                free(r->fields[i].iov_base);
        r->n_fields = 0;
}

static void record_add(Record *r, const char *format, ...) _printf_(2, 3);

static void record_add(Record *r, const char *format, ...)
{
        char *field = NULL;
        va_list ap;
        int n;

        if (r->n_fields >= RECORD_FIELDS) {
                r->failed = true;
                return;
        }
        va_start(ap, format);
        n = vasprintf(&field, format, ap);
        va_end(ap);
        if (n < 0) {
                r->failed = true;
                return;
        }
        r->fields[r->n_fields++] = (struct iovec){.iov_base = field, .iov_len = (size_t) n};
}

static int record_send(Record *r)
{
        int k;

        if (r->failed)
                return -ENOMEM;
        /* sd_journal_sendv() calls a missing journal a success, and we must not. */
        if (access(JOURNAL_SOCKET, F_OK) < 0)
                return -errno;
        k = sd_journal_sendv(r->fields, r->n_fields);
        return k < 0 ? k : 0;
}

static void record_add_exec(Record *r, const Exec *e)
{
        record_add(r, "EXEC_ID=%s", e->id);
        record_add(r, "EXEC_UNIT=%s", e->unit);
        record_add(r, "CONTAINER_NAME=%s", e->container->name);
        record_add(r, "CONTAINER_ID=%s", e->container->id);
        record_add(r, "CONTAINER_KIND=%s", e->container->kind);
}

static void record_add_peer(Record *r, const Peer *p)
{
        record_add(r, "CALLER_UID=%u", (unsigned) p->uid);
        record_add(r, "CALLER_PID=%d", (int) p->pid);
        if (p->loginuid != UINT32_MAX)
                record_add(r, "CALLER_LOGINUID=%u", (unsigned) p->loginuid);
        if (p->label)
                record_add(r, "CALLER_LABEL=%s", p->label);
        if (p->unit)
                record_add(r, "CALLER_UNIT=%s", p->unit);
}

static void record_add_exit(Record *r, const Exec *e)
{
        record_add(r, "EXIT_CODE=%d", e->exit_code);
        if (WIFSIGNALED(e->wait_status))
                record_add(r, "EXIT_SIGNAL=%d", WTERMSIG(e->wait_status));
        record_add(r, "DURATION_USEC=%" PRIu64,
                   e->ended_monotonic - MIN(e->started_monotonic, e->ended_monotonic));
}

/* By this the exec can be answered for when execd itself has forgotten it (core/journal-reader). */
static void record_add_whole(Record *r, const Exec *e)
{
        _cleanup_free_ char *line = NULL;

        if (exec_record_line(e, &line) >= 0 && strlen(line) <= WHOLE_MAX)
                record_add(r, "EXEC_RECORD=%s", line);
}

/* What has happened, in words: "exited with status 3", "created by uid 0". */
static char *event_text(AuditEvent event, const Exec *e, const Peer *peer, const char *detail)
{
        _cleanup_free_ char *plain = detail ? refusal_plain(detail) : NULL;
        const char *verb = kinds[event].verb;
        char *text = NULL;
        int n;

        if (event == AUDIT_EXITED && e->timed_out)
                n = asprintf(&text, "was ended by RuntimeMaxSec");
        else if (event == AUDIT_EXITED && WIFSIGNALED(e->wait_status))
                n = asprintf(&text, "was ended by SIG%s", sigabbrev_np(WTERMSIG(e->wait_status)) ?: "RT");
        else if (event == AUDIT_EXITED)
                n = asprintf(&text, "%s with status %d", verb, e->exit_code);
        else if (event == AUDIT_FAILED)
                n = asprintf(&text, "%s (%s)", verb, plain ?: "no memory");
        else if (event == AUDIT_DETACHED || event == AUDIT_UNRECORDED || !peer)
                n = asprintf(&text, "%s%s%s", verb, plain ? " " : "", plain ?: "");
        else
                n = asprintf(&text, "%s%s%s %s uid %u", verb, plain ? " " : "", plain ?: "",
                             event == AUDIT_DENIED ? "to" : "by", (unsigned) peer->uid);
        return n < 0 ? NULL : text;
}

int audit_exec(AuditEvent event, const Exec *e, const Peer *peer, const char *detail)
{
        _cleanup_free_ char *text = event_text(event, e, peer, detail);
        _cleanup_(record_done) Record r = {0};
        int k;

        record_add(&r, "MESSAGE=Exec %.12s in %s %s: %s", e->id, e->container->name,
                   text ?: kinds[event].verb, e->command_line);
        record_add(&r, "MESSAGE_ID=%s", kinds[event].message_id);
        record_add(&r, "PRIORITY=%d", kinds[event].priority);
        record_add_exec(&r, e);
        record_add(&r, "EXEC_USER=%s", e->request->user ?: "");
        record_add(&r, "EXEC_CMDLINE=%s", e->command_line);
        record_add(&r, "EXEC_PRIVILEGED=%d", e->request->privileged);
        record_add(&r, "EXEC_TTY=%d", e->request->tty);
        if (peer)
                record_add_peer(&r, peer);
        if (e->recording_path)
                record_add(&r, "RECORDING_PATH=%s", e->recording_path);
        if (event == AUDIT_EXITED)
                record_add_exit(&r, e);
        if (event == AUDIT_EXITED || event == AUDIT_FAILED)
                record_add_whole(&r, e);

        k = record_send(&r);
        return k < 0 ? log_error_errno(k, "Cannot write to the journal that exec %.12s %s", e->id,
                                       kinds[event].verb)
                     : 0;
}

int audit_output(const Exec *e, FrameType type, const char *line, size_t size)
{
        _cleanup_(record_done) Record r = {0};

        record_add(&r, "MESSAGE=%.*s", (int) size, line);
        record_add(&r, "MESSAGE_ID=%s", MESSAGE_EXEC_OUTPUT);
        record_add(&r, "PRIORITY=%d", type == FRAME_STDERR ? LOG_NOTICE : LOG_INFO);
        record_add(&r, "SYSLOG_IDENTIFIER=%s", e->container->name);
        record_add(&r, "EXEC_STREAM=%s", type == FRAME_STDERR ? "stderr" : "stdout");
        record_add_exec(&r, e);
        return record_send(&r);
}
