/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/hanging.h"

#include "base/fd.h"
#include "base/log.h"
#include "spawner/cgroup.h"
#include "spawner/leftover.h"
#include "wire/exec-id.h"

/* A joiner and a command; a command may have made more. */
#define OF_SCOPE_MAX 4

int hanging_check(const Leader *l, Refusal *reterr)
{
        if (l->n_hanging < HANGING_MAX)
                return 0;
        return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                      "the container does not answer: %u runners hang in its file systems (limit %d)",
                      l->n_hanging, HANGING_MAX);
}

int hanging_count(sd_event *event, pid_t pid, int pidfd, Leader *l)
{
        return leftover_new(event, &(LeftoverOf){.leader = l, .of_leader = &l->n_hanging}, pid, pidfd);
}

typedef struct Scope {
        sd_event *event;
        Leader *leader;
        unsigned n;
} Scope;

static int count_one(pid_t pid, void *userdata)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(pid);
        Scope *s = userdata;
        int r;

        if (pidfd < 0)
                return 0;
        r = hanging_count(s->event, pid, pidfd, s->leader);
        if (r < 0)
                return r;
        TAKE_FD(pidfd);
        s->n++;
        return s->n < OF_SCOPE_MAX ? 0 : -E2BIG;
}

void hanging_count_scope(sd_event *event, pid_t runner, const char *exec_id, Leader *l)
{
        Scope s = {.event = event, .leader = l};
        _cleanup_free_ char *path = NULL;
        char unit[EXEC_UNIT_SIZE];
        int r;

        exec_id_unit(exec_id, unit);
        r = cgroup_of_unit(runner, unit, &path);
        if (r >= 0)
                r = cgroup_foreach_process(path, count_one, &s);
        if (r < 0 && r != -ESRCH && r != -ENOENT && r != -E2BIG)
                log_error_errno(r, "Failed to watch the processes of %s", unit);
}
