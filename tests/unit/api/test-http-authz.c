/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-authz: a verdict decides what is answered, and a client that leaves takes its question back. */

#include "unit/api/http-world.h"

static void ask(HttpWorld *h, const char *target)
{
        char request[256];

        http_connect(h, 1000);
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
        http_send(h, request);
        WORLD_UNTIL(h->world, h->world->question || http_is_answered(h));
}

static void test_verdicts(HttpWorld *h, const Exec *e)
{
        char target[128];

        snprintf(target, sizeof(target), "/exec/%s/json", e->id);
        ask(h, target);
        CHECK(!http_is_answered(h));
        world_judge(h->world, true, false);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), e->id));

        ask(h, target);
        world_judge(h->world, false, false);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 403 && !strstr(http_body(h), "\"ProcessConfig\""));
}

/* A list is never refused: without the right to see all of it, it has the caller's own execs. */
static void test_list(HttpWorld *h, const Exec *e)
{
        ask(h, "/exec/json");
        world_judge(h->world, false, false);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK_TEXT("of others", http_body(h), "[]\n");
        ask(h, "/exec/json");
        world_judge(h->world, true, false);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(strstr(http_body(h), e->id));
}

static void test_gone(HttpWorld *h)
{
        unsigned before = h->world->n_cancelled;

        ask(h, "/exec/json");
        http_connect(h, 0);
        WORLD_UNTIL(h->world, h->world->n_cancelled > before);
        /* It counts until polkit has answered it. */
        CHECK(h->world->manager.authz_budget.used == 1 && h->server->n_connections == 1);
        world_judge(h->world, true, false);
        WORLD_UNTIL(h->world, h->world->manager.authz_budget.used == 0);
}

/* Too many questions are "busy", and not "denied". */
static void test_busy(HttpWorld *h, const Exec *e)
{
        char target[128];

        snprintf(target, sizeof(target), "/exec/%s/json", e->id);
        h->world->manager.authz_budget.uid_max = 0; /* nor may any wait */
        ask(h, target);
        CHECK(http_status(h) == 503);
        CHECK_TEXT("again", http_header(h, "Retry-After"), "1");
        ask(h, "/exec/json");
        CHECK(http_status(h) == 503);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();
        const Exec *e;

        world_open_bus(h->world);
        e = http_create(h, "{\"Cmd\":[\"true\"]}");
        test_verdicts(h, e);
        test_list(h, e);
        test_gone(h);
        test_busy(h, e);
        return test_finish("http-authz");
}
