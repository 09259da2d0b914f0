/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/hanging.h"

#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "spawner/cgroup.h"
#include "spawner/leftover.h"
#include "wire/exec-id.h"

/* A joiner and a command; a command may have made more. */
#define OF_SCOPE_MAX 4

/* How many hang for a user. It stays for the next user when there are none. */
typedef struct Caller {
        ListNode node;
        uid_t uid;
        unsigned n;
} Caller;

static List callers;

static Caller *find_caller(uid_t uid)
{
        return LIST_FIND(Caller, c, &callers, node, c->uid == uid && c->n > 0);
}

static Caller *get_caller(uid_t uid)
{
        Caller *c = find_caller(uid) ?: LIST_FIND(Caller, unused, &callers, node, unused->n == 0);

        if (!c) {
                c = calloc(1, sizeof(*c));
                if (!c)
                        return NULL;
                list_append(&callers, &c->node);
        }
        c->uid = uid;
        return c;
}

int hanging_check(const Leader *l, uid_t caller, Refusal *reterr)
{
        const Caller *c = caller == 0 ? NULL : find_caller(caller);

        if (l->n_hanging >= HANGING_MAX)
                return refuse(
                        reterr, REFUSAL_UNAVAILABLE, EBUSY,
                        "the container does not answer: %u runners hang in its file systems (limit %d)",
                        l->n_hanging, HANGING_MAX);
        if (!c || c->n < HANGING_CALLER_MAX)
                return 0;
        return refuse(
                reterr, REFUSAL_UNAVAILABLE, EBUSY,
                "containers do not answer: %u runners for uid %u hang in their file systems (limit %d)",
                c->n, (unsigned) caller, HANGING_CALLER_MAX);
}

int hanging_count(sd_event *event, pid_t pid, int pidfd, Leader *l, uid_t caller)
{
        Caller *c = get_caller(caller);

        if (!c)
                return -ENOMEM;
        return leftover_new(event,
                            &(LeftoverOf){.leader = l, .of_leader = &l->n_hanging, .of_caller = &c->n}, pid,
                            pidfd);
}

typedef struct Scope {
        sd_event *event;
        Leader *leader;
        uid_t caller;
        unsigned n;
} Scope;

static int count_one(pid_t pid, void *userdata)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(pid);
        Scope *s = userdata;
        int r;

        if (pidfd < 0)
                return 0;
        r = hanging_count(s->event, pid, pidfd, s->leader, s->caller);
        if (r < 0)
                return r;
        TAKE_FD(pidfd);
        s->n++;
        return s->n < OF_SCOPE_MAX ? 0 : -E2BIG;
}

void hanging_count_scope(sd_event *event, pid_t runner, const char *exec_id, Leader *l, uid_t caller)
{
        Scope s = {.event = event, .leader = l, .caller = caller};
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
