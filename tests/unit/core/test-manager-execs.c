/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/manager-execs: how execs are found and counted, who is notified, and when one is removed. */

#include "base/fd.h"
#include "core/exec-internal.h"
#include "core/exec-output.h"
#include "unit/core/world.h"

static char told[1024];

static void on_exec_changed(void *userdata, Exec *e, ManagerEvent event)
{
        static const char *const names[] = {
                [MANAGER_EXEC_NEW] = "new", [MANAGER_EXEC_CHANGED] = "", [MANAGER_EXEC_REMOVED] = "removed"};

        NEED(strlen(told) + 16 < sizeof(told));
        sprintf(told + strlen(told), "%s ",
                event == MANAGER_EXEC_CHANGED ? exec_state_to_string(e->state) : names[event]);
}

static Exec *exec_new_in(World *w)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, world_request("true", NULL), NULL, &e) >=
             0);
        return e;
}

static Exec *linked(World *w)
{
        Exec *e = exec_new_in(w);

        manager_count_exec(&w->manager, e);
        manager_link_exec(&w->manager, e);
        exec_unref(e); /* the manager has its own */
        return e;
}

static void end(Exec *e)
{
        e->state = EXEC_DRAINING;
        exec_set_state(e, EXEC_EXITED);
}

/* From the loop, as always. */
static void collect(World *w)
{
        (void) sd_event_source_set_time(w->manager.collect_source, 0);
        (void) sd_event_source_set_enabled(w->manager.collect_source, SD_EVENT_ONESHOT);
        world_settle(w);
}

static void test_find(World *w)
{
        Exec *e[3000];
        char id[EXEC_ID_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(e); i++)
                e[i] = linked(w);
        for (size_t i = 0; i < ELEMENTSOF(e); i++)
                CHECK(manager_find_exec(&w->manager, e[i]->id) == e[i]);
        memcpy(id, e[7]->id, sizeof(id));
        CHECK(!manager_find_exec(&w->manager, "") && !manager_find_exec(&w->manager, "abc"));
        id[12] = 0;
        CHECK(!manager_find_exec(&w->manager, id));
        e[8]->hidden = true;
        CHECK(!manager_find_exec(&w->manager, e[8]->id));
        CHECK(w->manager.n_live == ELEMENTSOF(e) && w->manager.execs_budget.used == ELEMENTSOF(e));
        for (size_t i = 0; i < ELEMENTSOF(e); i++) {
                manager_unlink_exec(&w->manager, e[i]);
                exec_unref(e[i]);
        }
        CHECK(w->manager.n_live == 0 && w->manager.execs_budget.used == 0 &&
              w->manager.memory_budget.used == 0);
}

static void test_counts(World *w)
{
        Manager *m = &w->manager;
        Exec *e = linked(w), *again;

        manager_count_exec(m, e);
        CHECK(m->execs_budget.used == 1 && m->memory_budget.used == exec_size(e));
        end(e);
        CHECK(m->n_live == 0 && m->n_ended == 1 && m->ended_size == exec_size(e));
        CHECK(m->execs_budget.used == 0 && m->memory_budget.used == 0);
        m->config.retention_usec = 0;
        collect(w);
        CHECK(m->n_ended == 0 && m->ended_size == 0 && list_is_empty(&m->execs));
        m->config.retention_usec = manager_config_default.retention_usec;

        /* One that is never linked. */
        again = exec_new_in(w);
        manager_count_exec(m, again);
        manager_uncount_exec(m, again);
        manager_uncount_exec(m, again);
        CHECK(m->execs_budget.used == 0);
        exec_unref(again);
}

static void test_told(World *w)
{
        Manager *m = &w->manager;
        Exec *e, *unlinked;

        m->on_exec_changed = on_exec_changed;
        told[0] = 0;
        e = linked(w);
        exec_set_state(e, EXEC_STARTING);
        exec_set_state(e, EXEC_RUNNING);
        exec_set_state(e, EXEC_DRAINING);
        exec_set_state(e, EXEC_EXITED);
        manager_unlink_exec(m, e);
        exec_unref(e);
        CHECK_TEXT("a whole life", told, "new starting running draining exited removed ");

        /* No client knows it yet. */
        told[0] = 0;
        unlinked = exec_new_in(w);
        exec_fail(unlinked, REFUSAL_NO_EXEC, "x");
        exec_unref(unlinked);
        /* Nor any longer. */
        e = linked(w);
        e->hidden = true;
        exec_fail(e, REFUSAL_NO_EXEC, "x");
        CHECK_TEXT("what is not shown", told, "new ");
        m->on_exec_changed = NULL;
        manager_unlink_exec(m, e);
        exec_unref(e);
}

