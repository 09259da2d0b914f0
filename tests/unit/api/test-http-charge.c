/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-charge: the bytes of a connection are its caller's, up to a limit, and are given back. */

#include "unit/api/http-world.h"

#define FREE 4096

static HttpConnection *the_connection(HttpWorld *h)
{
        return LIST_ENTRY(h->server->connections.last, HttpConnection, node);
}

static void test_counts(HttpWorld *h)
{
        Budget *b = &h->world->manager.memory_budget;
        HttpConnection *c;

        http_connect(h, 1000);
        c = the_connection(h);
        buf_puts(&c->in, "x");
        CHECK(connection_charge(c, false) && b->used == 0);
        NEED(buf_reserve(&c->out, 3 * FREE));
        CHECK(connection_charge(c, false) && budget_held(b, 1000) >= 2 * FREE);
        CHECK(c->charged == budget_held(b, 1000));
        buf_done(&c->out);
        CHECK(connection_charge(c, false) && b->used == 0);
}

static void test_limit(HttpWorld *h)
{
        Budget *b = &h->world->manager.memory_budget;
        HttpConnection *c;

        http_connect(h, 1000);
        c = the_connection(h);
        b->uid_max = 2 * FREE;
        CHECK(connection_room(c) == 3 * FREE);
        NEED(buf_reserve(&c->out, 16 * FREE));
        CHECK(!connection_charge(c, false) && b->used == 0);
        /* Memory in use is charged in any case. */
        CHECK(connection_charge(c, true) && budget_held(b, 1000) > 2 * FREE);
        CHECK(connection_room(c) == FREE);
        buf_done(&c->out);
        CHECK(connection_charge(c, true) && b->used == 0);
}

/* A request that has no room is refused in the middle, and another user's is not. */
static void test_request(HttpWorld *h)
{
        char body[3 * FREE + 1];

        memset(body, 'x', sizeof(body) - 1);
        body[sizeof(body) - 1] = 0;
        h->world->manager.memory_budget.uid_max = FREE;
        http_connect(h, 1000);
        http_send(h, "POST /nosuch HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        http_send(h, body);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 503 && h->world->manager.memory_budget.used == 0);
        CHECK_TEXT("again", http_header(h, "Retry-After"), "1");
        CHECK(http_ask(h, "GET", "/_ping") == 200);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_counts(h);
        test_limit(h);
        test_request(h);
        return test_finish("http-charge");
}
