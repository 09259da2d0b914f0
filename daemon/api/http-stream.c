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

static int start_detached(HttpExchange *x, const StartOptions *start, Refusal *reterr)
{
        Exec *e = x->exec;

        if (e->state != EXEC_CREATED)
                return exec_start(e, x->peer, &start->console_size, true, reterr);
        exec_watch(e, &x->watch, detached_on_state);
        /* A failure here has already changed the state, and the watch has answered. */
        (void) exec_start(e, x->peer, &start->console_size, true, reterr);
        return 0;
}

/* One text as a whole stream, for errors after the head. */
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

static int start_attached(HttpExchange *x, const StartOptions *start, Refusal *reterr)
{
        _cleanup_(peer_unrefp) Peer *peer = peer_ref(x->peer);
        Exec *e = x->exec;
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

        if (!s)
                return -ENOMEM;
        /* The container was stopped during the authorization: there is no exec to stream from. */
        if (e->hidden)
                return exec_start(e, peer, &start->console_size, false, reterr);
        /* Later the status can no longer say so. */
        if (e->state == EXEC_CREATED && journal_queue_is_stuck(x->manager->journal))
                return refuse(reterr, REFUSAL_UNAVAILABLE, EAGAIN, AUDIT_REFUSAL);
        if (http_hijack(x, stream_media_type(x, start->tty), &o.fd, &o.input) < 0)
                return 0;
        if (e->state != EXEC_CREATED) {
                _cleanup_free_ char *text = NULL;

                (void) exec_start(e, peer, &start->console_size, false, reterr);
                if (asprintf(&text, "%s\r\n", reterr->message ?: "") < 0)
                        text = NULL;
                buf_done(&o.input);
                stream_text_and_close(o.fd, start->tty, text ?: "");
                return 0;
        }
        if (stream_add_client(s, &o) >= 0)
                (void) exec_start(e, peer, &start->console_size, false, reterr);
        return 0;
}

typedef struct StartTask {
        HttpTask task;
        StartOptions options;
} StartTask;

static int start_unpaused(HttpExchange *x, Refusal *reterr)
{
        /* The exchange is over as soon as the socket has another owner. */
        const StartOptions start = HTTP_TASK(x, StartTask)->options;

        return start.detach ? start_detached(x, &start, reterr) : start_attached(x, &start, reterr);
}

/* Before the socket leaves HTTP, while there can still be an error. */
static int start_run(HttpExchange *x, Refusal *reterr)
{
        return http_need_unpaused(x, start_unpaused, reterr);
}

int http_start_exec(HttpExchange *x, Refusal *reterr)
{
        int r = http_need_json(x, reterr);
        StartTask *t;

        if (r < 0)
                return r;
        t = HTTP_TASK_NEW(x, StartTask);
        r = t ? start_options_from_json(x->body, x->body_size, x->version, &t->options, reterr) : -ENOMEM;
        return r < 0 ? r : http_need_exec(x, AUTHZ_MANAGE, "start", start_run, reterr);
}

/* Used by attach and logs. */
typedef struct AttachTask {
        HttpTask task;
        bool want_stdin, want_stdout, want_stderr, replay;
} AttachTask;

static int attach_run(HttpExchange *x, Refusal *reterr)
{
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
        int r = exec_access_attach(e, x->peer, o.writer, "stdin", reterr);

        if (r < 0)
                return r;
        if (http_hijack(x, stream_media_type(x, o.raw), &o.fd, &o.input) >= 0)
                (void) stream_add_client(e->stream, &o);
        return 0;
}

int http_attach_exec(HttpExchange *x, Refusal *reterr)
{
        AttachTask *a = HTTP_TASK_NEW(x, AttachTask);
        int r = a ? http_query_flag(x, "stdin", false, &a->want_stdin, reterr) : -ENOMEM;

        if (r >= 0)
                r = http_query_flag(x, "stdout", true, &a->want_stdout, reterr);
        if (r >= 0)
                r = http_query_flag(x, "stderr", true, &a->want_stderr, reterr);
        if (r >= 0)
                r = http_query_flag(x, "logs", true, &a->replay, reterr);
        return r < 0 ? r : http_need_exec(x, AUTHZ_MANAGE, "attach", attach_run, reterr);
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
static int logs_fetch(HttpExchange *x, Refusal *reterr)
{
        const AttachTask *a = HTTP_TASK(x, AttachTask);
        JournalOutput output = {
                .exec_id = x->exec->id,
                .raw = x->exec->request->tty,
                .want_stdout = a->want_stdout,
                .want_stderr = a->want_stderr,
                .max = LOGS_MAX,
        };
        const FetchJob job = {.run = journal_read_output, .userdata = &output, .uid = peer_share(x->peer)};
        int r = journal_may_search(&x->manager->journal_reader, job.uid, reterr);

        return r < 0 ? r
                     : http_fetch(x, &job, stream_media_type(x, output.raw), "failed to read the journal",
                                  reterr);
}

static int logs_run(HttpExchange *x, Refusal *reterr)
{
        _cleanup_buf_ Buf body = BUF_INIT;
        const AttachTask *a = HTTP_TASK(x, AttachTask);
        Exec *e = x->exec;
        int r;

        if (!e->detached && e->persistence != EXEC_RESTORED)
                return refuse(reterr, REFUSAL_CONFLICT, ENODATA,
                              "the exec had a client: only the output of detached execs is kept");
        r = exec_access_replay(e, x->peer, "from its output", reterr);
        if (r < 0)
                return r;
        if (!e->stream || stream_output_ring(e->stream)->dropped)
                return logs_fetch(x, reterr);
        logs_collect(e, a, &body);
        http_reply(x, 200, stream_media_type(x, e->request->tty), body.data ? buf_head(&body) : "",
                   buf_length(&body));
        return 0;
}

int http_get_logs(HttpExchange *x, Refusal *reterr)
{
        AttachTask *a = HTTP_TASK_NEW(x, AttachTask);
        int r = a ? http_query_flag(x, "stdout", true, &a->want_stdout, reterr) : -ENOMEM;

        if (r >= 0)
                r = http_query_flag(x, "stderr", true, &a->want_stderr, reterr);
        return r < 0 ? r : http_need_exec(x, AUTHZ_REPLAY, "logs", logs_run, reterr);
}
