/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The routes that turn a connection into a stream, start and attach, and the one that returns kept output. */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http-fetch.h"
#include "api/http-gate.h"
#include "api/http-need.h"
#include "api/http-route.h"
#include "base/fd.h"
#include "core/audit.h"
#include "core/exec-access.h"
#include "core/exec-output.h"
#include "core/exec-start.h"
#include "core/journal-reader.h"

/* From this API version on the framed form has a media type of its own. */
#define VERSION_MULTIPLEXED 1042

static const char *stream_media_type(const HttpExchange *x, bool raw)
{
        return raw || x->version < VERSION_MULTIPLEXED ? "application/vnd.docker.raw-stream"
                                                       : "application/vnd.docker.multiplexed-stream";
}

/* A detached start answers when the command runs, or why it does not. */
static void detached_on_state(ExecWatch *w, Exec *e)
{
        HttpExchange *x = LIST_ENTRY(w, HttpExchange, watch);
        Refusal refusal = {.kind = e->failure_kind, .message = e->failure};

        if (e->state == EXEC_STARTING)
                return;
        exec_unwatch(w);
        if (e->state == EXEC_FAILED)
                http_reply_refusal(x, &refusal);
        else
                http_reply_empty(x, 200);
}

static void start_detached(HttpExchange *x, Exec *e, const StartOptions *start)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (e->state != EXEC_CREATED) {
                (void) exec_start(e, x->peer, &start->console_size, true, &refusal);
                http_reply_refusal(x, &refusal);
                return;
        }
        exec_watch(e, &x->watch, detached_on_state);
        /* A failure here has already changed the state, and the watch has answered. */
        (void) exec_start(e, x->peer, &start->console_size, true, &refusal);
}

/* One text as a whole stream, for what goes wrong after the head. */
static void stream_text_and_close(int fd, bool raw, const char *text)
{
        uint8_t header[FRAME_HEADER_SIZE];

        frame_header_write(header, FRAME_STDOUT, (uint32_t) strlen(text));
        if (!raw)
                (void) send(fd, header, sizeof(header), MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
        (void) send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        fd_close(fd);
}

static void start_attached(HttpExchange *x, Exec *e, const StartOptions *start)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_(peer_unrefp) Peer *peer = peer_ref(x->peer);
        const ExecRequest *q = e->request;
        StreamClientOptions o = {
                .uid = peer->uid,
                .pid = peer->pid,
                .raw = start->tty,
                .want_stdout = q->attach_stdout,
                .want_stderr = q->attach_stderr && !q->tty,
                .writer = q->attach_stdin,
                .primary = true,
                .gate = http_gate_is_needed(x),
                .gate_usec = http_gate_usec(x, e),
        };
        Stream *s = exec_stream(e);

        if (!s) {
                http_reply_error(x, 500, "out of memory");
                return;
        }
        /* The container was stopped during the authorization: there is no exec to stream from. */
        if (e->hidden) {
                (void) exec_start(e, peer, &start->console_size, false, &refusal);
                http_reply_refusal(x, &refusal);
                return;
        }
        /* Later the status can no longer say so. */
        if (e->state == EXEC_CREATED && journal_queue_is_stuck(x->manager->journal)) {
                http_reply_error(x, 503, AUDIT_REFUSAL);
                return;
        }
        if (http_hijack(x, stream_media_type(x, start->tty), &o.fd, &o.input) < 0)
                return;
        if (e->state != EXEC_CREATED) {
                _cleanup_free_ char *text = NULL;

                (void) exec_start(e, peer, &start->console_size, false, &refusal);
                if (asprintf(&text, "%s\r\n", refusal.message ?: "") < 0)
                        text = NULL;
                buf_done(&o.input);
                stream_text_and_close(o.fd, start->tty, text ?: "");
                return;
        }
        if (stream_add_client(s, &o) >= 0)
                (void) exec_start(e, peer, &start->console_size, false, &refusal);
}

typedef struct StartTask {
        HttpTask task;
        StartOptions options;
} StartTask;

static void start_unpaused(HttpExchange *x)
{
        /* The exchange is over as soon as the socket is somebody else's. */
        const StartOptions start = HTTP_TASK(x, StartTask)->options;

        if (start.detach)
                start_detached(x, x->exec, &start);
        else
                start_attached(x, x->exec, &start);
}

/* Before the socket leaves HTTP, while there can still be an error. */
static void start_authorized(HttpExchange *x)
{
        http_need_unpaused(x, start_unpaused);
}

