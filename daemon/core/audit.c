/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/audit.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>

#include "base/characters.h"
#include "base/log.h"
#include "core/exec-serialize.h"
#include "core/user-name.h"
#include "wire/message-id.h"
#include "wire/signal-name.h"

/* A longer one would not fit into one datagram with the rest. */
#define WHOLE_MAX (64 * 1024)

/* Bytes of a byte that is escaped. */
#define ESCAPED_MAX 4

/* Likewise for all labels together; those beyond are in no field of their own. */
#define LABELS_SIZE_MAX (32 * 1024)

/* Notice, so that filters such as MaxLevelStore=notice keep them. */
static const struct {
        const char *message_id;
        const char *verb;
        int priority;
        bool act; /* of a caller, who may be refused when the journal takes no records */
} kinds[_AUDIT_EVENT_MAX] = {
        [AUDIT_CREATED] = {MESSAGE_EXEC_CREATED, "created", LOG_NOTICE, true},
        [AUDIT_STARTED] = {MESSAGE_EXEC_STARTED, "started", LOG_NOTICE, true},
        [AUDIT_ATTACHED] = {MESSAGE_EXEC_ATTACHED, "attached to", LOG_NOTICE, true},
        [AUDIT_DETACHED] = {MESSAGE_EXEC_DETACHED, "lost its client", LOG_NOTICE, false},
        [AUDIT_REPLAYED] = {MESSAGE_EXEC_REPLAYED, "replayed", LOG_NOTICE, true},
        [AUDIT_RESIZED] = {MESSAGE_EXEC_RESIZED, "resized", LOG_NOTICE, true},
        [AUDIT_KILLED] = {MESSAGE_EXEC_KILLED, "was signaled", LOG_NOTICE, true},
        [AUDIT_EXITED] = {MESSAGE_EXEC_EXITED, "exited", LOG_NOTICE, false},
        [AUDIT_FAILED] = {MESSAGE_EXEC_FAILED, "could not be started", LOG_NOTICE, false},
        [AUDIT_UNRECORDED] = {MESSAGE_EXEC_UNRECORDED, "is no longer recorded", LOG_WARNING, false},
};

static bool is_plain(const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (text[i] < 0x20 || text[i] > 0x7e)
                        return false;
        return true;
}

/* journalctl shows a text as "blob data" if it has a control character or a byte that is not UTF-8. They are escaped, so that
 * the name of a user or a label cannot hide a record. */
static void add_escaped(Buf *b, const char *name, const char *text, size_t size)
{
        _cleanup_buf_ Buf escaped = BUF_INIT;

        if (is_plain(text, size)) {
                journal_add(b, name, text, size);
                return;
        }
        characters_escape(&escaped, text, size);
        if (escaped.failed)
                b->failed = true;
        else
                journal_add(b, name, buf_head(&escaped), buf_length(&escaped));
}

static void add_text(Buf *b, const char *name, const char *value)
{
        if (value)
                add_escaped(b, name, value, strlen(value));
}

static void add_container(Buf *b, const ContainerInfo *c)
{
        add_text(b, "CONTAINER_NAME", c->name);
        add_text(b, "CONTAINER_ID", c->id);
        add_text(b, "CONTAINER_KIND", c->kind);
}

static void add_labels(Buf *b, char **labels)
{
        size_t size = 0;

        STRV_FOREACH (label, labels) {
                size += strlen(*label) * (is_plain(*label, strlen(*label)) ? 1 : ESCAPED_MAX);
                if (size <= LABELS_SIZE_MAX)
                        add_text(b, "EXEC_LABEL", *label);
        }
}

static void add_exec(Buf *b, const Exec *e)
{
        const ExecRequest *q = e->request;

        add_text(b, "EXEC_ID", e->id);
        add_text(b, "EXEC_UNIT", e->unit);
        add_container(b, e->container);
        add_text(b, "EXEC_USER", exec_request_user(e->request));
        add_text(b, "EXEC_CMDLINE", e->command_line);
        journal_addf(b, "EXEC_PRIVILEGED", "%d", q->privileged);
        journal_addf(b, "EXEC_TTY", "%d", q->tty);
        add_text(b, "RECORDING_PATH", e->recording_path);
        add_labels(b, q->labels);
}

