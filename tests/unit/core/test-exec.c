/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/exec: which moves there are, and who hears of one when. */

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "unit/core/world.h"

/* As in the head of exec.h: each pair of states, what is not here is refused. */
static const struct {
        ExecState from, to;
} moves[] = {
        {EXEC_CREATED, EXEC_STARTING}, {EXEC_CREATED, EXEC_FAILED},   {EXEC_STARTING, EXEC_RUNNING},
        {EXEC_STARTING, EXEC_FAILED},  {EXEC_RUNNING, EXEC_DRAINING}, {EXEC_DRAINING, EXEC_EXITED},
};

/* An observer that writes down its calls: "change", "watch", "settled", and with each whether the client has
 * seen the end. */
typedef struct Observer {
        World *world;
        ExecEnv env;
        char told[256];
        ExecState old;
        int client; /* negative: none */
        int exit_code;
} Observer;

static void note(Observer *o, const char *what)
{
        bool end = false;

        if (o->client >= 0)
                (void) client_read(o->client, &end);
        NEED(strlen(o->told) + strlen(what) + 8 < sizeof(o->told));
        sprintf(o->told + strlen(o->told), "%s%s%s", *o->told ? " " : "", what, end ? "+end" : "");
}

static void on_change(void *userdata, Exec *e, ExecState old)
{
        Observer *o = userdata;

        o->old = old;
        o->exit_code = e->exit_code;
        note(o, "change");
}

static void on_settled(void *userdata, Exec *e)
{
        note(userdata, "settled");
}

static void observe(Observer *o, World *w)
{
        static const ExecEvents events = {on_change, on_settled};

        *o = (Observer){.world = w, .env = w->manager.exec_env, .client = -EBADF};
        o->env.events = &events;
        o->env.userdata = o;
}

static Exec *exec_for(Observer *o, const char *command)
{
        Exec *e = NULL;

        NEED(exec_new(&o->env, o->world->container, o->world->root, world_request(command, NULL), NULL,
                      &e) >= 0);
        return e;
}

static bool is_a_move(ExecState from, ExecState to)
{
        for (size_t i = 0; i < ELEMENTSOF(moves); i++)
                if (moves[i].from == from && moves[i].to == to)
                        return true;
        return false;
}

static void test_moves(World *w)
{
        for (ExecState from = 0; from < _EXEC_STATE_MAX; from++)
                for (ExecState to = 0; to < _EXEC_STATE_MAX; to++) {
                        bool moved = is_a_move(from, to);
                        char row[64];
                        Observer o;
                        Exec *e;

                        snprintf(row, sizeof(row), "%s -> %s", exec_state_to_string(from),
                                 exec_state_to_string(to));
                        observe(&o, w);
                        e = exec_for(&o, "true");
                        e->state = from;
                        exec_set_state(e, to);
                        CHECK_ROW(row, e->state == (moved ? to : from));
                        CHECK_TEXT(row, o.told, moved ? "change settled" : "");
                        CHECK_ROW(row, !moved || o.old == from);
                        CHECK_ROW(row, (e->ended_monotonic > 0) == (moved && exec_has_ended(e)));
                        exec_unref(e);
                }
}

typedef struct Follower {
        ExecWatch watch;
        Observer *observer;
        bool leaves; /* from inside */
} Follower;

static void on_watch(ExecWatch *watch, Exec *e)
{
        Follower *f = (Follower *) watch;

        if (f->leaves)
                exec_unwatch(watch);
        note(f->observer, "watch");
}

/* A client that sees the end finds the status: all observers are informed before it. */
static void test_order_at_the_end(World *w)
{
        Follower stays = {0}, leaves = {.leaves = true};
        bool end = false;
        int ends[2];
        Observer o;
        Exec *e;

        observe(&o, w);
        e = exec_for(&o, "sh");
        stays.observer = leaves.observer = &o;
        exec_watch(e, &stays.watch, on_watch);
        exec_watch(e, &leaves.watch, on_watch);
        e->state = EXEC_RUNNING;
        o.client = world_attach(e, true);
        NEED(pipe2(ends, O_CLOEXEC) == 0 && stream_set_output(e->stream, FRAME_STDOUT, ends[0]) >= 0);
        stream_begin(e->stream);
        e->wait_status = 3 << 8;
        e->exit_known = true;

        exec_advance(e);
        CHECK_TEXT("the end of the command", o.told, "change watch watch settled");
        CHECK(e->state == EXEC_DRAINING && e->exit_code == 3 && o.exit_code == 3);
        o.told[0] = 0;
        fd_close(ends[1]);
        WORLD_UNTIL(w, e->state != EXEC_DRAINING);
        CHECK(e->state == EXEC_EXITED);
        CHECK(strncmp(o.told, "change watch settled", strlen("change watch settled")) == 0);
        world_settle(w);
        (void) client_read(o.client, &end);
        CHECK(end);
        exec_unwatch(&stays.watch);
        fd_close(o.client);
        world_settle(w);
        exec_unref(e);
}