/* The end is on record when the first client sees it. */
static void test_recorded_before_the_client_knows(World *w)
{
        Exec *e = linked(w);
        int fd = world_attach(e, true);
        bool over = false;

        exec_ref(e);
        while (*world_record(w))
                ;
        e->exit_code = 3;
        end(e);
        CHECK(world_find_record(w, "EXIT_CODE=3"));
        for (uint64_t until = now_usec(CLOCK_MONOTONIC) + 60 * USEC_PER_SEC; !over;) {
                (void) client_read(fd, &over);
                NEED(now_usec(CLOCK_MONOTONIC) < until && sd_event_run(w->event, USEC_PER_MSEC) >= 0);
        }
        fd_close(fd);
        world_settle(w);
        manager_unlink_exec(&w->manager, e);
        exec_unref(e);
        exec_unref(e);
}

static void on_watch(ExecWatch *watch, Exec *e)
{
}

static void test_collector(World *w)
{
        Manager *m = &w->manager;
        ExecWatch watch = {0};
        Exec *watched, *kept, *created;
        char id[EXEC_ID_SIZE];

        /* A client still uses it, whatever the time. */
        watched = linked(w);
        exec_watch(watched, &watch, on_watch);
        end(watched);
        kept = linked(w);
        end(kept);
        memcpy(id, kept->id, sizeof(id));
        collect(w);
        CHECK(m->n_ended == 2);
        m->config.retention_usec = 0;
        collect(w);
        CHECK(m->n_ended == 1 && !manager_find_exec(m, id));
        exec_unwatch(&watch);
        collect(w);
        CHECK(m->n_ended == 0);
        m->config.retention_usec = manager_config_default.retention_usec;

        /* More than are remembered: the oldest go. */
        m->config.ended_max = 2;
        for (unsigned i = 0; i < 5; i++)
                end(linked(w));
        memcpy(id, LIST_ENTRY(m->execs.last, Exec, node)->id, sizeof(id));
        collect(w);
        CHECK(m->n_ended == 2 && manager_find_exec(m, id));
        m->config.ended_max = 0;
        collect(w);
        m->config.ended_max = manager_config_default.ended_max;

        /* One that is never started. */
        created = linked(w);
        m->config.created_usec_max = 0;
        memcpy(id, created->id, sizeof(id));
        collect(w);
        CHECK(!manager_find_exec(m, id) && m->n_live == 0 && m->execs_budget.used == 0);
        m->config.created_usec_max = manager_config_default.created_usec_max;
        collect(w);
        CHECK(list_is_empty(&m->execs) && m->n_ended == 0);
}

static void test_limits(World *w)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT, other = REFUSAL_INIT;
        Manager *m = &w->manager;

        m->execs_budget.uid_max = 1;
        CHECK(manager_may_create(m, w->root, 1, &refusal) == 0);
        {
                Exec *e = linked(w);

                CHECK(manager_may_create(m, w->root, 1, &refusal) < 0 && refusal.kind == REFUSAL_LIMIT);
                manager_unlink_exec(m, e);
                exec_unref(e);
        }
        CHECK(manager_may_create(m, w->root, m->memory_budget.max + 1, &other) < 0 &&
              other.kind == REFUSAL_BUSY);

        /* One user leaves ready runners to others, and all leave some to root. */
        while (manager_may_park(m, 1000))
                budget_force(&m->parked_budget, 1000, 1);
        CHECK(m->parked_budget.used == PARKED_MAX * 3 / 4);
        CHECK(manager_may_park(m, 1001));
        while (manager_may_park(m, 0))
                budget_force(&m->parked_budget, 0, 1);
        CHECK(m->parked_budget.used == PARKED_MAX && !manager_may_park(m, 1001));
        budget_done(&m->parked_budget);
}

/* The charge for a ring is returned with it, also for an exec that no client has found. */
static void test_rings(World *w)
{
        Budget *b = &w->manager.outputs_budget;
        Exec *e = exec_new_in(w);

        NEED(exec_stream(e));
        CHECK(b->used > 0);
        exec_unref(e);
        CHECK(b->used == 0);
        e = linked(w);
        NEED(exec_stream(e));
        exec_container_gone(e);
        CHECK(e->hidden);
        collect(w);
        CHECK(b->used == 0);
}

static void test_settled(World *w)
{
        Exec *e = linked(w);

        for (ExecState state = 0; state < _EXEC_STATE_MAX; state++) {
                e->state = state;
                CHECK_ROW(exec_state_to_string(state),
                          manager_execs_are_settled(&w->manager) ==
                                  (state != EXEC_STARTING && state != EXEC_DRAINING));
        }
        e->state = EXEC_CREATED;
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        w->manager.execs_budget.max = w->manager.execs_budget.uid_max = 100000;
        test_find(w);
        test_counts(w);
        test_told(w);
        test_recorded_before_the_client_knows(w);
        test_collector(w);
        test_limits(w);
        test_rings(w);
        test_settled(w);
        return test_finish("manager-execs");
}
