/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-exec: an exec from its creation to its end over HTTP, with the test as its spawner. */

#include "unit/api/http-world.h"

static void test_create(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"],\"Labels\":{\"a\":\"b\"}}");
        char target[128];

        CHECK(strstr(http_body(h), e->id) && strstr(http_body(h), "\"success\":true"));
        snprintf(target, sizeof(target), "/exec/%s/json", e->id);
        CHECK(http_ask(h, "GET", target) == 200);
        CHECK(strstr(http_body(h), "\"Running\":false") && strstr(http_body(h), "\"Labels\":{\"a\":\"b\"}"));
        CHECK(http_ask(h, "GET", "/exec/json") == 200 && strstr(http_body(h), e->id));
        CHECK(http_ask(h, "GET", "/exec/json?filters=%7B%22status%22%3A%5B%22exited%22%5D%7D") == 200);
        CHECK_TEXT("none exited", http_body(h), "[]\n");
        CHECK(http_ask(h, "GET", "/exec/json?filters=%7B%22status%22%3A%5B%22dead%22%5D%7D") == 400);
}

static void test_refused(HttpWorld *h)
{
        static const struct {
                const char *method, *target;
                unsigned status;
        } rows[] = {
                {"POST", "/exec/nosuch/start", 404},
                {"GET", "/exec/nosuch/json", 404},
                {"POST", "/exec/nosuch/resize?h=1&w=1", 404},
                {"POST", "/exec/nosuch/resize?h=x&w=1", 400},
                {"POST", "/exec/nosuch/resize?h=1", 400},
                {"POST", "/exec/nosuch/resize?h=1&w=4294967296", 400},
                {"POST", "/exec/nosuch/kill", 404},
                {"POST", "/exec/nosuch/kill?signal=NOSUCH", 400},
                {"POST", "/exec/nosuch/kill?signal=0", 400},
                {"POST", "/exec/nosuch/kill?signal=sigterm", 404},
                {"POST", "/exec/nosuch/wait", 404},
                {"POST", "/exec/nosuch/attach", 404},
                {"GET", "/exec/nosuch/logs", 404},
                {"GET", "/exec/nosuch/recording", 404},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_ROW(rows[i].target, http_ask(h, rows[i].method, rows[i].target) == rows[i].status);
        http_connect(h, 0);
        http_post(h, "/containers/web/exec", "{\"Cmd\":1}");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 400 && strstr(http_body(h), "Cmd"));
}

/* A start that is detached, its status, and who waits for it. */
static void test_start_and_wait(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        char target[128];
        Command command;

        http_start_detached(h, e, &command);
        snprintf(target, sizeof(target), "/exec/%s/wait", e->id);
        http_connect(h, 0);
        http_post(h, target, "");
        CHECK(!http_is_answered(h) && exec_is_running(e));
        command_report(&command, 3 << 8);
        command_done(&command);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "\"StatusCode\":3") &&
              strstr(http_body(h), "\"Result\":\"exit-code\""));
}

/* A caller whom nobody can ask about gets nothing. */
static void test_others(HttpWorld *h)
{
        http_connect(h, 1000);
        http_send(h, "GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 403);
        http_connect(h, 1000);
        http_send(h, "GET /exec/json HTTP/1.1\r\nHost: x\r\n\r\n");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK_TEXT("of others", http_body(h), "[]\n");
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_create(h);
        test_refused(h);
        test_start_and_wait(h);
        test_others(h);
        return test_finish("http-exec");
}
