/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/spare-runners.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "core/exec.h"

/* The spawner has this much more time to drop it, so that a spare that execd relies on exists. */
#define SPARE_SLACK_USEC (10 * USEC_PER_SEC)

typedef struct SpareRunner {
        char container_id[EXEC_ID_SIZE]; /* empty: free */
        uint32_t leader;
        uint64_t leader_start;
        char exec_id[EXEC_ID_SIZE];
        uint64_t made, until; /* CLOCK_MONOTONIC */
} SpareRunner;

typedef struct SpareRequest {
        ContainerInfo *container; /* owned; NULL: free */
        uint64_t due;             /* CLOCK_MONOTONIC */
} SpareRequest;

struct SpareRunners {
        sd_event *event;             /* weak */
        SpawnerLink *spawner;        /* weak */
        const ManagerConfig *config; /* weak; its values may change */
        SpareRunner spares[SPARES];
        SpareRequest requests[SPARES];
        sd_event_source *timer;
        uint64_t stay_usec;
};

static bool spare_is_for(const SpareRunner *s, const ContainerInfo *c)
{
        return s->container_id[0] && strcmp(s->container_id, c->id) == 0 && s->leader == c->leader &&
               s->leader_start == c->leader_start;
}

static bool spare_is_fresh(const SpareRunner *s)
{
        return s->container_id[0] && now_usec(CLOCK_MONOTONIC) < s->until;
}

bool spare_runners_take(SpareRunners *l, const ContainerInfo *c, char ret_id[static EXEC_ID_SIZE])
{
        for (size_t i = 0; i < SPARES; i++) {
                SpareRunner *s = &l->spares[i];
                bool fresh;

                if (!spare_is_for(s, c))
                        continue;
                fresh = spare_is_fresh(s);
                memcpy(ret_id, s->exec_id, EXEC_ID_SIZE);
                *s = (SpareRunner){0};
                return fresh;
        }
        return false;
}

bool spare_runners_is_suitable(const SpareRunners *l, const ExecRequest *request)
{
        const ScopePropertyList wanted = {.items = request->properties, .n = request->n_properties};

        return exec_request_runtime_max(request) == UINT64_MAX &&
               scope_property_lists_equal(&wanted, &l->config->properties);
}

/* The slot of this container, a free one, or the oldest. */
static SpareRunner *spare_slot(SpareRunners *l, const ContainerInfo *c)
{
        SpareRunner *oldest = &l->spares[0];

        assert(l->config->spares_max <= SPARES);
        for (size_t i = 0; i < l->config->spares_max; i++)
                if (spare_is_for(&l->spares[i], c))
                        return &l->spares[i];
        for (size_t i = 0; i < l->config->spares_max; i++)
                if (l->spares[i].made < oldest->made)
                        oldest = &l->spares[i];
        return oldest;
}

static void spare_drop(SpareRunners *l, SpareRunner *s)
{
        if (s->container_id[0])
                spawner_drop(l->spawner, s->exec_id);
        *s = (SpareRunner){0};
}

void spare_runners_drop_from(SpareRunners *l, size_t first)
{
        for (size_t i = first; i < SPARES; i++)
                spare_drop(l, &l->spares[i]);
}

static void spare_make(SpareRunners *l, const ContainerInfo *c)
{
        const ExecRequest plain = {.properties = l->config->properties.items,
                                   .n_properties = l->config->properties.n}; /* no user */
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_free_ char *description = NULL;
        SpareRunner *s, made;
        SpawnerExec describe;

        if (l->config->spares_max == 0 || exec_request_runtime_max(&plain) != UINT64_MAX)
                return;
        s = spare_slot(l, c);
        if (spare_is_for(s, c) && spare_is_fresh(s))
                return;
        spare_drop(l, s);
        made = (SpareRunner){
                .leader = c->leader, .leader_start = c->leader_start, .made = now_usec(CLOCK_MONOTONIC)};
        made.until = made.made + l->stay_usec;
        if (strlen(c->id) >= sizeof(made.container_id) || exec_make_id(made.exec_id) < 0 ||
            asprintf(&description, "%s: runner for an exec", c->name) < 0)
                return;
        strcpy(made.container_id, c->id);
        describe = (SpawnerExec){
                .id = made.exec_id,
                .container = c,
                .description = description,
                .request = &plain,
                .caller = (uid_t) -1,
        };
        if (spawner_prepare(l->spawner, &describe, l->stay_usec + SPARE_SLACK_USEC, NULL, NULL, NULL,
                            &refusal) >= 0)
                *s = made;
}

static void spare_arm(SpareRunners *l);

static int spare_on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        SpareRunners *l = userdata;

        for (size_t i = 0; i < SPARES; i++) {
                SpareRequest *w = &l->requests[i];

                if (!w->container || w->due > now)
                        continue;
                spare_make(l, w->container);
                w->container = container_info_unref(w->container);
        }
        spare_arm(l);
        return 0;
}

static void spare_arm(SpareRunners *l)
{
        uint64_t due = UINT64_MAX;

        for (size_t i = 0; i < SPARES; i++)
                if (l->requests[i].container)
                        due = MIN(due, l->requests[i].due);
        if (due == UINT64_MAX)
                return;
        if (!l->timer &&
            sd_event_add_time(l->event, &l->timer, CLOCK_MONOTONIC, due, 1, spare_on_due, l) < 0)
                return;
        (void) sd_event_source_set_time(l->timer, due);
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static SpareRequest *spare_request_for(SpareRunners *l, const ContainerInfo *c)
{
        return ARRAY_FIND(l->requests, SPARES, w,
                          w->container && w->container->leader == c->leader &&
                                  w->container->leader_start == c->leader_start &&
                                  strcmp(w->container->id, c->id) == 0);
}

void spare_runners_request(SpareRunners *l, ContainerInfo *c)
{
        SpareRequest *w =
                spare_request_for(l, c) ? NULL : ARRAY_FIND(l->requests, SPARES, unused, !unused->container);

        if (!w)
                return;
        *w = (SpareRequest){.container = container_info_ref(c),
                            .due = now_usec(CLOCK_MONOTONIC) + SPARE_USEC};
        spare_arm(l);
}

void spare_runners_make_now(SpareRunners *l, const ContainerInfo *c)
{
        SpareRequest *w = spare_request_for(l, c);

        if (!w)
                return;
        w->due = now_usec(CLOCK_MONOTONIC);
        spare_arm(l);
}

SpareRunners *spare_runners_new(sd_event *event, SpawnerLink *spawner, const ManagerConfig *config)
{
        SpareRunners *l;

        assert(event && spawner && config);
        l = calloc(1, sizeof(SpareRunners));
        if (!l)
                return NULL;
        l->event = event;
        l->spawner = spawner;
        l->config = config;
        return l;
}

void spare_runners_set_stay(SpareRunners *l, uint64_t usec)
{
        l->stay_usec = usec;
}

SpareRunners *spare_runners_free(SpareRunners *l)
{
        if (!l)
                return NULL;
        for (size_t i = 0; i < SPARES; i++)
                container_info_unref(l->requests[i].container);
        sd_event_source_disable_unref(l->timer);
        return mfree(l);
}
