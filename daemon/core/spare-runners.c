/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/spare-runners.h"

#include <stdio.h>
#include <string.h>

#include "core/manager.h"

/* The spawner keeps a parked runner for a minute; an older one is not counted on. */
#define SPARE_USEC_MAX (50 * USEC_PER_SEC)

static bool spare_is_for(const SpareRunner *s, const ContainerInfo *c)
{
        return s->container_id[0] && strcmp(s->container_id, c->id) == 0 && s->leader == c->leader &&
               s->leader_start == c->leader_start;
}

static bool spare_is_fresh(const SpareRunner *s)
{
        return s->container_id[0] && now_usec(CLOCK_MONOTONIC) < s->made + SPARE_USEC_MAX;
}

bool spare_runners_take(Manager *m, const ContainerInfo *c, char ret_id[static EXEC_ID_SIZE])
{
        for (size_t i = 0; i < SPARES; i++) {
                SpareRunner *s = &m->spares[i];
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

bool spare_runners_is_suitable(const Manager *m, const ExecRequest *request)
{
        const ScopePropertyList wanted = {.items = request->properties, .n = request->n_properties};

        return exec_request_runtime_max(request) == UINT64_MAX &&
               scope_property_lists_equal(&wanted, &m->config.properties);
}

/* The slot of this container, a free one, or the oldest. */
static SpareRunner *spare_slot(Manager *m, const ContainerInfo *c)
{
        SpareRunner *oldest = &m->spares[0];

        for (size_t i = 0; i < m->config.spares_max; i++)
                if (spare_is_for(&m->spares[i], c))
                        return &m->spares[i];
        for (size_t i = 0; i < m->config.spares_max; i++)
                if (m->spares[i].made < oldest->made)
                        oldest = &m->spares[i];
        return oldest;
}

static void spare_drop(Manager *m, SpareRunner *s)
{
        if (s->container_id[0])
                spawner_drop(m->spawner, s->exec_id);
        *s = (SpareRunner){0};
}

void spare_runners_drop_from(Manager *m, size_t first)
{
        for (size_t i = first; i < SPARES; i++)
                spare_drop(m, &m->spares[i]);
}

static void spare_make(Manager *m, const ContainerInfo *c)
{
        const ExecRequest plain = {.properties = m->config.properties.items,
                                   .n_properties = m->config.properties.n}; /* no user */
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_free_ char *description = NULL;
        SpareRunner *s, made;
        SpawnerExec describe;

        if (m->config.spares_max == 0 || exec_request_runtime_max(&plain) != UINT64_MAX)
                return;
        s = spare_slot(m, c);
        if (spare_is_for(s, c) && spare_is_fresh(s))
                return;
        spare_drop(m, s);
        made = (SpareRunner){
                .leader = c->leader, .leader_start = c->leader_start, .made = now_usec(CLOCK_MONOTONIC)};
        if (strlen(c->id) >= sizeof(made.container_id) || exec_make_id(made.exec_id) < 0 ||
            asprintf(&description, "%s: ready for the next exec", c->name) < 0)
                return;
        strcpy(made.container_id, c->id);
        describe = (SpawnerExec){
                .id = made.exec_id, .container = c, .description = description, .request = &plain};
        if (spawner_prepare(m->spawner, &describe, true, NULL, NULL, NULL, &refusal) >= 0)
                *s = made;
}

static void spare_arm(Manager *m);

static int spare_on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        Manager *m = userdata;

        for (size_t i = 0; i < SPARES; i++) {
                SpareRequest *w = &m->spare_requests[i];

                if (!w->container || w->due > now)
                        continue;
                spare_make(m, w->container);
                w->container = container_info_unref(w->container);
        }
        spare_arm(m);
        return 0;
}

static void spare_arm(Manager *m)
{
        uint64_t due = UINT64_MAX;

        for (size_t i = 0; i < SPARES; i++)
                if (m->spare_requests[i].container)
                        due = MIN(due, m->spare_requests[i].due);
        if (due == UINT64_MAX)
                return;
        if (!m->spare_timer &&
            sd_event_add_time(m->event, &m->spare_timer, CLOCK_MONOTONIC, due, 1, spare_on_due, m) < 0)
                return;
        (void) sd_event_source_set_time(m->spare_timer, due);
        (void) sd_event_source_set_enabled(m->spare_timer, SD_EVENT_ONESHOT);
}

static bool is_same_container(const ContainerInfo *a, const ContainerInfo *b)
{
        return a->leader == b->leader && a->leader_start == b->leader_start && strcmp(a->id, b->id) == 0;
}

static SpareRequest *spare_request_for(Manager *m, const ContainerInfo *c)
{
        for (size_t i = 0; i < SPARES; i++) {
                SpareRequest *w = &m->spare_requests[i];

                if (w->container && is_same_container(w->container, c))
                        return w;
        }
        return NULL;
}

static SpareRequest *spare_request_free_slot(Manager *m)
{
        for (size_t i = 0; i < SPARES; i++)
                if (!m->spare_requests[i].container)
                        return &m->spare_requests[i];
        return NULL;
}

void spare_runners_request(Manager *m, ContainerInfo *c)
{
        SpareRequest *w = spare_request_for(m, c) ? NULL : spare_request_free_slot(m);

        if (!w)
                return;
        *w = (SpareRequest){.container = container_info_ref(c),
                            .due = now_usec(CLOCK_MONOTONIC) + SPARE_USEC};
        spare_arm(m);
}

void spare_runners_make_now(Manager *m, const ContainerInfo *c)
{
        SpareRequest *w = spare_request_for(m, c);

        if (!w)
                return;
        w->due = now_usec(CLOCK_MONOTONIC);
        spare_arm(m);
}

void spare_runners_done(Manager *m)
{
        for (size_t i = 0; i < SPARES; i++)
                m->spare_requests[i].container = container_info_unref(m->spare_requests[i].container);
        m->spare_timer = sd_event_source_disable_unref(m->spare_timer);
}