void http_start_exec(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        StartTask *t;

        if (!http_need_json(x))
                return;
        t = HTTP_TASK_NEW(x, StartTask);
        if (!t || start_options_from_json(x->body, x->body_size, x->version, &t->options, &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        http_need_exec(x, AUTHZ_MANAGE, "start", start_authorized);
}

/* Used by attach and logs. */
typedef struct AttachTask {
        HttpTask task;
        bool want_stdin, want_stdout, want_stderr, replay;
} AttachTask;

static void attach_run(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        const AttachTask *a = HTTP_TASK(x, AttachTask);
        Exec *e = x->exec;
        StreamClientOptions o = {
                .uid = x->peer->uid,
                .pid = x->peer->pid,
                .raw = e->request->tty,
                .want_stdout = a->want_stdout,
                .want_stderr = a->want_stderr && !e->request->tty,
                .writer = a->want_stdin,
                .replay = a->replay,
                .gate = http_gate_is_needed(x),
        };

        if (exec_access_attach(e, x->peer, o.writer, "stdin", &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        if (http_hijack(x, stream_media_type(x, o.raw), &o.fd, &o.input) >= 0)
                (void) stream_add_client(e->stream, &o);
}

void http_attach_exec(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        AttachTask *a = HTTP_TASK_NEW(x, AttachTask);

        if (!a || http_query_flag(x, "stdin", false, &a->want_stdin, &refusal) < 0 ||
            http_query_flag(x, "stdout", true, &a->want_stdout, &refusal) < 0 ||
            http_query_flag(x, "stderr", true, &a->want_stderr, &refusal) < 0 ||
            http_query_flag(x, "logs", true, &a->replay, &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        http_need_exec(x, AUTHZ_MANAGE, "attach", attach_run);
}

/* Bytes of output that one answer has at most. */
#define LOGS_MAX (16 * 1024 * 1024)

/* The kept frames of the wanted streams; of a tty without their headers. */
static void logs_collect(const Exec *e, const AttachTask *a, Buf *body)
{
        const OutputRing *h = stream_output_ring(e->stream);

        for (uint64_t at = h->start; at < h->end;) {
                size_t skip = e->request->tty ? FRAME_HEADER_SIZE : 0;
                struct iovec iov[2];
                FrameType type;
                uint32_t size = 0;
                int n;

                output_ring_frame_at(h, at, &type, &size);
                n = output_ring_span(h, at + skip, FRAME_HEADER_SIZE + size - skip, iov);
                at += FRAME_HEADER_SIZE + size;
                if (type == FRAME_STDERR ? !a->want_stderr : !a->want_stdout)
                        continue;
                for (int i = 0; i < n; i++)
                        buf_append(body, iov[i].iov_base, iov[i].iov_len);
        }
}

/* The journal has output that did not fit into memory or was dropped. */
static void logs_fetch(HttpExchange *x)
{
        const AttachTask *a = HTTP_TASK(x, AttachTask);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        JournalOutput output = {
                .exec_id = x->exec->id,
                .raw = x->exec->request->tty,
                .want_stdout = a->want_stdout,
                .want_stderr = a->want_stderr,
                .max = LOGS_MAX,
        };
        const FetchJob job = {.run = journal_read_output, .userdata = &output, .uid = peer_share(x->peer)};

        if (journal_may_search(&x->manager->journal_reader, job.uid, &refusal) < 0 ||
            http_fetch(x, &job, stream_media_type(x, output.raw), "failed to read the journal", &refusal) <
                    0)
                http_reply_refusal(x, &refusal);
}

static void logs_run(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_buf_ Buf body = BUF_INIT;
        const AttachTask *a = HTTP_TASK(x, AttachTask);
        Exec *e = x->exec;

        if (!e->detached && e->persistence != EXEC_RESTORED) {
                http_reply_error(x, 409, "the exec had a client: only the output of detached execs is kept");
                return;
        }
        if (exec_access_replay(e, x->peer, "from its output", &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        if (!e->stream || stream_output_ring(e->stream)->dropped) {
                logs_fetch(x);
                return;
        }
        logs_collect(e, a, &body);
        http_reply(x, 200, stream_media_type(x, e->request->tty), body.data ? buf_head(&body) : "",
                   buf_length(&body));
}

void http_get_logs(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        AttachTask *a = HTTP_TASK_NEW(x, AttachTask);

        if (!a || http_query_flag(x, "stdout", true, &a->want_stdout, &refusal) < 0 ||
            http_query_flag(x, "stderr", true, &a->want_stderr, &refusal) < 0) {
                http_reply_refusal(x, &refusal);
                return;
        }
        http_need_exec(x, AUTHZ_REPLAY, "logs", logs_run);
}
