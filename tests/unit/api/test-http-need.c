/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-need: the needs of a request before its handler goes on, and the errors otherwise. */

#include "api/http-need.h"
#include "unit/api/http-world.h"

static void test_json(HttpWorld *h)
{
        static const struct {
                const char *headers, *body;
                unsigned status;
                const char *text;
        } rows[] = {
                {"Content-Type: application/json\r\nContent-Length: 2\r\n", "{}", 404,
                 "No such exec instance"},
                {"Content-Type: APPLICATION/json; charset=utf-8\r\nContent-Length: 2\r\n", "{}", 404, ""},
                {"Content-Type: application/jsonx\r\nContent-Length: 2\r\n", "{}", 400,
                 "unsupported Content-Type header (application/jsonx)"},
                {"Content-Length: 2\r\n", "{}", 400, "unsupported Content-Type header ()"},
                {"Content-Length: 0\r\n", "", 404, ""},
                {"Transfer-Encoding: chunked\r\n", "0\r\n\r\n", 400, "got EOF while reading request body"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char request[512];

                snprintf(request, sizeof(request), "POST /exec/nosuch/start HTTP/1.1\r\nHost: x\r\n%s\r\n%s",
                         rows[i].headers, rows[i].body);
                http_connect(h, 0);
                http_send(h, request);
                WORLD_UNTIL(h->world, http_is_answered(h));
                CHECK_ROW(rows[i].headers, http_status(h) == rows[i].status);
                CHECK_ROW(rows[i].headers, strstr(http_body(h), rows[i].text));
        }
}

/* Docker names the exec, not the container, when the latter has gone. */
static void test_unpaused(HttpWorld *h)
{
        static const struct {
                const char *state; /* NULL: the spawner knows no such container */
                unsigned status;
                const char *text;
        } rows[] = {
                {"running", 200, ""},
                {"paused", 409, "is paused, unpause the container before exec"},
                {NULL, 404, "No such exec instance: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Exec *e = http_create(h, "{\"Cmd\":[\"true\"],\"Tty\":true}");
                char target[128];

                /* As if its container had been seen long ago: it is looked at anew. */
                containers_seen_done(&h->world->manager.seen);
                snprintf(target, sizeof(target), "/exec/%s/resize?h=1&w=1", e->id);
                http_ask_spawner(h, "POST", target, "GetContainer");
                if (rows[i].state)
                        http_answer_container(h, rows[i].state);
                else
                        world_answer_error(h->world, "NoSuchContainer", "No such container");
                if (rows[i].status == 200) {
                        /* It waits for the start. */
                        world_settle(h->world);
                        CHECK_ROW("goes on", !http_is_answered(h) && e->watches.first);
                        continue;
                }
                WORLD_UNTIL(h->world, http_is_answered(h));
                CHECK_ROW(rows[i].text, http_status(h) == rows[i].status);
                CHECK_ROW(rows[i].text, strstr(http_body(h), rows[i].text));
        }
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_json(h);
        test_unpaused(h);
        return test_finish("http-need");
}
