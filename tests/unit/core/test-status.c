/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/status: the line in the output of systemctl status. */

#include "core/status.h"
#include "unit/core/world.h"

static void add(World *w, ContainerInfo *c)
{
        Exec *e;

        NEED(exec_new(&w->manager.exec_env, c, w->root, world_request("true", NULL), NULL, &e) >= 0);
        manager_link_exec(&w->manager, e);
        exec_unref(e);
}

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        _cleanup_(container_info_unrefp) ContainerInfo *other = world_container(w, "other", 8);
        Manager *m = &w->manager;
        char text[STATUS_SIZE];

        CHECK_TEXT("nothing", status_describe(m, text), "Idle.");
        add(w, w->container);
        CHECK_TEXT("one", status_describe(m, text), "1 exec in 1 container, 0 HTTP connections.");
        add(w, w->container);
        add(w, other);
        CHECK_TEXT("three", status_describe(m, text), "3 execs in 2 containers, 0 HTTP connections.");
        m->connections_budget.used = 1;
        CHECK_TEXT("a client", status_describe(m, text), "3 execs in 2 containers, 1 HTTP connection.");
        m->connections_budget.used = 0;
        return test_finish("status");
}
