/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-keep: whose connection is in a slot while it waits for the end of an exec, and until when. */

#include "api/http-keep.h"
#include "base/fd.h"
#include "unit/api/http-world.h"

static void wait_for(HttpWorld *h, const Exec *e, uid_t uid, const char *more)
{
        char request[512];

        snprintf(request, sizeof(request), "POST /exec/%s/wait HTTP/1.1\r\nHost: x\r\n\r\n%s", e->id, more);
        http_connect(h, uid);
        http_send(h, request);
        world_settle(h->world);
}

static uint64_t kept(const HttpWorld *h)
{
        return h->server->kept_budget.used;
}

static void test_kept(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        Command command;

        /* Of one that does not run there is nothing to outlive. */
        wait_for(h, e, 0, "");
        CHECK(kept(h) == 0);
        http_start_detached(h, e, &command);
        wait_for(h, e, 0, "");
        CHECK(kept(h) == 1);
        command_report(&command, 0);
        command_done(&command);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(kept(h) == 0);
}

/* A client that leaves is not kept on, and one that has sent more would lose that. */
static void test_not_kept(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        Command command;

        http_start_detached(h, e, &command);
        wait_for(h, e, 0, "GET /_ping");
        CHECK(kept(h) == 0);
        wait_for(h, e, 0, "");
        CHECK(kept(h) == 1);
        h->client = fd_close(h->client);
        world_settle(h->world);
        CHECK(kept(h) == 0);

        /* There is a share for each user. */
        budget_force(&h->server->kept_budget, 0, HTTP_KEEP_MAX);
        wait_for(h, e, 0, "");
        CHECK(kept(h) == HTTP_KEEP_MAX);
        budget_give(&h->server->kept_budget, 0, HTTP_KEEP_MAX);
        command_done(&command);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_kept(h);
        test_not_kept(h);
        return test_finish("http-keep");
}
