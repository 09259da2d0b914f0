/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/spawner-link, spawner-send and spawner-call: the spawner exits or is killed at any moment. Each call is
 * answered once, and no command runs twice. */

#include <fcntl.h>
#include <signal.h>

#include "base/fd.h"
#include "core/spawner-call.h"
#include "unit/core/world.h"

typedef struct Answer {
        sd_bus_slot *slot;
        unsigned n;
        bool is_error, is_lost;
        RefusalKind kind;
} Answer;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Answer *a = userdata;

        a->n++;
        a->is_lost = spawner_start_is_lost(m);
        a->is_error = spawner_reply_refusal(m, &refusal) < 0;
        a->kind = refusal.kind;
        a->slot = sd_bus_slot_unref(a->slot);
        return 0;
}

static void list(World *w, Answer *a)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        *a = (Answer){0};
        NEED(spawner_list_containers(w->manager.spawner, false, on_answer, a, &a->slot, &refusal) >= 0);
}

static void start(World *w, Answer *a)
{
        static const ConsoleSize no_size;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ExecRequest *q = world_request("true", NULL);
        const SpawnerExec e = {
                .id = w->container->id, .container = w->container, .description = "", .request = q};

        *a = (Answer){0};
        w->calls[0] = 0;
        NEED(spawner_start(w->manager.spawner, &e, &no_size, UINT32_MAX, NULL, on_answer, a, &a->slot,
                           &refusal) >= 0);
        exec_request_free(q);
        WORLD_UNTIL(w, world_was_called(w, "Start"));
}

static void test_asked_again(World *w)
{
        Answer a;

        w->calls[0] = 0;
        list(w, &a);
        WORLD_UNTIL(w, world_was_called(w, "ListContainers"));
        world_lose_spawner(w);
        WORLD_UNTIL(w, world_count_calls(w, "ListContainers") == 2);
        CHECK(a.n == 0);
        world_answer(w);
        WORLD_UNTIL(w, a.n > 0);
        CHECK(a.n == 1 && !a.is_error);
}

/* A call that ends the spawner each time ends with an error. */
static void test_not_for_ever(World *w)
{
        unsigned n = 0;
        Answer a;

        w->calls[0] = 0;
        list(w, &a);
        while (a.n == 0) {
                WORLD_UNTIL(w, a.n > 0 || world_count_calls(w, "ListContainers") > n);
                n = world_count_calls(w, "ListContainers");
                if (a.n == 0)
                        world_lose_spawner(w);
                NEED(n < 15);
        }
        CHECK(a.n == 1 && a.is_error && a.kind == REFUSAL_UNAVAILABLE && n == 10);
}

static void test_start(World *w)
{
        Answer a;

        /* The command was not released: once more. */
        start(w, &a);
        world_lose_spawner(w);
        WORLD_UNTIL(w, world_count_calls(w, "Start") == 2);
        CHECK(a.n == 0);
        world_answer_error(w, "CommandNotFound", "x");
        WORLD_UNTIL(w, a.n > 0);
        CHECK(a.n == 1 && a.is_error && !a.is_lost && a.kind == REFUSAL_NOT_FOUND);

        /* It may run. */
        start(w, &a);
        world_use_ticket(w);
        world_lose_spawner(w);
        WORLD_UNTIL(w, a.n > 0);
        world_settle(w);
        CHECK(a.n == 1 && a.is_error && a.is_lost && world_count_calls(w, "Start") == 1);
}

/* A signal that may have been sent is not sent again, but for the one that ends all. */
static void test_kill(World *w)
{
        static const int signals[] = {SIGTERM, SIGKILL};

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                Answer a = {0};

                w->calls[0] = 0;
                NEED(spawner_kill(w->manager.spawner, w->container->id, w->listener, signals[i], false,
                                  on_answer, &a, &a.slot, &refusal) >= 0);
                WORLD_UNTIL(w, world_was_called(w, "Kill"));
                world_lose_spawner(w);
                WORLD_UNTIL(w, a.n > 0 || world_count_calls(w, "Kill") == 2);
                CHECK((a.n > 0) == (signals[i] == SIGTERM));
                if (a.n == 0)
                        world_answer(w);
                WORLD_UNTIL(w, a.n > 0);
        }
}

/* One that exits in good order answers what it was asked, and what is asked next goes to its successor. */
static void test_leaving(World *w)
{
        sd_bus_message *first;
        unsigned before;
        Answer a, b;

        w->calls[0] = 0;
        list(w, &a);
        WORLD_UNTIL(w, world_was_called(w, "ListContainers"));
        first = TAKE_PTR(w->pending);
        before = w->n_connections;
        world_retire_spawner(w);
        world_settle(w);
        list(w, &b);
        WORLD_UNTIL(w, w->n_connections > before && w->pending);
        CHECK(world_count_calls(w, "ListContainers") == 2 && a.n == 0);
        NEED(sd_bus_reply_method_return(first, NULL) >= 0);
        WORLD_UNTIL(w, a.n > 0);
        world_answer(w);
        WORLD_UNTIL(w, b.n > 0);
        CHECK(a.n == 1 && !a.is_error && b.n == 1 && !b.is_error);
        sd_bus_message_unref(first);
}

static void test_given_up(World *w)
{
        Answer a;

        w->calls[0] = 0;
        list(w, &a);
        WORLD_UNTIL(w, world_was_called(w, "ListContainers"));
        a.slot = sd_bus_slot_unref(a.slot);
        world_answer(w);
        world_settle(w);
        CHECK(a.n == 0);
}

static void test_not_there(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        char path[128];
        sd_bus_slot *slot = NULL;
        Answer a = {0};

        snprintf(path, sizeof(path), "%s/spawner", w->dir);
        world_lose_spawner(w);
        world_settle(w);
        NEED(unlink(path) == 0);
        CHECK(spawner_list_containers(w->manager.spawner, false, on_answer, &a, &slot, &refusal) < 0 &&
              !slot);
        CHECK(refusal.kind == REFUSAL_UNAVAILABLE && a.n == 0);
        /* Nothing is parked without a connection. */
        spawner_drop(w->manager.spawner, w->container->id);
}

int main(void)
{
        World *w = world_new();

        test_asked_again(w);
        test_start(w);
        test_kill(w);
        test_leaving(w);
        test_given_up(w);
        world_free(w);
        w = world_new();
        test_not_for_ever(w);
        test_not_there(w);
        world_free(w);
        return test_finish("spawner-link");
}