static void add_peer(Buf *b, const Peer *p)
{
        journal_addf(b, "CALLER_UID", "%u", (unsigned) p->uid);
        add_text(b, "CALLER_USER", user_name(p->uid));
        journal_addf(b, "CALLER_PID", "%d", (int) p->pid);
        if (p->loginuid != UINT32_MAX) {
                journal_addf(b, "CALLER_LOGINUID", "%u", (unsigned) p->loginuid);
                add_text(b, "CALLER_LOGINUSER", user_name(p->loginuid));
        }
        add_text(b, "CALLER_LABEL", p->label);
        add_text(b, "CALLER_UNIT", p->unit);
}

static void add_exit(Buf *b, const Exec *e)
{
        journal_addf(b, "EXIT_CODE", "%d", e->exit_code);
        if (WIFSIGNALED(e->wait_status))
                journal_addf(b, "EXIT_SIGNAL", "%d", WTERMSIG(e->wait_status));
        if (e->timed_out)
                add_text(b, "EXEC_TIMED_OUT", "1");
        journal_addf(b, "DURATION_USEC", "%" PRIu64,
                     e->ended_monotonic - MIN(e->started_monotonic, e->ended_monotonic));
}

/* By this the exec can be answered for when execd itself has forgotten it (core/journal-reader). */
static void add_whole(Buf *b, const Exec *e)
{
        _cleanup_free_ char *line = NULL;

        if (!journal_queue_is_lean(e->env->journal) && exec_serialize(e, &line) >= 0 &&
            strlen(line) <= WHOLE_MAX)
                journal_add(b, "EXEC_RECORD", line, strlen(line));
}

static void put_uid(Buf *b, const char *what, uid_t uid)
{
        const char *name = user_name(uid);

        buf_printf(b, "%s %u", what, (unsigned) uid);
        if (name)
                buf_printf(b, " (%s)", name);
}

/* "uid 0 (root), login uid 1001 (alice)" */
static void put_caller(Buf *b, const Peer *p)
{
        put_uid(b, "uid", p->uid);
        if (p->loginuid != UINT32_MAX)
                put_uid(b, ", login uid", p->loginuid);
}

/* Describes the event: "exited with status 3", "created by uid 0 (root)". */
static void put_event(Buf *b, AuditEvent event, const Exec *e, const Peer *peer, const char *plain)
{
        const char *verb = kinds[event].verb;
        char text[SIGNAL_TEXT_SIZE];

        if (event == AUDIT_EXITED && e->timed_out) {
                buf_puts(b, "was ended by RuntimeMaxSec");
                return;
        }
        if (event == AUDIT_EXITED && WIFSIGNALED(e->wait_status)) {
                buf_printf(b, "was ended by %s", signal_to_text(WTERMSIG(e->wait_status), text));
                return;
        }
        buf_puts(b, verb);
        if (event == AUDIT_EXITED)
                buf_printf(b, " with status %d", e->exit_code);
        else if (event == AUDIT_FAILED)
                buf_printf(b, " (%s)", plain ?: "no memory");
        else if (plain)
                buf_printf(b, " %s", plain);
        if (!peer || !kinds[event].act)
                return;
        buf_puts(b, " by ");
        put_caller(b, peer);
        if (event == AUDIT_CREATED || event == AUDIT_STARTED)
                buf_printf(b, ", to run as %s", exec_request_user(e->request));
}

/* A text of several pieces becomes a field. */
static void add_buf(Buf *b, const char *name, const Buf *value)
{
        if (value->failed)
                b->failed = true;
        else
                add_escaped(b, name, buf_head(value), buf_length(value));
}

static void make_record(Buf *b, AuditEvent event, const Exec *e, const Peer *peer, const char *detail)
{
        _cleanup_free_ char *plain = detail ? refusal_plain(detail) : NULL;
        _cleanup_buf_ Buf text = BUF_INIT;

        buf_printf(&text, "Exec %.12s in %s ", e->id, e->container->name);
        put_event(&text, event, e, peer, plain);
        buf_printf(&text, ": %s", e->command_line);
        add_buf(b, "MESSAGE", &text);
        add_text(b, "MESSAGE_ID", kinds[event].message_id);
        journal_addf(b, "PRIORITY", "%d", kinds[event].priority);
        add_text(b, "SYSLOG_IDENTIFIER", "execd");
        add_text(b, "DETAIL", plain);
        add_exec(b, e);
        if (peer)
                add_peer(b, peer);
        if (event == AUDIT_EXITED)
                add_exit(b, e);
        if (event == AUDIT_EXITED || event == AUDIT_FAILED)
                add_whole(b, e);
}

