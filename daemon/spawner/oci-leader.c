/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/oci-leader.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "spawner/leader-look.h"
#include "spawner/proc-parse.h"

#define STAT_MAX  4096
#define RUNC_INIT "runc:["

typedef struct Pending {
        ListNode node;
        OciLeaders *all; /* weak */
        const OciPlace *place;
        char *id;
        pid_t pid; /* as in the state file when the look began */
        uint64_t start_time;
        LeaderLook look;
        bool is_slow; /* it keeps us waiting, and no round waits for it */
        bool is_done;
        Leader *leader; /* owned reference; found by the look */
        int error;
        Refusal refusal;
} Pending;

static void pending_free(Pending *p)
{
        list_remove(&p->all->pending, &p->node);
        leader_look_cancel(&p->look);
        leader_unref(p->leader);
        refusal_done(&p->refusal);
        free(p->id);
        free(p);
}

/* Before a container runs its own program, its first process is the runtime's program, which takes on the
 * confinement piece by piece: crun's has executed nothing since it was forked, runc's says by its name what
 * it is. Both wait until the fifo is taken away. The name changes halfway through execve(2), before the label
 * does: to read the personality takes a lock of the kernel's that is held until the end. */
static int check_executed(const Leader *l, int dir_fd, uint64_t start_time, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL, *personality = NULL;
        ProcStat stat;
        int r;

        if (l->start_time != start_time)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        if (faccessat(dir_fd, "exec.fifo", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        r = file_read_at(l->proc_fd, "stat", STAT_MAX, &text, NULL);
        if (r >= 0)
                r = proc_stat_parse(text, &stat);
        if (r < 0)
                return r;
        if (stat.unexecuted || strncmp(stat.comm, RUNC_INIT, strlen(RUNC_INIT)) == 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        return file_read_at(l->proc_fd, "personality", STAT_MAX, &personality, NULL);
}

/* A container may make control groups below its own, and be in one of them. */
static int check_cgroup(const Leader *l, const OciState *state, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        size_t n;
        int r;

        r = leader_cgroup(l, &path);
        if (r == -ENODATA)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "it is not in a unified control group");
        if (r < 0 || !state->cgroup)
                return r;
        n = strlen(state->cgroup);
        if (strncmp(path, state->cgroup, n) != 0 || (path[n] && path[n] != '/'))
                return refuse(reterr, REFUSAL_DENIED, EPERM,
                              "its first process is in the control group %s, and not in %s", path,
                              state->cgroup);
        return 0;
}

/* The next look at the container takes the result, if the container still exists. */
static void on_leader(void *userdata, Leader *leader, int error, Refusal *refusal)
{
        Pending *p = userdata;
        OciLeaders *all = p->all;
        _cleanup_free_ char *id = strdup(p->id); /* it outlives what is looked at */

        p->is_done = true;
        p->leader = leader_ref(leader);
        p->error = error;
        p->refusal = *refusal;
        *refusal = REFUSAL_INIT;
        all->looked_at = p;
        if (id)
                all->on_looked(all->userdata, p->place, id, p->is_slow);
        if (all->looked_at)
                pending_free(p);
        all->looked_at = NULL;
        all->on_settled(all->userdata);
}

static void on_slow(void *userdata)
{
        Pending *p = userdata;
        OciLeaders *all = p->all;

        p->is_slow = true;
        all->on_looked(all->userdata, p->place, p->id, false);
        all->on_settled(all->userdata);
}

static int pending_new(OciLeaders *all, const OciPlace *place, const char *id, const OciState *state,
                       int dir_fd, Refusal *reterr)
{
        Pending *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        *p = (Pending){
                .all = all,
                .place = place,
                .id = strdup(id),
                .pid = state->pid,
                .start_time = state->start_time,
                .look = {.on_found = on_leader, .on_slow = on_slow, .userdata = p},
        };
        list_append(&all->pending, &p->node);
        r = p->id ? leader_look_start(&p->look,
                                      &(LeaderQuery){
                                              .kind = LEADER_CONTAINER,
                                              .pid = state->pid,
                                              .check = {check_executed, dir_fd, state->start_time},
                                      },
                                      reterr)
                  : -ENOMEM;
        if (r < 0)
                pending_free(p);
        return r < 0 ? r : -EINPROGRESS;
}

static int pending_take(Pending *p, Leader **ret, Refusal *reterr)
{
        int r = p->error;

        if (!p->is_done)
                return p->is_slow ? leader_look_refuse_slow(reterr) : -EINPROGRESS;
        *ret = TAKE_PTR(p->leader);
        *reterr = p->refusal;
        p->refusal = REFUSAL_INIT;
        if (p->all->looked_at == p)
                p->all->looked_at = NULL;
        pending_free(p);
        return r;
}

int oci_leader_open(OciLeaders *all, const OciPlace *place, const char *id, const OciState *state,
                    int dir_fd, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *l = NULL;
        Pending *p = LIST_FIND(Pending, known, &all->pending, node,
                               known->place == place && strcmp(known->id, id) == 0);
        int r;

        if (p && (p->pid != state->pid || p->start_time != state->start_time)) {
                if (p == all->looked_at)
                        return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is changing");
                pending_free(p);
                p = NULL;
        }
        r = p ? pending_take(p, &l, reterr) : pending_new(all, place, id, state, dir_fd, reterr);
        if (r == -ESRCH && reterr->kind == REFUSAL_NONE)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        if (r >= 0)
                r = check_cgroup(l, state, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

bool oci_leaders_are_waited_for(const OciLeaders *all)
{
        return LIST_FIND(const Pending, p, &all->pending, node, !p->is_slow);
}

void oci_leaders_done(OciLeaders *all)
{
        LIST_FOREACH (Pending, p, &all->pending, node)
                pending_free(p);
}
