/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec-start and core/exec-output: from the request to start to the end, with a spawner that answers
 * when the test says so. */

#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "core/exec-start.h"
#include "unit/core/world.h"
#include "wire/runner-spec.h"

static const ConsoleSize no_size;

static Exec *exec_of(World *w, ExecRequest *q)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, q, NULL, &e) >= 0);
        manager_link_exec(&w->manager, e);
        w->calls[0] = 0;
        return e;
}

static void start(World *w, Exec *e, bool detached)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        NEED(exec_start(e, w->root, &no_size, detached, &refusal) >= 0);
}

/* Up to a command that runs, with one client. */
static Exec *running(World *w, ExecRequest *q, Command *c, int *client)
{
        Exec *e = exec_of(w, q);

        *client = world_attach(e, true);
        start(w, e, false);
        WORLD_UNTIL(w, world_was_called(w, "Start"));
        world_answer_start(w, e, c);
        WORLD_UNTIL(w, e->state == EXEC_RUNNING);
        return e;
}

static void finish(World *w, Exec *e, Command *c, int client)
{
        command_done(c);
        fd_close(client);
        world_settle(w);
        exec_unref(e);
}

static char *read_all(World *w, int client)
{
        static char all[4096];
        bool end = false;

        all[0] = 0;
        for (uint64_t until = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC; !end;) {
                const char *more = client_read(client, &end);

                NEED(strlen(all) + strlen(more) < sizeof(all) && now_usec(CLOCK_MONOTONIC) < until);
                strcat(all, more);
                if (!end)
                        NEED(sd_event_run(w->event, 100 * USEC_PER_MSEC) >= 0);
        }
        return all;
}

static void test_whole_life(World *w)
{
        Command c;
        Exec *e;
        int client;

        e = running(w, world_request("sh", "-c", "exit 3", NULL), &c, &client);
        CHECK(world_find_record(w, "MESSAGE_ID=") && e->pid == 4711 && e->started_usec > 0);
        NEED(write(c.out, "out\n", 4) == 4);
        world_settle(w);
        NEED(write(c.err, "err\n", 4) == 4);
        command_report(&c, 3 << 8);
        WORLD_UNTIL(w, e->state == EXEC_DRAINING);
        CHECK_TEXT("clients see it at once", exec_status_name(e), "exited");
        CHECK(e->exit_code == 3);
        command_close_output(&c);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        CHECK(world_find_record(w, "EXIT_CODE=3"));
        CHECK_TEXT("output", read_all(w, client), "out\n");
        finish(w, e, &c, client);
}

/* Which of the two comes first is the kernel's business. */
static void test_end_in_either_order(World *w)
{
        for (int output_first = 0; output_first < 2; output_first++) {
                Command c;
                Exec *e;
                int client;

                e = running(w, world_request("true", NULL), &c, &client);
                if (output_first) {
                        command_close_output(&c);
                        world_settle(w);
                        CHECK(e->state == EXEC_RUNNING);
                }
                command_report(&c, 0);
                if (!output_first)
                        WORLD_UNTIL(w, e->state == EXEC_DRAINING);
                command_close_output(&c);
                WORLD_UNTIL(w, e->state == EXEC_EXITED);
                CHECK(e->exit_code == 0);
                finish(w, e, &c, client);
        }
}

/* Another process that holds its output open does not delay its end. */
static void test_drain_timer(World *w)
{
        Command c;
        Exec *e;
        int client;

        w->manager.config.drain_usec = 10 * USEC_PER_MSEC;
        e = running(w, world_request("sh", NULL), &c, &client);
        NEED(write(c.out, "last", 4) == 4);
        command_report(&c, 0);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        CHECK_TEXT("what was there", read_all(w, client), "last");
        finish(w, e, &c, client);
        w->manager.config.drain_usec = manager_config_default.drain_usec;
}

static void test_runner_killed(World *w)
{
        Command c;
        Exec *e;
        int client;

        e = running(w, world_request("sleep", NULL), &c, &client);
        command_done(&c);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        CHECK(e->exit_code == 128 + SIGKILL);
        finish(w, e, &c, client);
}

static void test_spawner_refuses(World *w)
{
        static const struct {
                const char *kind, *text;
                RefusalKind refusal;
                int exit_code;
        } rows[] = {
                {"CommandNotFound", "there is no nosuch", REFUSAL_NOT_FOUND, 127},
                {"CommandNotRunnable", "no permission", REFUSAL_NOT_RUNNABLE, 126},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char expected[64];
                int client;
                Exec *e = exec_of(w, world_request("nosuch", NULL));

                client = world_attach(e, true);
                start(w, e, false);
                WORLD_UNTIL(w, world_was_called(w, "Start"));
                world_answer_error(w, rows[i].kind, rows[i].text);
                WORLD_UNTIL(w, e->state == EXEC_FAILED);
                CHECK(e->failure_kind == rows[i].refusal && e->exit_code == rows[i].exit_code);
                snprintf(expected, sizeof(expected), "%s\r\n", rows[i].text);
                CHECK_TEXT(rows[i].kind, read_all(w, client), expected);
                CHECK(world_find_record(w, rows[i].text));
                fd_close(client);
                world_settle(w);
                exec_unref(e);
        }
}

/* No record, no command: the spawner hears nothing of it before the journal has the record. */
static void test_record_comes_first(World *w)
{
        Exec *e = exec_of(w, world_request("true", NULL));

        world_settle(w);
        while (*world_record(w))
                ;
        world_stop_journal(w);
        start(w, e, false);
        CHECK(e->state == EXEC_STARTING && e->record);
        world_settle(w);
        CHECK(!world_was_called(w, "Start"));
        world_open_journal(w);
        WORLD_UNTIL(w, world_was_called(w, "Start"));
        CHECK(!e->record && world_find_record(w, "EXEC_CMDLINE=true"));
        world_answer_error(w, "CommandNotFound", "x");
        WORLD_UNTIL(w, e->state == EXEC_FAILED);
        exec_unref(e);
}

