/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-stats: one sample, two, or a stream that ends with its container. */

#include "unit/api/http-world.h"
#include "wire/spawner-protocol.h"
#include "wire/usage.h"

static void append_usage(sd_bus_message *m, uint64_t value)
{
        uint64_t values[_USAGE_MAX];

        for (size_t i = 0; i < _USAGE_MAX; i++)
                values[i] = value;
        NEED(sd_bus_message_append_array(m, 't', values, sizeof(values)) >= 0);
}

/* With one exec that there is, and a runner that waits for one. */
static void answer_usage(HttpWorld *h, uint64_t value, const Exec *e)
{
        const char *ids[] = {e->id, "nosuch"};
        World *w = h->world;
        sd_bus_message *m = NULL;

        WORLD_UNTIL(w, w->pending && sd_bus_message_is_method_call(w->pending, NULL, "GetUsage"));
        NEED(sd_bus_message_new_method_return(w->pending, &m) >= 0);
        append_usage(m, value);
        NEED(sd_bus_message_open_container(m, 'a', "(sat)") >= 0);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                NEED(sd_bus_message_open_container(m, 'r', "sat") >= 0 &&
                     sd_bus_message_append(m, "s", ids[i]) >= 0);
                append_usage(m, 1);
                NEED(sd_bus_message_close_container(m) >= 0);
        }
        NEED(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
        sd_bus_message_unref(m);
        w->pending = sd_bus_message_unref(w->pending);
}

static void ask(HttpWorld *h, const char *arguments)
{
        char target[128];

        snprintf(target, sizeof(target), "/containers/web/stats%s", arguments);
        http_ask_spawner(h, "GET", target, "GetContainer");
        http_answer_container(h, "running");
}

static void test_one(HttpWorld *h, const Exec *e)
{
        ask(h, "?stream=false&one-shot=true");
        answer_usage(h, 5, e);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "\"current\":5") &&
              strstr(http_body(h), "\"preread\":\"0001-"));
        CHECK(strstr(http_body(h), e->id) && !strstr(http_body(h), "nosuch"));
}

/* Clients compute the share of the processors from two. */
static void test_two(HttpWorld *h, const Exec *e)
{
        ask(h, "?stream=0");
        answer_usage(h, 5, e);
        CHECK(!http_is_answered(h));
        answer_usage(h, 6, e);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(strstr(http_body(h), "\"current\":6") && !strstr(http_body(h), "\"preread\":\"0001-"));
}

static void test_stream(HttpWorld *h, const Exec *e)
{
        ask(h, "");
        answer_usage(h, 5, e);
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\"current\":5")));
        CHECK_TEXT("chunked", http_header(h, "Transfer-Encoding"), "chunked");
        WORLD_UNTIL(h->world, world_count_calls(h->world, "GetUsage") > 1 && h->world->pending);
        world_answer_error(h->world, "NotRunning", "container web is not running");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\r\n0\r\n\r\n")));
}

static void test_refused(HttpWorld *h)
{
        CHECK(http_ask(h, "GET", "/containers/web/stats?stream=1&one-shot=1") == 400);
        CHECK(strstr(http_body(h), "cannot have stream=true and one-shot=true"));
        ask(h, "?stream=no");
        WORLD_UNTIL(h->world, world_was_called(h->world, "GetUsage") && h->world->pending);
        world_answer_error(h->world, "NotRunning", "container web is not running");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 409);
        ask(h, "?stream=no");
        WORLD_UNTIL(h->world, h->world->pending);
        world_answer(h->world);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 500);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();
        const Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");

        h->world->calls[0] = 0;
        test_one(h, e);
        test_two(h, e);
        h->world->calls[0] = 0;
        test_stream(h, e);
        test_refused(h);
        return test_finish("http-stats");
}
