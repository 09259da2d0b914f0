/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-recording: a file as an answer, whole, in pieces, and never past what was announced. */

#include <fcntl.h>

#include "base/fd.h"
#include "core/exec-recording.h"
#include "unit/api/http-world.h"

static Exec *recorded(HttpWorld *h)
{
        Exec *e;

        h->world->manager.config.record = RECORD_REQUESTED;
        e = http_create(h, "{\"Cmd\":[\"sh\"],\"Record\":true}");
        NEED(e->request->record);
        e->state = EXEC_RUNNING;
        exec_recording_begin(e);
        NEED(e->recording);
        return e;
}

static void ask(HttpWorld *h, const Exec *e)
{
        char request[256];

        snprintf(request, sizeof(request), "GET /exec/%s/recording HTTP/1.1\r\nHost: x\r\n\r\n", e->id);
        http_connect(h, 0);
        http_send(h, request);
}

static void test_file(HttpWorld *h)
{
        Exec *e = recorded(h);
        _cleanup_free_ char *big = malloc(200 * 1024);

        NEED(big);
        memset(big, 'x', 200 * 1024);
        exec_recording_output(e, FRAME_STDOUT, "hello", 5);
        exec_recording_output(e, FRAME_STDOUT, big, 200 * 1024);
        while (*world_record(h->world))
                ;
        ask(h, e);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "hello"));
        CHECK_TEXT("type", http_header(h, "Content-Type"), "application/x-asciicast");
        CHECK(strlen(http_body(h)) > 200 * 1024 &&
              strlen(http_body(h)) == strtoul(http_header(h, "Content-Length"), NULL, 10));
        CHECK(world_find_record(h->world, "from its recording"));
        /* The connection goes on. */
        http_next(h);
        http_send(h, "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200);
}

/* No record, no recording. */
static void test_refused(HttpWorld *h)
{
        Exec *none = http_create(h, "{\"Cmd\":[\"sh\"]}"), *e = recorded(h);
        char target[128];

        snprintf(target, sizeof(target), "/exec/%s/recording", none->id);
        CHECK(http_ask(h, "GET", target) == 404 && strstr(http_body(h), "has no recording"));
        CHECK(http_ask(h, "GET", "/exec/nosuch/recording") == 404);
        http_connect(h, 1000);
        snprintf(target, sizeof(target), "GET /exec/%s/recording HTTP/1.1\r\nHost: x\r\n\r\n", e->id);
        http_send(h, target);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 403);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_file(h);
        test_refused(h);
        return test_finish("http-recording");
}
