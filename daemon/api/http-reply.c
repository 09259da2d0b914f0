/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers: their heads, their bodies, and the head before a socket leaves HTTP. */

#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "api/http-connection.h"
#include "api/http-error.h"
#include "config.h"
#include "wire/http-target.h"
#include "wire/json-build.h"

#define API_VERSION "1.51"

/* Bytes of an answer for which there is always room: errors are not longer. */
#define ANSWER_ALWAYS 4096

static const struct {
        unsigned status;
        const char *text;
} reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
};

static const char *reason(unsigned status)
{
        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (reasons[i].status == status)
                        return reasons[i].text;
        return "Unknown";
}

static void put_date(Buf *out)
{
        time_t now = time(NULL);
        char text[64];
        struct tm tm;

        if (gmtime_r(&now, &tm) &&
            strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) > 0)
                buf_puts(out, text);
}

/* The headers that identify the API to a client. */
static void put_api_headers(Buf *out)
{
        buf_puts(out, "Api-Version: " API_VERSION "\r\n"
                      "Docker-Experimental: false\r\n"
                      "Ostype: linux\r\n"
                      "Server: execd/" EXECD_VERSION " (linux)\r\n");
}

/* content_length < 0: the body is chunked. */
void connection_put_head(HttpConnection *c, unsigned status, const char *content_type,
                         int64_t content_length)
{
        Buf *out = &c->out;

        buf_printf(out, "HTTP/1.%u %u %s\r\n", c->request && c->request->minor == 0 ? 0U : 1U, status,
                   reason(status));
        put_api_headers(out);
        if (content_type)
                buf_printf(out, "Content-Type: %s\r\n", content_type);
        put_date(out);
        if (buf_length(&c->extra_headers) > 0)
                buf_append(out, buf_head(&c->extra_headers), buf_length(&c->extra_headers));
        if (content_length >= 0)
                buf_printf(out, "Content-Length: %" PRIi64 "\r\n", content_length);
        else if (c->request->minor > 0)
                buf_puts(out, "Transfer-Encoding: chunked\r\n");
        else
                c->close = true;
        if (c->close)
                buf_puts(out, "Connection: close\r\n");
        else if (c->request && c->request->minor == 0)
                buf_puts(out, "Connection: keep-alive\r\n");
        buf_puts(out, "\r\n");
}

void http_put_busy(Buf *out, const char *message)
{
        _cleanup_free_ char *body = http_error_body(http_error_code(503), message);
        size_t size = body ? strlen(body) : 0;

        buf_printf(out, "HTTP/1.1 503 %s\r\n", reason(503));
        put_api_headers(out);
        buf_puts(out, "Content-Type: application/json\r\n");
        put_date(out);
        buf_printf(out, "Retry-After: 1\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", size);
        buf_append(out, body, size);
}

void connection_refuse(HttpConnection *c, const HttpParseError *e)
{
        _cleanup_free_ char *body = http_error_body(http_error_code(e->status), e->text);
        size_t size = body ? strlen(body) : 0;

        c->close = c->refused = true;
        connection_put_head(c, e->status, "application/json", (int64_t) size);
        buf_append(&c->out, body, size);
        c->state = CONNECTION_REPLIED;
        connection_step(c);
}

/* Drops the part of the request that has been read. */
void connection_refuse_busy(HttpConnection *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpParseError busy = {.status = 503};

        (void) budget_refuse(&c->server->manager->memory_budget, peer_share(c->peer), REFUSAL_BUSY,
                             &refusal);
        busy.text = refusal.message ?: "too many bytes of requests";
        buf_done(&c->in);
        http_body_done(&c->body);
        buf_puts(&c->extra_headers, "Retry-After: 1\r\n");
        connection_refuse(c, &busy);
}

void http_add_header(HttpExchange *x, const char *line)
{
        buf_printf(&x->connection->extra_headers, "%s\r\n", line);
}

size_t http_room(const HttpExchange *x)
{
        return MAX((size_t) ANSWER_ALWAYS, connection_room(x->connection));
}

/* A client decides how long an unread answer is held. */
static void reply_busy(HttpExchange *x)
{
        HttpConnection *c = x->connection;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        (void) budget_refuse(&c->server->manager->memory_budget, peer_share(c->peer), REFUSAL_BUSY,
                             &refusal);
        http_reply_refusal(x, &refusal);
}

void http_reply(HttpExchange *x, unsigned status, const char *content_type, const void *body, size_t size)
{
        HttpConnection *c = x->connection;

        if (!x->head_only && size > http_room(x)) {
                reply_busy(x);
                return;
        }
        connection_put_head(c, status, content_type, (int64_t) size);
        if (!x->head_only)
                buf_append(&c->out, body, size);
        c->state = CONNECTION_REPLIED;
        connection_step(c);
}

