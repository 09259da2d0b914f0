/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-stream: start, attach and logs, and what each says when it cannot be. */

#include <sys/socket.h>

#include "base/fd.h"
#include "unit/api/http-world.h"

static void post(HttpWorld *h, const Exec *e, const char *what, const char *body)
{
        char target[160];

        snprintf(target, sizeof(target), "/exec/%s/%s", e->id, what);
        http_connect(h, 0);
        http_post(h, target, body);
}

static void wait_for_text(HttpWorld *h, const char *text)
{
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, text)));
}

static void test_attached(HttpWorld *h)
{
        Exec *e =
                http_create(h, "{\"Cmd\":[\"sh\"],\"AttachStdin\":true,\"AttachStdout\":true,\"Tty\":true}");
        Command command;
        int first;

        post(h, e, "start", "{\"Tty\":true}");
        http_await_start(h);
        world_answer_start(h->world, e, &command);
        wait_for_text(h, "\r\n\r\n");
        CHECK(http_status(h) == 200);
        CHECK_TEXT("type", http_header(h, "Content-Type"), "application/vnd.docker.raw-stream");
        NEED(write(command.out, "out\n", 4) == 4);
        wait_for_text(h, "out");
        NEED(send(h->client, "in\n", 3, 0) == 3);
        /* The terminal echoes it. */
        wait_for_text(h, "in");
        first = h->client;
        h->client = -EBADF;

        /* A second start, and a second writer. */
        post(h, e, "start", "{\"Detach\":true}");
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 409);
        post(h, e, "attach?stdin=1", "");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 409 && strstr(http_body(h), "another client already writes"));
        post(h, e, "attach?logs=0", "");
        wait_for_text(h, "\r\n\r\n");
        CHECK(http_status(h) == 200);
        NEED(write(command.out, "more", 4) == 4);
        wait_for_text(h, "more");
        CHECK(!strstr(h->answer, "out"));
        fd_close(first);
        command_report(&command, 0);
        command_done(&command);
        WORLD_UNTIL(h->world, exec_has_ended(e));
        post(h, e, "attach", "");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 409 && strstr(http_body(h), "is not running"));
}

static void refuse_start(HttpWorld *h, const char *kind, const char *text)
{
        http_await_start(h);
        world_answer_error(h->world, kind, text);
}

/* Before the head there is a status for it; after it, an error is output. */
static void test_failures(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"sh\"],\"AttachStdout\":true}");

        post(h, e, "start", "{\"Detach\":true}");
        refuse_start(h, "CommandNotRunnable", "not a program");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 400 && strstr(http_body(h), "not a program"));

        e = http_create(h, "{\"Cmd\":[\"sh\"],\"AttachStdout\":true,\"Tty\":true}");
        post(h, e, "start", "{\"Tty\":true}");
        refuse_start(h, "CommandNotFound", "no such file");
        wait_for_text(h, "no such file");
        CHECK(http_status(h) == 200);
        CHECK(e->exit_code == 127);

        /* If the exec has run already, the error is in its stream, as with Docker. */
        post(h, e, "start", "{\"Tty\":true}");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, e->id)));
        CHECK(http_status(h) == 200);
}

static void test_logs(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"sh\"],\"AttachStdout\":true,\"AttachStderr\":true}"),
             *attached = http_create(h, "{\"Cmd\":[\"sh\"],\"AttachStdout\":true}");
        char target[128];
        Command command;

        http_start_detached(h, e, &command);
        NEED(write(command.out, "to stdout", 9) == 9);
        WORLD_UNTIL(h->world, stream_output_ring(e->stream)->end > 0);
        NEED(write(command.err, "to stderr", 9) == 9);
        command_report(&command, 0);
        command_done(&command);
        WORLD_UNTIL(h->world, exec_has_ended(e));
        /* Of the newest version of the API, with frames of their own. */
        snprintf(target, sizeof(target), "/exec/%s/logs?stdout=1&stderr=0", e->id);
        http_connect(h, 0);
        CHECK(http_ask(h, "GET", target) == 200);
        CHECK_TEXT("type", http_header(h, "Content-Type"), "application/vnd.docker.multiplexed-stream");
        CHECK(memmem(http_body(h), 64, "to stdout", 9) && !memmem(http_body(h), 64, "to stderr", 9));
        snprintf(target, sizeof(target), "/v1.41/exec/%s/logs?stdout=false", e->id);
        CHECK(http_ask(h, "GET", target) == 200);
        CHECK_TEXT("type", http_header(h, "Content-Type"), "application/vnd.docker.raw-stream");
        CHECK(memmem(http_body(h), 64, "to stderr", 9) && !memmem(http_body(h), 64, "to stdout", 9));
        snprintf(target, sizeof(target), "/exec/%s/logs", attached->id);
        CHECK(http_ask(h, "GET", target) == 409 && strstr(http_body(h), "the exec had a client"));
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_attached(h);
        test_failures(h);
        test_logs(h);
        return test_finish("http-stream");
}
