/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-exec: an exec from its creation to its end over HTTP, with the test as its spawner. */

#include <sys/socket.h>

#include "base/fd.h"
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

/* Sends a body of many empty arguments; nothing reads the answer yet. */
static void post_long_body(HttpWorld *h)
{
        _cleanup_buf_ Buf b = BUF_INIT, body = BUF_INIT;
        size_t sent = 0;

        buf_puts(&body, "{\"Cmd\":[\"true\"");
        while (buf_length(&body) < 500000)
                buf_puts(&body, ",\"\"");
        buf_puts(&body, "]}");
        buf_printf(&b,
                   "POST /containers/web/exec HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   buf_length(&body));
        buf_append(&b, buf_head(&body), buf_length(&body));
        http_connect(h, 0);
        while (sent < buf_length(&b)) {
                ssize_t n = send(h->client, buf_head(&b) + sent, buf_length(&b) - sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n > 0)
                        sent += (size_t) n;
                else
                        NEED(sd_event_run(h->world->event, USEC_PER_SEC) >= 0);
        }
}

static bool is_looked_for(const HttpWorld *h)
{
        return h->world->pending &&
               sd_bus_message_is_method_call(h->world->pending, NULL, "GetContainer") > 0;
}

/* While a long body is read, others are served. */
static void test_long_body(HttpWorld *h)
{
        static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
        unsigned n_served = 0;
        int busy;

        post_long_body(h);
        CHECK(!is_looked_for(h));
        busy = h->client;
        h->client = -EBADF;
        http_connect_beside(h, 0);
        while (!is_looked_for(h) && n_served < 1000) {
                http_next(h);
                NEED(send(h->client, ping, strlen(ping), MSG_NOSIGNAL) == (ssize_t) strlen(ping));
                while (!http_is_answered(h) && !is_looked_for(h))
                        NEED(sd_event_run(h->world->event, USEC_PER_SEC) >= 0);
                n_served += http_is_answered(h);
        }
        CHECK(n_served >= 2 && n_served < 1000);
        fd_close(h->client);
        h->client = busy;
        http_next(h);
        http_answer_container(h, "paused");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 409);
}

/* The arguments take more memory than the body, and are counted before there is an exec. */
static void test_many_arguments(HttpWorld *h)
{
        Budget *b = &h->world->manager.memory_budget;
        uint64_t before = b->used, limit = b->uid_max;

        b->uid_max = 4 * 1024 * 1024;
        post_long_body(h);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 503 && !is_looked_for(h));
        b->uid_max = limit;
        http_connect(h, 0);
        CHECK(b->used == before);
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

/* A caller gets nothing if polkit cannot be asked. */
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
        test_long_body(h);
        test_many_arguments(h);
        test_refused(h);
        test_start_and_wait(h);
        test_others(h);
        return test_finish("http-exec");
}
