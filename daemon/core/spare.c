/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/spare.h"

#include <stdio.h>
#include <string.h>

#include "core/manager.h"

/* The spawner keeps a parked runner for a minute; an older one is not counted on. */
#define SPARE_USEC_MAX (50 * USEC_PER_SEC)

static bool spare_is_for(const Spare *s, const Container *c)
{
        return s->container_id[0] && strcmp(s->container_id, c->id) == 0 && s->leader == c->leader &&
               s->leader_start == c->leader_start;
}

static bool spare_is_fresh(const Spare *s)
{
        return s->container_id[0] && now_usec(CLOCK_MONOTONIC) < s->made + SPARE_USEC_MAX;
}

bool spare_take(Manager *m, const Container *c, char ret_id[static EXEC_ID_SIZE])
{
        for (size_t i = 0; i < SPARES; i++) {
                Spare *s = &m->spares[i];
                bool fresh;

                if (!spare_is_for(s, c))
                        continue;
                fresh = spare_is_fresh(s);
                memcpy(ret_id, s->exec_id, EXEC_ID_SIZE);
                *s = (Spare){0};
                return fresh;
        }
        return false;
}

bool spare_fits(const Manager *m, const ExecRequest *request)
{
        const ScopePropertyList wanted = {.items = request->properties, .n = request->n_properties};

        return exec_request_runtime_max(request) == UINT64_MAX &&
               scope_property_lists_equal(&wanted, &m->config.properties);
}

/* The slot of this container, a free one, or the oldest. */
static Spare *spare_slot(Manager *m, const Container *c)
{
        Spare *oldest = &m->spares[0];

        for (size_t i = 0; i < m->config.spares_max; i++)
                if (spare_is_for(&m->spares[i], c))
                        return &m->spares[i];
        for (size_t i = 0; i < m->config.spares_max; i++)
                if (m->spares[i].made < oldest->made)
                        oldest = &m->spares[i];
        return oldest;
}

static void spare_drop(Manager *m, Spare *s)
{
        if (s->container_id[0])
                spawner_drop(m->spawner, s->exec_id);
        *s = (Spare){0};
}

void spare_drop_from(Manager *m, size_t first)
{
        for (size_t i = first; i < SPARES; i++)
                spare_drop(m, &m->spares[i]);
}

void spare_want(Manager *m, const Container *c)
{
        const ExecRequest plain = {.properties = m->config.properties.items,
                                   .n_properties = m->config.properties.n}; /* no user */
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_free_ char *description = NULL;
        Spare *s, made;
        SpawnerExec describe;

        if (m->config.spares_max == 0 || exec_request_runtime_max(&plain) != UINT64_MAX)
                return;
        s = spare_slot(m, c);
        if (spare_is_for(s, c) && spare_is_fresh(s))
                return;
        spare_drop(m, s);
        made = (Spare){
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
