/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawner/container-table.h"
#include "unit/need.h"

/* A container around a child of ours. */
static inline Container *make_container(const char *kind, const char *id, const char *name, pid_t *ret_pid)
{
        Container *c = calloc(1, sizeof(*c));
        pid_t parent;

        NEED(c);
        parent = getpid();
        *ret_pid = fork();
        NEED(*ret_pid >= 0);
        if (*ret_pid == 0) {
                /* Otherwise it would hold the output of a test that has failed. */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (getppid() == parent)
                        pause();
                _exit(0);
        }
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

static inline void end_child(pid_t pid)
{
        kill(pid, SIGKILL);
        NEED(waitpid(pid, NULL, 0) == pid);
}
