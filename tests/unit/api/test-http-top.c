/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-top: which columns ps_args asks for, and the rows of what the spawner answers. */

#include "unit/api/http-world.h"
#include "wire/spawner-protocol.h"

static void test_arguments(HttpWorld *h)
{
        static const struct {
                const char *arguments, *text;
        } rows[] = {
                {"-o%20nosuch", "unknown user-defined format specifier"},
                {"-o%20comm", "Couldn't find PID field"},
                {"-o", "the option o needs a list"},
                {"-y", "unsupported option"},
                {"aux%20-Z", "unsupported option"},
                {"-o%20pid%zz", "invalid URL escape"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char target[128];

                snprintf(target, sizeof(target), "/containers/web/top?ps_args=%s", rows[i].arguments);
                CHECK_ROW(rows[i].arguments, http_ask(h, "GET", target) == 400);
                CHECK_ROW(rows[i].arguments, strstr(http_body(h), rows[i].text));
        }
}

/* More columns than a client needs are refused, not cut. */
static void test_many_columns(HttpWorld *h)
{
        char target[512] = "/containers/web/top?ps_args=-o%20";

        for (unsigned i = 0; i < 33; i++)
                strcat(target, "pid,");
        CHECK(http_ask(h, "GET", target) == 400 && strstr(http_body(h), "more than 32 columns"));
}

static void answer_processes(HttpWorld *h, unsigned n)
{
        World *w = h->world;
        sd_bus_message *m = NULL;

        NEED(sd_bus_message_new_method_return(w->pending, &m) >= 0);
        NEED(sd_bus_message_open_container(m, 'a', PROCESS_SIGNATURE) >= 0);
        for (unsigned i = 0; i < n; i++)
                NEED(sd_bus_message_append(m, PROCESS_SIGNATURE, 42 + i, 1, 0, UINT64_C(3000000),
                                           UINT64_C(0), "", "sh -c \"x\"", "sh", UINT64_C(8192),
                                           UINT64_C(4096), 20, 0, 1, 42, 42, -1, "S", 0) >= 0);
        NEED(sd_bus_message_close_container(m) >= 0);
        NEED(sd_bus_send(NULL, m, NULL) >= 0);
        sd_bus_message_unref(m);
        w->pending = sd_bus_message_unref(w->pending);
}

static void test_rows(HttpWorld *h)
{
        static const struct {
                const char *arguments, *titles, *row;
        } rows[] = {
                {"", "\"Titles\":[\"UID\",\"PID\",\"PPID\"", "\"42\",\"1\""},
                {"?ps_args=aux", "\"Titles\":[\"USER\",\"PID\",\"%CPU\"", "\"sh -c \\\"x\\\"\""},
                {"?ps_args=-o%20pid,comm", "\"Titles\":[\"PID\",\"COMMAND\"]", "[\"42\",\"sh\"]"},
                {"?ps_args=-eo%20comm=NAME%20-o%20pid", "\"Titles\":[\"COMMAND\",\"PID\"]",
                 "[\"sh\",\"42\"]"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char target[128];

                snprintf(target, sizeof(target), "/containers/web/top%s", rows[i].arguments);
                http_ask_spawner(h, "GET", target, "GetContainer");
                http_answer_container(h, "running");
                WORLD_UNTIL(h->world, world_was_called(h->world, "ListProcesses") && h->world->pending);
                answer_processes(h, 1);
                WORLD_UNTIL(h->world, http_is_answered(h));
                h->world->calls[0] = 0;
                CHECK_ROW(rows[i].titles, http_status(h) == 200);
                CHECK_ROW(rows[i].titles, strstr(http_body(h), rows[i].titles));
                CHECK_ROW(rows[i].row, strstr(http_body(h), rows[i].row));
        }
}

/* One long column many times, of many processes: no more is made of it than there is room for. */
static void test_large(HttpWorld *h)
{
        Budget *memory = &h->world->manager.memory_budget;
        const Budget before = *memory;
        char target[512] = "/containers/web/top?ps_args=-o%20pid";

        for (unsigned i = 0; i < 31; i++)
                strcat(target, ",args");
        memory->max = memory->uid_max = 0;
        h->world->calls[0] = 0;
        http_ask_spawner(h, "GET", target, "GetContainer");
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, world_was_called(h->world, "ListProcesses") && h->world->pending);
        answer_processes(h, 100);
        WORLD_UNTIL(h->world, http_is_answered(h));
        memory->max = before.max;
        memory->uid_max = before.uid_max;
        CHECK(http_status(h) == 503 && strstr(http_body(h), "the list is larger than the 4096 bytes"));
        h->world->calls[0] = 0;
}

/* The spawner refuses, or answers with what is no list. */
static void test_refused(HttpWorld *h)
{
        http_ask_spawner(h, "GET", "/containers/web/top", "GetContainer");
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, world_was_called(h->world, "ListProcesses") && h->world->pending);
        world_answer_error(h->world, "NotRunning", "container web is not running");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 409 && strstr(http_body(h), "container web is not running"));

        h->world->calls[0] = 0;
        http_ask_spawner(h, "GET", "/containers/web/top", "GetContainer");
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, world_was_called(h->world, "ListProcesses") && h->world->pending);
        world_answer(h->world);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 500);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_arguments(h);
        test_many_columns(h);
        test_rows(h);
        test_large(h);
        test_refused(h);
        return test_finish("http-top");
}
