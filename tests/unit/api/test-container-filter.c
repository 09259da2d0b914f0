/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/container-filter: which containers pass, and which questions cannot be answered. */

#include "api/container-facts.h"
#include "api/container-filter.h"
#include "unit/core/world.h"

static int passes(const char *query, const ContainerInfo *c, Refusal *reterr)
{
        HttpRequest request = {.target = query};
        HttpExchange x = {.request = &request};
        _cleanup_(container_filter_freep) ContainerFilter *f = NULL;
        ContainerInfo *all[] = {(ContainerInfo *) c};
        struct json_object *facts;
        int r;

        r = container_filter_from_query(&x, &f, reterr);
        if (r >= 0)
                r = container_filter_resolve(f, all, 1, reterr);
        if (r < 0)
                return r;
        facts = container_facts(c);
        r = container_filter_match(f, c, facts, reterr);
        json_object_put(facts);
        return r;
}

static const struct {
        const char *query;
        int result; /* negative: refused */
} rows[] = {
        {"/x", 1},
        {"/x?filters=%7B%22name%22%3A%5B%22we%22%5D%7D", 1},
        {"/x?filters=%7B%22name%22%3A%5B%22nosuch%22%5D%7D", 0},
        {"/x?filters=%7B%22status%22%3A%5B%22running%22%5D%7D", 1},
        {"/x?filters=%7B%22status%22%3A%5B%22paused%22%5D%7D", 0},
        {"/x?filters=%7B%22status%22%3A%5B%22asleep%22%5D%7D", -1},
        {"/x?filters=%7B%22exited%22%3A%5B%220%22%5D%7D", 0},
        {"/x?filters=%7B%22exited%22%3A%5B%22x%22%5D%7D", -1},
        {"/x?filters=%7B%22is-task%22%3A%5B%22false%22%5D%7D", 1},
        {"/x?filters=%7B%22label%22%3A%5B%22org.execd1.kind%3Dmachine%22%5D%7D", 1},
        {"/x?filters=%7B%22label%22%3A%5B%22org.execd1.kind%3Ddocker%22%5D%7D", 0},
        {"/x?filters=%7B%22publish%22%3A%5B%2299999%22%5D%7D", -1},
        {"/x?filters=%7B%22publish%22%3A%5B%2290-80%22%5D%7D", -1},
        {"/x?filters=%7B%22expose%22%3A%5B%2280%2Ftcp%22%5D%7D", 0},
        {"/x?filters=%7B%22before%22%3A%5B%22nosuch%22%5D%7D", -1},
        {"/x?filters=%7B%22before%22%3A%5B%22web%22%5D%7D", 0},
        {"/x?filters=%7B%22since%22%3A%5B%22web%22%5D%7D", 0},
        {"/x?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D", -1},
};

static void test_ids(const World *w)
{
        const char *id = w->container->id;
        char query[128];

        for (size_t first = 0; first < 3; first++)
                for (size_t length = 1; length < 5; length++) {
                        Refusal refusal = REFUSAL_INIT;
                        bool begins = strncmp(id, id + first, length) == 0;

                        snprintf(query, sizeof(query),
                                 "/x?filters=%%7B%%22id%%22%%3A%%5B%%22%.*s%%22%%5D%%7D", (int) length,
                                 id + first);
                        CHECK_ROW(query, passes(query, w->container, &refusal) == begins);
                        refusal_done(&refusal);
                }
}

/* As Docker does, which takes an ambiguous one for none. */
static void test_ambiguous_ids(const World *w, ContainerInfo *other)
{
        HttpRequest request = {.target = "/x?filters=%7B%22id%22%3A%5B%22aa%22%2C%22aab%22%5D%7D"};
        HttpExchange x = {.request = &request};
        _cleanup_(container_filter_freep) ContainerFilter *f = NULL;
        Refusal refusal = REFUSAL_INIT;
        ContainerInfo *all[] = {w->container, other};
        struct json_object *facts = container_facts(other);

        free(w->container->id);
        free(other->id);
        w->container->id = strdup("aaa111");
        other->id = strdup("aab222");
        NEED(container_filter_from_query(&x, &f, &refusal) >= 0 &&
             container_filter_resolve(f, all, 2, &refusal) >= 0);
        CHECK(container_filter_match(f, all[0], facts, &refusal) == 0);
        CHECK(container_filter_match(f, all[1], facts, &refusal) == 1);
        json_object_put(facts);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        _cleanup_(container_info_unrefp) ContainerInfo *podman = world_container(w, "pod", 7);
        Refusal refusal = REFUSAL_INIT;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int r = passes(rows[i].query, w->container, &refusal);

                CHECK_ROW(rows[i].query, MAX(r, -1) == rows[i].result);
                CHECK_ROW(rows[i].query, (r < 0) == (refusal.kind != REFUSAL_NONE));
                refusal_done(&refusal);
                refusal = REFUSAL_INIT;
        }
        test_ids(w);
        test_ambiguous_ids(w, podman);
        /* Labels that could not be read neither match nor exclude. */
        free(podman->kind);
        podman->kind = strdup("podman");
        CHECK(passes("/x?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D", podman, &refusal) < 0);
        CHECK(refusal.kind == REFUSAL_UNSUPPORTED);
        refusal_done(&refusal);
        return test_finish("container-filter");
}
