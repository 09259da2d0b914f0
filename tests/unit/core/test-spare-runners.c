/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/spare-runners: which exec gets the runner that was made for its container, and which ones must not. */

#include "core/spare-runners.h"
#include "unit/core/world.h"

#define STAY (60 * USEC_PER_SEC)

/* A spare of this container, whose id is in `ret`. */
static SpareRunners *with_spare(World *w, ContainerInfo *c, char ret[static 13])
{
        SpareRunners *l = w->manager.spares;
        char *line;

        w->calls[0] = 0;
        spare_runners_request(l, c);
        spare_runners_make_now(l, c);
        WORLD_UNTIL(w, (line = strstr(w->calls, "Prepare")));
        NEED(sscanf(line, "Prepare %12s park", ret) == 1);
        return l;
}

static void test_taken_once(World *w)
{
        char spare[13], id[EXEC_ID_SIZE] = "";
        SpareRunners *l = with_spare(w, w->container, spare);

        CHECK(spare_runners_take(l, w->container, id) && strncmp(id, spare, 12) == 0);
        CHECK(strlen(id) == EXEC_ID_SIZE - 1);
        CHECK(!spare_runners_take(l, w->container, id));
}

static void test_of_this_run_only(World *w)
{
        ContainerInfo *restarted = world_container(w, "web", 8), *other = world_container(w, "other", 7);
        char spare[13], id[EXEC_ID_SIZE];
        SpareRunners *l = with_spare(w, w->container, spare);

        CHECK(!spare_runners_take(l, restarted, id));
        CHECK(!spare_runners_take(l, other, id));
        restarted->leader_start = 7;
        restarted->leader++;
        CHECK(!spare_runners_take(l, restarted, id));
        CHECK(spare_runners_take(l, w->container, id));
        container_info_unref(restarted);
        container_info_unref(other);
}

/* The spawner may have dropped one by the time that it is taken. */
static void test_old_ones(World *w)
{
        char spare[13], id[EXEC_ID_SIZE];
        SpareRunners *l = w->manager.spares;

        spare_runners_set_stay(l, 0);
        (void) with_spare(w, w->container, spare);
        CHECK(!spare_runners_take(l, w->container, id));
        spare_runners_set_stay(l, STAY);
        CHECK(!spare_runners_take(l, w->container, id));
}

/* One for each container, however often it is used; and it is made by itself. */
static void test_requests(World *w)
{
        SpareRunners *l = w->manager.spares;
        char id[EXEC_ID_SIZE];

        w->calls[0] = 0;
        for (unsigned i = 0; i < 5; i++)
                spare_runners_request(l, w->container);
        WORLD_UNTIL(w, world_was_called(w, "Prepare"));
        spare_runners_request(l, w->container);
        spare_runners_make_now(l, w->container);
        world_settle(w);
        CHECK(world_count_calls(w, "Prepare") == 1);
        CHECK(spare_runners_take(l, w->container, id));
        /* Nothing was requested. */
        spare_runners_make_now(l, w->container);
        world_settle(w);
        CHECK(world_count_calls(w, "Prepare") == 1);
}

static void test_places(World *w)
{
        ContainerInfo *a = world_container(w, "a", 1), *b = world_container(w, "b", 1);
        char first[13], second[13], id[EXEC_ID_SIZE], drop[32];
        SpareRunners *l;

        /* The oldest makes room. */
        w->manager.config.spares_max = 1;
        (void) with_spare(w, a, first);
        l = with_spare(w, b, second);
        snprintf(drop, sizeof(drop), "Drop %s", first);
        WORLD_UNTIL(w, world_was_called(w, drop));
        CHECK(!spare_runners_take(l, a, id) && spare_runners_take(l, b, id));

        l = with_spare(w, a, first);
        spare_runners_drop_from(l, 0);
        snprintf(drop, sizeof(drop), "Drop %s", first);
        WORLD_UNTIL(w, world_was_called(w, drop));
        CHECK(!spare_runners_take(l, a, id));

        w->manager.config.spares_max = 0;
        w->calls[0] = 0;
        spare_runners_request(l, a);
        spare_runners_make_now(l, a);
        world_settle(w);
        CHECK(!world_was_called(w, "Prepare"));
        w->manager.config.spares_max = SPARES_MAX;
        container_info_unref(a);
        container_info_unref(b);
}

/* Its scope is there already, with the properties that the configuration gives to all. */
static void test_suitable(World *w)
{
        static const struct {
                const char *row, *configured, *wanted;
                bool suitable;
        } rows[] = {
                {"nothing special", NULL, NULL, true},
                {"the default", "MemoryMax", "MemoryMax", true},
                {"a limit of its own", NULL, "MemoryMax", false},
                {"without the default", "MemoryMax", NULL, false},
                {"another one", "MemoryMax", "TasksMax", false},
                {"its time would have begun", "RuntimeMaxSec", "RuntimeMaxSec", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                ScopePropertyList configured = {0}, wanted = {0};
                ExecRequest *q = world_request("true", NULL);

                if (rows[i].configured)
                        NEED(scope_property_list_set(&configured, rows[i].configured, "100", &refusal) >= 0);
                if (rows[i].wanted)
                        NEED(scope_property_list_set(&wanted, rows[i].wanted, "100", &refusal) >= 0);
                w->manager.config.properties = configured;
                q->properties = wanted.items;
                q->n_properties = wanted.n;
                CHECK_ROW(rows[i].row, spare_runners_is_suitable(w->manager.spares, q) == rows[i].suitable);
                exec_request_free(q);
                scope_property_list_done(&configured);
        }
        w->manager.config.properties = (ScopePropertyList){0};
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();

        spare_runners_set_stay(w->manager.spares, STAY);
        test_taken_once(w);
        test_of_this_run_only(w);
        test_old_ones(w);
        test_requests(w);
        test_places(w);
        test_suitable(w);
        return test_finish("spare-runners");
}