static int log_unwritten(const Exec *e, AuditEvent event, int error)
{
        return log_error_errno(error, "Failed to record that exec %.12s %s", e->id, kinds[event].verb);
}

int audit_exec(AuditEvent event, const Exec *e, const Peer *peer, const char *detail)
{
        _cleanup_buf_ Buf record = BUF_INIT;
        int r;

        make_record(&record, event, e, peer, detail);
        r = journal_queue_add(e->env->journal, &record, kinds[event].act);
        return r < 0 ? log_unwritten(e, event, r) : 0;
}

int audit_exec_wait(AuditEvent event, const Exec *e, const Peer *peer, journal_written_t callback,
                    void *userdata, JournalRecord **ret)
{
        _cleanup_buf_ Buf record = BUF_INIT;
        int r;

        make_record(&record, event, e, peer, NULL);
        r = journal_queue_wait(e->env->journal, &record, callback, userdata, ret);
        return r < 0 ? log_unwritten(e, event, r) : r;
}

static void put_denial(Buf *b, const AuditDenial *d)
{
        buf_puts(b, "Denied ");
        put_caller(b, d->peer);
        buf_printf(b, " %s", d->action);
        if (d->verb)
                buf_printf(b, " (%s)", d->verb);
        if (d->exec_id)
                buf_printf(b, " for exec %.12s", d->exec_id);
        if (d->container)
                buf_printf(b, " in %s", d->container->name);
        if (d->command_line)
                buf_printf(b, ": %s", d->command_line);
}

void audit_denied(JournalQueue *q, const AuditDenial *d, const Refusal *refusal)
{
        _cleanup_buf_ Buf text = BUF_INIT, record = BUF_INIT;
        int r;

        put_denial(&text, d);
        add_buf(&record, "MESSAGE", &text);
        add_text(&record, "MESSAGE_ID", MESSAGE_EXEC_DENIED);
        journal_addf(&record, "PRIORITY", "%d", LOG_NOTICE);
        add_text(&record, "SYSLOG_IDENTIFIER", "execd");
        add_text(&record, "ACTION", d->action);
        add_text(&record, "VERB", d->verb);
        add_text(&record, "REASON", refusal->message ?: "internal error");
        add_text(&record, "EXEC_ID", d->exec_id);
        if (d->container)
                add_container(&record, d->container);
        add_text(&record, "EXEC_USER", d->user);
        add_text(&record, "EXEC_CMDLINE", d->command_line);
        if (d->command_line)
                journal_addf(&record, "EXEC_PRIVILEGED", "%d", d->privileged);
        add_peer(&record, d->peer);
        r = journal_queue_add(q, &record, true);
        if (r < 0)
                log_error_errno(r, "Failed to record that uid %u was denied %s", (unsigned) d->peer->uid,
                                d->action);
}

void audit_denials_counted(JournalQueue *q, uid_t share, unsigned n)
{
        _cleanup_buf_ Buf text = BUF_INIT, record = BUF_INIT;
        int r;

        if (share == PEER_SHARE_FOREIGN)
                buf_puts(&text, "Denied callers in containers");
        else
                put_uid(&text, "Denied uid", share);
        buf_printf(&text, " %u more requests, which have no records of their own", n);
        add_buf(&record, "MESSAGE", &text);
        add_text(&record, "MESSAGE_ID", MESSAGE_DENIALS_COUNTED);
        journal_addf(&record, "PRIORITY", "%d", LOG_NOTICE);
        add_text(&record, "SYSLOG_IDENTIFIER", "execd");
        if (share != PEER_SHARE_FOREIGN) {
                journal_addf(&record, "CALLER_UID", "%u", (unsigned) share);
                add_text(&record, "CALLER_USER", user_name(share));
        }
        journal_addf(&record, "N_DENIALS", "%u", n);
        r = journal_queue_add(q, &record, true);
        if (r < 0)
                log_error_errno(r, "Failed to record %u more refusals", n);
}
