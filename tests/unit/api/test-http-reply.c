/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-reply: the heads of answers, their bodies, and answers without an end, for each version of HTTP. */

#include <sys/socket.h>

#include "base/fd.h"
#include "unit/api/http-world.h"

/* A request without an answer yet, by root unless the test names another user. */
static HttpExchange *request(HttpWorld *h, uid_t uid, const char *first_line)
{
        HttpConnection *c;
        char text[256];

        snprintf(text, sizeof(text), "%s\r\nHost: x\r\n\r\n", first_line);
        http_connect(h, uid);
        h->world->calls[0] = 0;
        http_send(h, text);
        c = LIST_ENTRY(h->server->connections.last, HttpConnection, node);
        NEED(c->state == CONNECTION_HANDLING);
        c->exchange.slot = sd_bus_slot_unref(c->exchange.slot);
        return &c->exchange;
}

#define PENDING "GET /containers/x/json"

static void test_heads(HttpWorld *h)
{
        static const struct {
                const char *first_line, *status, *connection;
        } rows[] = {
                {PENDING " HTTP/1.1", "HTTP/1.1 404 Not Found\r\n", ""},
                {PENDING " HTTP/1.0", "HTTP/1.0 404 Not Found\r\n", "close"},
                {PENDING " HTTP/1.0\r\nConnection: keep-alive", "HTTP/1.0 404 Not Found\r\n", "keep-alive"},
                {PENDING " HTTP/1.1\r\nConnection: close", "HTTP/1.1 404 Not Found\r\n", "close"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                HttpExchange *x = request(h, 0, rows[i].first_line);

                http_add_header(x, "X-More: 1");
                http_reply_error(x, 404, "a \"text\"");
                WORLD_UNTIL(h->world, http_is_answered(h));
                CHECK_ROW(rows[i].first_line,
                          strncmp(h->answer, rows[i].status, strlen(rows[i].status)) == 0);
                CHECK_TEXT(rows[i].first_line, http_header(h, "Connection"), rows[i].connection);
                CHECK_TEXT(rows[i].first_line, http_header(h, "X-More"), "1");
                CHECK_TEXT(rows[i].first_line, http_header(h, "Api-Version"), "1.51");
                CHECK_ROW(rows[i].first_line, strstr(http_body(h), "\"message\":\"a \\\"text\\\"\""));
        }
}

static void test_refusals(HttpWorld *h)
{
        Refusal busy = {.kind = REFUSAL_BUSY, .message = (char *) "busy"}, none = REFUSAL_INIT;

        http_reply_refusal(request(h, 0, PENDING " HTTP/1.1"), &busy);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 503);
        CHECK_TEXT("busy", http_header(h, "Retry-After"), "1");
        http_reply_refusal(request(h, 0, PENDING " HTTP/1.1"), &none);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 500 && strstr(http_body(h), "internal error"));
        http_reply_empty(request(h, 0, PENDING " HTTP/1.1"), 204);
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\r\n\r\n")));
        CHECK(http_status(h) == 204 && !*http_body(h));
}

/* The unread answers of one user are bounded; an error has always room. */
static void test_room(HttpWorld *h)
{
        static char big[64 * 1024];
        HttpExchange *x = request(h, 1000, PENDING " HTTP/1.1");

        h->world->manager.memory_budget.uid_max = sizeof(big) / 2;
        CHECK(http_room(x) < sizeof(big));
        http_reply(x, 200, "text/plain", big, sizeof(big));
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 503 && strlen(http_body(h)) < 4096);
        h->world->manager.memory_budget.uid_max = 0;
        x = request(h, 1000, PENDING " HTTP/1.1");
        CHECK(http_room(x) == 4096);
        http_reply_error(x, 404, "small");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 404);
}

static void test_streams(HttpWorld *h)
{
        HttpExchange *x = request(h, 0, PENDING " HTTP/1.1");

        http_stream_begin(x, "application/json");
        http_stream_write(x, "abc", 3);
        http_stream_write(x, "", 0); /* would be the end */
        world_settle(h->world);
        CHECK(!http_is_answered(h) || strstr(http_body(h), "3\r\nabc\r\n"));
        CHECK_TEXT("chunked", http_header(h, "Transfer-Encoding"), "chunked");
        CHECK(!strstr(http_body(h), "0\r\n\r\n"));
        http_stream_end(x);
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(http_body(h), "0\r\n\r\n")));

        /* A client that does not know chunks sees the end of the connection. */
        x = request(h, 0, PENDING " HTTP/1.0");
        http_stream_begin(x, "application/json");
        http_stream_write(x, "abc", 3);
        http_stream_end(x);
        WORLD_UNTIL(h->world, h->server->n_connections == 0);
        (void) http_is_answered(h);
        CHECK_TEXT("not chunked", http_body(h), "abc");
        CHECK_TEXT("close", http_header(h, "Connection"), "close");
}

/* With the input that came after the request. */
static void test_hijack(HttpWorld *h)
{
        HttpExchange *x = request(h, 0, PENDING " HTTP/1.1\r\nUpgrade: tcp\r\nConnection: Upgrade");
        Buf input = BUF_INIT;
        int fd = -EBADF;

        buf_puts(&x->connection->in, "input");
        CHECK(http_hijack(x, "application/vnd.docker.raw-stream", &fd, &input) >= 0);
        CHECK(fd >= 0 && buf_length(&input) == 5);
        buf_done(&input);
        WORLD_UNTIL(h->world, h->server->n_connections == 0);
        NEED(send(fd, "more", 4, MSG_NOSIGNAL) == 4);
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\r\n\r\nmore")));
        CHECK(http_status(h) == 101);
        CHECK_TEXT("upgrade", http_header(h, "Upgrade"), "tcp");
        fd_close(fd);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_heads(h);
        test_refusals(h);
        test_room(h);
        test_streams(h);
        test_hijack(h);
        return test_finish("http-reply");
}