void http_reply_empty(HttpExchange *x, unsigned status)
{
        http_reply(x, status, NULL, NULL, 0);
}

void http_reply_json(HttpExchange *x, unsigned status, struct json_object *object)
{
        _cleanup_buf_ Buf body = BUF_INIT;

        json_write(&body, object);
        buf_puts(&body, "\n");
        json_object_put(object);
        http_reply(x, status, "application/json", buf_head(&body), buf_length(&body));
}

void http_reply_error(HttpExchange *x, unsigned status, const char *message)
{
        _cleanup_free_ char *body = http_error_body(http_error_code(status), message);

        http_reply(x, status, "application/json", body, body ? strlen(body) : 0);
}

void http_reply_refusal(HttpExchange *x, const Refusal *refusal)
{
        if (refusal->kind == REFUSAL_BUSY)
                http_add_header(x, "Retry-After: 1");
        http_reply_error(x, http_status_from_refusal(refusal->kind), refusal->message ?: "internal error");
}

void http_step(HttpExchange *x, HttpStep step)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (step(x, &refusal) < 0)
                http_reply_refusal(x, &refusal);
}

void http_stream_begin(HttpExchange *x, const char *content_type)
{
        HttpConnection *c = x->connection;

        connection_put_head(c, 200, content_type, -1);
        c->state = CONNECTION_STREAMING;
        connection_step(c);
}

void http_stream_write(HttpExchange *x, const void *data, size_t size)
{
        HttpConnection *c = x->connection;

        if (size == 0)
                return;
        if (x->request->minor > 0)
                buf_printf(&c->out, "%zx\r\n", size);
        buf_append(&c->out, data, size);
        if (x->request->minor > 0)
                buf_puts(&c->out, "\r\n");
        connection_step(c);
}

void http_stream_end(HttpExchange *x)
{
        HttpConnection *c = x->connection;

        if (x->request->minor > 0)
                buf_puts(&c->out, "0\r\n\r\n");
        c->state = CONNECTION_REPLIED;
        connection_step(c);
}

void http_stream_wake(HttpExchange *x)
{
        if (buf_length(&x->connection->out) == 0)
                connection_step(x->connection);
}

void http_stream_abort(HttpExchange *x)
{
        x->connection->dead = true;
        connection_step(x->connection);
}

int http_hijack(HttpExchange *x, const char *content_type, int *ret_fd, Buf *ret_input)
{
        HttpConnection *c = x->connection;
        _cleanup_buf_ Buf head = BUF_INIT;
        ssize_t n;

        if (c->request->upgrade)
                buf_printf(&head,
                           "HTTP/1.1 101 UPGRADED\r\nContent-Type: %s\r\nConnection: Upgrade\r\nUpgrade: "
                           "tcp\r\n",
                           content_type);
        else
                buf_puts(&head, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n");
        put_api_headers(&head);
        buf_puts(&head, "\r\n");
        if (buf_error(&head) < 0)
                return -ENOMEM;

        /* All earlier answers have been sent, so there is room for these few bytes. */
        n = send(c->fd, buf_head(&head), buf_length(&head), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n != (ssize_t) buf_length(&head)) {
                c->dead = true;
                connection_step(c);
                return -EPIPE;
        }
        *ret_fd = c->fd;
        *ret_input = c->in;
        c->in = BUF_INIT;
        c->io = sd_event_source_disable_unref(c->io);
        c->hijacked = true;
        connection_step(c);
        return 0;
}

int http_query(HttpExchange *x, const char *name, char **ret, Refusal *reterr)
{
        _cleanup_free_ char *bad = NULL;
        int r;

        *ret = NULL;
        r = http_target_query(x->request->target, name, ret, &bad);
        if (r == -EBADMSG)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid URL escape \"%s\"", bad ?: "");
        return r == -ENOENT ? 0 : r;
}

int http_query_flag(HttpExchange *x, const char *name, bool absent, bool *ret, Refusal *reterr)
{
        static const char *const no[] = {"", "0", "no", "false", "none"};
        _cleanup_free_ char *text = NULL;
        int r = http_query(x, name, &text, reterr);

        if (r < 0)
                return r;
        *ret = text ? true : absent;
        for (size_t i = 0; text && i < ELEMENTSOF(no); i++)
                if (strcasecmp(text, no[i]) == 0)
                        *ret = false;
        return 0;
}
