/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-container: what is asked of the spawner, and how its refusals come back. */

#include "unit/api/http-world.h"

static void test_inspect(HttpWorld *h)
{
        http_ask_spawner(h, "GET", "/containers/web/json", "GetContainer");
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "\"Name\":\"/web\"") &&
              strstr(http_body(h), "\"ExecIDs\":null"));

        http_ask_spawner(h, "GET", "/containers/x/json", "GetContainer");
        world_answer_error(h->world, "NoSuchContainer", "No such container: x");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 404 && strstr(http_body(h), "No such container: x"));
}

static void test_arguments(HttpWorld *h)
{
        static const char *const wrong[] = {
                "/containers/json?limit=x",
                "/containers/json?filters=%7B%22nosuch%22%3A%5B%5D%7D",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                CHECK_ROW(wrong[i], http_ask(h, "GET", wrong[i]) == 400);
}

/* A client that leaves before the answer: nobody is told of it. */
static void test_gone(HttpWorld *h)
{
        http_ask_spawner(h, "GET", "/containers/json", "ListContainers");
        http_connect(h, 0);
        world_answer_error(h->world, "Internal", "too late");
        world_settle(h->world);
        CHECK(h->server->n_connections == 1 && h->world->manager.busy == 0);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_inspect(h);
        test_arguments(h);
        test_gone(h);
        return test_finish("http-container");
}
