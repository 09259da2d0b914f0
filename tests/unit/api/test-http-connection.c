/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-connection: how requests come in, one after the other, whole or in pieces, and how they end. */

#include <sys/socket.h>

#include "base/fd.h"
#include "unit/api/http-world.h"

static bool is_closed(HttpWorld *h)
{
        char c;

        return recv(h->client, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void test_pieces_and_pipelining(HttpWorld *h)
{
        http_connect(h, 0);
        http_send(h, "GET /_pi");
        CHECK(!http_is_answered(h) && h->size == 0);
        http_send(h, "ng HTTP/1.1\r\nHost: x\r\n\r\nGET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "page not found")));
        CHECK(strstr(h->answer, "HTTP/1.1 200 ") < strstr(h->answer, "HTTP/1.1 404 "));
        CHECK(!is_closed(h));
}

/* As many requests as the socket takes. A turn serves some of them and keeps little; in the end all are
 * answered. */
static void test_many_at_once(HttpWorld *h)
{
        static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
        char block[64 * sizeof(ping)] = "";
        unsigned n_sent = 0, n_answers = 0;

        http_connect(h, 0);
        for (unsigned i = 0; i < 64; i++)
                strcat(block, ping);
        while (send(h->client, block, strlen(block), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) strlen(block))
                n_sent += 64;
        CHECK(n_sent > 1000);
        CHECK(sd_event_run(h->world->event, UINT64_MAX) >= 0);
        LIST_FOREACH (const HttpConnection, c, &h->server->connections, node)
                CHECK(c->in.allocated <= 64 * 1024);
        http_is_answered(h);
        for (const char *p = h->answer; (p = strstr(p, "HTTP/1.1 200 ")); p++)
                n_answers++;
        CHECK(n_answers > 0 && n_answers <= 64);
        while (n_answers < n_sent && sd_event_run(h->world->event, USEC_PER_SEC) > 0) {
                http_next(h);
                http_is_answered(h);
                for (const char *p = h->answer; (p = strstr(p, "HTTP/1.1 200 ")); p++)
                        n_answers++;
        }
        CHECK(n_answers == n_sent);
}

static void fill(int fd, const char *block)
{
        while (send(fd, block, strlen(block), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) strlen(block))
                ;
}

/* One client always has something to say, and reads its answers. Another one that has connected later is served after
 * two turns or three. */
static void test_turns(HttpWorld *h)
{
        static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
        static char waste[256 * 1024];
        char block[64 * sizeof(ping)] = "";
        unsigned n = 0;
        int busy;

        http_connect(h, 0);
        for (unsigned i = 0; i < 64; i++)
                strcat(block, ping);
        fill(h->client, block);
        CHECK(sd_event_run(h->world->event, UINT64_MAX) > 0);
        busy = h->client;
        h->client = -EBADF;
        http_connect_beside(h, 0);
        NEED(send(h->client, ping, strlen(ping), MSG_NOSIGNAL) == (ssize_t) strlen(ping));
        for (; n < 100 && !http_is_answered(h); n++) {
                while (recv(busy, waste, sizeof(waste), MSG_DONTWAIT) > 0)
                        ;
                fill(busy, block);
                CHECK(sd_event_run(h->world->event, 0) >= 0);
        }
        CHECK(http_status(h) == 200 && n < 20);
        fd_close(busy);
}

static void test_close(HttpWorld *h)
{
        http_connect(h, 0);
        http_send(h, "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK_TEXT("close", http_header(h, "Connection"), "close");
        WORLD_UNTIL(h->world, is_closed(h));

        http_connect(h, 0);
        http_send(h, "GET /_ping HTTP/1.0\r\n\r\n");
        WORLD_UNTIL(h->world, (http_is_answered(h), is_closed(h)));
        CHECK(strncmp(h->answer, "HTTP/1.0 200 ", 13) == 0);
}

static void test_refused(HttpWorld *h)
{
        static const struct {
                const char *request;
                unsigned status;
        } rows[] = {
                {"GET /_ping HTTP/1.1\r\n\r\n", 400},
                {"GET /_ping HTTP/2.0\r\nHost: x\r\n\r\n", 505},
                {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413},
                {"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
                {"POST /x HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                http_connect(h, 0);
                http_send(h, rows[i].request);
                WORLD_UNTIL(h->world, http_is_answered(h));
                CHECK_ROW(rows[i].request, http_status(h) == rows[i].status);
                CHECK_ROW(rows[i].request, strcmp(http_header(h, "Connection"), "close") == 0);
        }
}

static void test_continue(HttpWorld *h)
{
        http_connect(h, 0);
        http_send(h,
                  "POST /nosuch HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "100 Continue")));
        http_next(h);
        http_send(h, "{}");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 404);
}

/* A client that leaves takes its request along, and what it had counted. */
static void test_gone(HttpWorld *h)
{
        Manager *m = &h->world->manager;

        http_connect(h, 0);
        http_send(h, "POST /nosuch HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{");
        CHECK(m->busy == 1 && h->server->n_connections == 1);
        h->client = fd_close(h->client);
        WORLD_UNTIL(h->world, h->server->n_connections == 0);
        CHECK(m->busy == 0 && m->connections_budget.used == 0 && m->memory_budget.used == 0);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_pieces_and_pipelining(h);
        test_many_at_once(h);
        test_turns(h);
        test_close(h);
        test_refused(h);
        test_continue(h);
        test_gone(h);
        return test_finish("http-connection");
}