static void test_refused_starts(World *w)
{
        static const struct {
                ExecState state;
                const char *text;
        } rows[] = {
                {EXEC_STARTING, "is already running"}, {EXEC_RUNNING, "is already running"},
                {EXEC_DRAINING, "has already run"},    {EXEC_EXITED, "has already run"},
                {EXEC_FAILED, "has already run"},
        };
        Exec *e = exec_of(w, world_request("true", NULL));

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                e->state = rows[i].state;
                CHECK(exec_start(e, w->root, &no_size, false, &refusal) < 0);
                CHECK_ROW(rows[i].text,
                          refusal.kind == REFUSAL_CONFLICT && strstr(refusal.message, rows[i].text));
                CHECK(e->state == rows[i].state);
        }
        e->state = EXEC_CREATED;
        e->hidden = true;
        {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                CHECK(exec_start(e, w->root, &no_size, false, &refusal) < 0);
                CHECK(refusal.kind == REFUSAL_NOT_RUNNING);
        }
        world_settle(w);
        CHECK(!world_was_called(w, "Start"));
        exec_unref(e);
}

/* The configuration may have changed since the exec was created. */
static void test_privileged_is_off(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecRequest *q = world_request("true", NULL);
        uint64_t before = w->manager.config.privileged_capabilities;
        Exec *e;

        q->privileged = true;
        e = exec_of(w, q);
        w->manager.config.privileged_capabilities = 0;
        CHECK(exec_start(e, w->root, &no_size, false, &refusal) < 0);
        CHECK(e->state == EXEC_FAILED && !world_was_called(w, "Start"));
        w->manager.config.privileged_capabilities = before;
        exec_unref(e);
}

/* The effect of OnDisconnect, when the client that started it goes. */
static void test_disconnect(World *w)
{
        static const struct {
                OnDisconnect on_disconnect;
                const char *call;
        } rows[] = {{ON_DISCONNECT_KEEP, NULL},
                    {ON_DISCONNECT_HANGUP, " 1\n"},
                    {ON_DISCONNECT_KILL, " 9 all\n"}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ExecRequest *q = world_request("sleep", NULL);
                Command c;
                Exec *e;
                int client;

                q->on_disconnect = rows[i].on_disconnect;
                e = running(w, q, &c, &client);
                client = fd_close(client);
                WORLD_UNTIL(w, stream_count_clients(e->stream) == 0);
                if (rows[i].call)
                        WORLD_UNTIL(w, world_was_called(w, "Kill"));
                world_settle(w);
                CHECK(rows[i].call ? strstr(w->calls, rows[i].call) != NULL : !world_was_called(w, "Kill"));
                CHECK(e->state == EXEC_RUNNING && world_find_record(w, "lost its client"));
                command_report(&c, 0);
                command_close_output(&c);
                WORLD_UNTIL(w, e->state == EXEC_EXITED);
                finish(w, e, &c, client);
        }
}

/* A command of which execd has said nothing ends with its socket: the word comes after the exec runs. */
static void test_runner_is_told(World *w)
{
        char word[8] = "";
        Command c;
        Exec *e;
        int client;

        e = running(w, world_request("true", NULL), &c, &client);
        CHECK(recv(c.control, word, sizeof(word), MSG_DONTWAIT) == 1 && word[0] == *RUNNER_TAKEN);
        command_report(&c, 0);
        command_close_output(&c);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        finish(w, e, &c, client);
}

/* The output of a detached exec goes to its runner, with the pipe that it comes through. */
static void test_detached(World *w)
{
        Exec *e = exec_of(w, world_request("true", NULL));
        RunnerLog log;
        char packet[64];
        int pipe_fd = -EBADF;
        size_t n_fds = 0;
        ssize_t n;
        Command c;

        start(w, e, true);
        WORLD_UNTIL(w, world_was_called(w, "Start"));
        world_answer_start(w, e, &c);
        WORLD_UNTIL(w, e->state == EXEC_RUNNING);
        n = fd_recv_message(c.control, &log, sizeof(log), &pipe_fd, 1, &n_fds);
        while (n == 1)
                n = fd_recv_message(c.control, &log, sizeof(log), &pipe_fd, 1, &n_fds);
        CHECK(n == sizeof(log) && n_fds == 1 && strcmp(log.exec_id, e->id) == 0);
        NEED(write(c.err, "oops\n", 5) == 5);
        world_settle(w);
        NEED(fd_set_nonblock(pipe_fd, true) >= 0);
        n = read(pipe_fd, packet, sizeof(packet));
        CHECK(n == 6 && packet[0] == RUNNER_LOG_STDERR && memcmp(packet + 1, "oops\n", 5) == 0);
        /* Its end is recorded after its output, which the runner is still to write. */
        command_report(&c, 0);
        command_close_output(&c);
        WORLD_UNTIL(w, e->state == EXEC_DRAINING);
        world_settle(w);
        CHECK(e->state == EXEC_DRAINING);
        c.control = fd_close(c.control);
        WORLD_UNTIL(w, e->state == EXEC_EXITED);
        fd_close(pipe_fd);
        finish(w, e, &c, -EBADF);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_whole_life(w);
        test_end_in_either_order(w);
        test_drain_timer(w);
        test_runner_killed(w);
        test_spawner_refuses(w);
        test_record_comes_first(w);
        test_refused_starts(w);
        test_privileged_is_off(w);
        test_disconnect(w);
        test_runner_is_told(w);
        test_detached(w);
        return test_finish("exec-start");
}