static void test_exit_codes(World *w)
{
        static const struct {
                const char *row;
                int wait_status, exit_code;
        } rows[] = {
                {"success", 0, 0},        {"status 3", 3 << 8, 3},      {"status 255", 255 << 8, 255},
                {"killed", SIGKILL, 137}, {"terminated", SIGTERM, 143}, {"with a core", SIGSEGV | 0x80, 139},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Observer o;
                Exec *e;

                observe(&o, w);
                e = exec_for(&o, "true");
                e->state = EXEC_RUNNING;
                e->wait_status = rows[i].wait_status;
                e->exit_known = e->output_ended = true;
                exec_advance(e);
                CHECK_ROW(rows[i].row, e->state == EXEC_EXITED && e->exit_code == rows[i].exit_code);
                exec_unref(e);
        }
}

static void test_failure(World *w)
{
        static const struct {
                RefusalKind kind;
                int exit_code;
        } rows[] = {{REFUSAL_NOT_FOUND, 127}, {REFUSAL_BAD_REQUEST, 126}, {REFUSAL_UNAVAILABLE, 126}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Observer o;
                Exec *e;

                observe(&o, w);
                e = exec_for(&o, "nosuch");
                e->state = EXEC_STARTING;
                exec_fail(e, rows[i].kind, "there is no nosuch");
                CHECK(e->state == EXEC_FAILED && e->exit_code == rows[i].exit_code);
                CHECK_TEXT("the calls", o.told, "change settled");
                exec_fail(e, REFUSAL_INTERNAL, "again");
                CHECK_TEXT("the first one counts", e->failure, "there is no nosuch");
                CHECK(e->failure_kind == rows[i].kind);
                exec_unref(e);
        }
}

/* The text comes to the client, and then the end. */
static void test_failure_is_told(World *w)
{
        Observer o;
        bool end;
        Exec *e;
        int fd;

        observe(&o, w);
        e = exec_for(&o, "nosuch");
        fd = world_attach(e, true);
        e->state = EXEC_STARTING;
        exec_fail(e, REFUSAL_NOT_FOUND, "there is no nosuch");
        world_settle(w);
        CHECK_TEXT("text", client_read(fd, &end), "there is no nosuch\r\n");
        CHECK(end);
        fd_close(fd);
        world_settle(w);
        exec_unref(e);
}

static void test_names_for_clients(void)
{
        static const char *const none[] = {"starting", "draining", "", "Running", "all"};

        for (ExecState state = 0; state < _EXEC_STATE_MAX; state++) {
                const Exec e = {.state = state};

                CHECK_ROW(exec_state_to_string(state), exec_status_exists(exec_status_name(&e)));
        }
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                CHECK_ROW(none[i], !exec_status_exists(none[i]));
}

static void test_container_gone(World *w)
{
        for (ExecState state = 0; state < _EXEC_STATE_MAX; state++) {
                const char *row = exec_state_to_string(state);
                Observer o;
                Exec *e;

                observe(&o, w);
                e = exec_for(&o, "true");
                e->state = state;
                e->pidfd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
                w->calls[0] = 0;
                exec_container_gone(e);
                CHECK_ROW(row, e->hidden == (state == EXEC_CREATED));
                CHECK_ROW(row, e->state == (state == EXEC_CREATED ? EXEC_FAILED : state));
                if (state == EXEC_RUNNING)
                        WORLD_UNTIL(w, world_was_called(w, "Kill"));
                world_settle(w);
                CHECK_ROW(row, world_count_calls(w, "Kill") == (state == EXEC_RUNNING));
                CHECK_ROW(row, state != EXEC_RUNNING || strstr(w->calls, " 9 all\n"));
                exec_unref(e);
        }
}

static void test_what_needs_a_command(World *w)
{
        for (ExecState state = 0; state < _EXEC_STATE_MAX; state++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT, other = REFUSAL_INIT;
                const char *row = exec_state_to_string(state);
                Observer o;
                Exec *e;

                if (state == EXEC_RUNNING)
                        continue;
                observe(&o, w);
                e = exec_for(&o, "true");
                e->state = state;
                w->calls[0] = 0;
                CHECK_ROW(row, exec_resize(e, 24, 80, &refusal) < 0 && refusal.kind == REFUSAL_NOT_RUNNING);
                CHECK_ROW(row, exec_kill(e, SIGTERM, false, NULL, NULL, NULL, &other) < 0 &&
                                       other.kind == REFUSAL_NOT_RUNNING);
                world_settle(w);
                CHECK_ROW(row, !world_was_called(w, "Kill"));
                exec_unref(e);
        }
}

/* The leader's pidfd tells before the spawner does. */
static void test_leader_exits(World *w)
{
        ContainerInfo *own = world_container(w, "own", 8);
        int ends[2];
        Observer o;
        Exec *e;

        observe(&o, w);
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        own->leader_pidfd = ends[0];
        NEED(exec_new(&o.env, own, w->root, world_request("true", NULL), NULL, &e) >= 0);
        container_info_unref(own);
        fd_close(ends[1]);
        WORLD_UNTIL(w, e->state == EXEC_FAILED);
        CHECK(e->hidden && e->failure_kind == REFUSAL_NO_EXEC);
        exec_unref(e);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        test_moves(w);
        test_order_at_the_end(w);
        test_exit_codes(w);
        test_failure(w);
        test_failure_is_told(w);
        test_names_for_clients();
        test_container_gone(w);
        test_what_needs_a_command(w);
        test_leader_exits(w);
        return test_finish("exec");
}
