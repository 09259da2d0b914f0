/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fd.h"
#include "spawner/container-table.h"
#include "unit/child.h"

/* A container around a child of ours. */
static inline Container *make_container(const char *kind, const char *id, const char *name, pid_t *ret_pid)
{
        Container *c = calloc(1, sizeof(*c));

        NEED(c);
        *ret_pid = start_child();
        c->n_ref = 1;
        c->events_fd = -EBADF;
        memcpy(c->id, id, strlen(id) + 1);
        c->kind = kind;
        c->name = strdup(name);
        c->leader = calloc(1, sizeof(Leader));
        NEED(c->name && c->leader);
        *c->leader =
                (Leader){.n_ref = 1, .pid = *ret_pid, .pidfd = pidfd_open_pid(*ret_pid), .proc_fd = -EBADF};
        NEED(c->leader->pidfd >= 0);
        return c;
}
