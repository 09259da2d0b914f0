/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The leader as template of an exec: what it has now, and no more than its container had when it was found.
 */

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "spawner/leader-memory.h"
#include "spawner/leader-picture.h"
#include "spawner/leader.h"
#include "spawner/seccomp-filters.h"

#define TEXT_MAX      (16 * 1024)
#define SUID_DUMPABLE "/proc/sys/fs/suid_dumpable"

static int fill_ids(const LeaderFacts *now, RunnerSpec *spec)
{
        IdMapping map[PROC_MAPPINGS_MAX];
        int n;

        n = leader_facts_uid_map(now, map);
        if (n < 0)
                return n;
        spec->leader_uid = id_map_to_inside(map, (size_t) n, now->status.uid);
        n = leader_facts_gid_map(now, map);
        if (n < 0)
                return n;
        spec->leader_gid = id_map_to_inside(map, (size_t) n, now->status.gid);
        spec->setgroups_denied = now->setgroups_denied;
        return 0;
}

static int fill_limits(const Leader *l, const ProcStat *stat, RunnerSpec *spec)
{
        _cleanup_free_ char *limits = NULL, *oom = NULL;
        int r;

        r = file_read_at(l->proc_fd, "limits", TEXT_MAX, &limits, NULL);
        if (r >= 0)
                r = proc_limits_parse(limits, spec->rlimits);
        if (r >= 0)
                r = file_read_at(l->proc_fd, "oom_score_adj", TEXT_MAX, &oom, NULL);
        if (r < 0)
                return r;
        spec->rlimits_set = true;
        spec->oom_score_adj = atoi(oom);
        spec->nice = stat->nice;
        spec->sched_policy = stat->policy;
        spec->sched_priority =
                stat->policy == SCHED_FIFO || stat->policy == SCHED_RR ? stat->rt_priority : 0;
        /* A deadline is the leader's own: another process cannot have the same. */
        if (stat->policy != SCHED_FIFO && stat->policy != SCHED_RR && stat->policy != SCHED_BATCH &&
            stat->policy != SCHED_IDLE)
                spec->sched_policy = SCHED_OTHER;
        return 0;
}

static int fill_filters(Leader *l, const ProcStatus *status, RunnerSpec *spec, Refusal *reterr)
{
        uint32_t n = status->seccomp_filters;
        int r;

        if (status->seccomp_mode == 0)
                return 0;
        if (status->seccomp_mode != 2 || n == UINT32_MAX)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "the seccomp mode of the container cannot be copied");

        r = filters_need(l, n, reterr);
        if (r < 0)
                return r;
        spec->filters = calloc(n, sizeof(RunnerFilter));
        if (!spec->filters)
                return -ENOMEM;
        memcpy(spec->filters, l->filters->items, n * sizeof(RunnerFilter));
        spec->n_filters = n;
        return 0;
}

/* Setting a filter without no_new_privs needs CAP_SYS_ADMIN in a process that the container can see. One of
 * the container's that may trace it could take that over, unless it has it anyway or the kernel keeps it
 * away. */
static bool filters_would_leak(const LeaderFacts *now, const RunnerSpec *spec)
{
        return spec->n_filters > 0 && !spec->no_new_privs &&
               (now->status.cap_bounding & (UINT64_C(1) << 19 /* SYS_PTRACE */)) &&
               !(now->status.cap_bounding & (UINT64_C(1) << 21 /* SYS_ADMIN */)) && !spec->label &&
               now->namespaces.inode[NS_USER] == namespaces_own()->inode[NS_USER];
}

/* The sets of now, without what has come since the container was found. */
static void fill_capabilities(const ProcStatus *found, const ProcStatus *now, RunnerSpec *spec)
{
        spec->cap_bounding = now->cap_bounding & found->cap_bounding;
        spec->cap_effective = now->cap_effective & found->cap_bounding;
        spec->cap_permitted = now->cap_permitted & found->cap_bounding;
        spec->cap_ambient = now->cap_ambient & found->cap_ambient;
        spec->no_new_privs = now->no_new_privs;
}

/* With this set to 1, a process that has changed its user may be traced by all others of that user. In a PID
 * namespace of its own a container sees nothing of a command before it is what it is to be; a service may see
 * all processes of the host. */
static int check_untraceable(Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        uint64_t value = 0;
        int r = file_read_at(AT_FDCWD, SUID_DUMPABLE, 16, &text, NULL);

        if (r >= 0)
                r = proc_number_parse(text, 10, UINT32_MAX, &value);
        if (r < 0)
                return r;
        if (value != 1)
                return 0;
        return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                      "the sysctl fs.suid_dumpable is 1: the service could trace a command before it is "
                      "confined");
}

/* A main process is of a user of its own, and its root directory may differ from the root of its mount namespace. */
static int fill_service(const Leader *l, const LeaderFacts *now, RunnerSpec *spec, Refusal *reterr)
{
        IdMapping map[PROC_MAPPINGS_MAX];
        int n;

        if (!leader_is_service(l))
                return 0;
        n = check_untraceable(reterr);
        if (n < 0)
                return n;
        n = leader_facts_uid_map(now, map);
        if (n < 0)
                return n;
        spec->service = true;
        spec->host_root_uid = id_map_to_inside(map, (size_t) n, 0);
        spec->leader_groups = calloc(now->n_groups + 1, sizeof(*spec->leader_groups));
        if (!spec->leader_groups)
                return -ENOMEM;
        if (now->n_groups > 0)
                memcpy(spec->leader_groups, now->groups, now->n_groups * sizeof(*now->groups));
        spec->n_leader_groups = (uint32_t) now->n_groups;
        return 0;
}

static int fill_from_picture(Leader *l, RunnerSpec *spec, Refusal *reterr)
{
        LeaderFacts *now = &l->picture->facts;
        int r;

        r = fill_ids(now, spec);
        if (r >= 0)
                r = fill_limits(l, &l->picture->stat, spec);
        if (r < 0)
                return r;
        spec->namespaces = namespaces_to_join(&now->namespaces);
        spec->label = TAKE_PTR(now->label);
        spec->apparmor = TAKE_PTR(now->apparmor);
        fill_capabilities(&l->found.status, &now->status, spec);
        /* An init system has none of its own and gives what it starts the usual one; so do we. */
        spec->umask = leader_is_service(l) ? now->status.umask : now->status.umask ?: 0022;
        spec->check_root = l->is_machine;
        spec->leader_pid = (uint32_t) l->pid;
        r = fill_service(l, now, spec, reterr);
        if (r < 0)
                return r;

        r = fill_filters(l, &now->status, spec, reterr);
        if (r < 0)
                return r;
        if (filters_would_leak(now, spec))
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "the container has CAP_SYS_PTRACE without CAP_SYS_ADMIN: its seccomp filters "
                              "cannot be copied safely");
        return 0;
}

/* Facts of the leader that are read without waiting: they are not in the picture. */
int leader_fill_spec(Leader *l, RunnerSpec *spec, NamespaceSet **ret_namespaces, Refusal *reterr)
{
        LeaderPicture *p = l->picture;
        int r = p ? p->error : -EINVAL;

        if (r < 0 && p && p->refusal.kind != REFUSAL_NONE)
                r = refuse(reterr, p->refusal.kind, -r, "%s", p->refusal.message ?: "");
        if (r >= 0)
                r = leader_facts_compare(&l->found, &p->facts, reterr);
        if (r >= 0 && leader_is_service(l))
                r = leader_facts_compare_user(&l->found, &p->facts, reterr);
        if (r >= 0)
                r = leader_check_cgroup(l, reterr);
        if (r >= 0)
                r = fill_from_picture(l, spec, reterr);
        /* The data belongs to the leader only if the leader still lives. */
        if (!leader_is_alive(l))
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        if (r < 0)
                return leader_explain(l, r, reterr);
        if (!l->namespaces)
                l->namespaces = namespace_set_ref(p->namespaces);
        *ret_namespaces = TAKE_PTR(p->namespaces);
        return 0;
}

static int read_number(const Leader *l, const char *name, int base, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(l->proc_fd, name, TEXT_MAX, &text, NULL);

        return r < 0 ? r : proc_number_parse(text, base, UINT32_MAX, ret);
}

/* As it was when the container was found: the kernel says it only when the leader is not in execve(2). */
static int fill_personality(Leader *l, RunnerSpec *spec, Refusal *reterr)
{
        int r = leader_memory_need(&l, 1);

        if (r < 0)
                return r;
        spec->personality = l->personality;
        if (l->is_memory_known || !leader_is_alive(l))
                return 0;
        return refuse(reterr, REFUSAL_UNAVAILABLE, l->memory_error,
                      "failed to read the container's personality: %s", strerrordesc_np(-l->memory_error));
}

int leader_fill_inherited(Leader *l, RunnerSpec *spec, Refusal *reterr)
{
        long ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, l->pid);
        uint64_t coredump_filter = 0;
        int r = ioprio < 0 && errno != ENOSYS ? -errno : 0;

        if (r >= 0)
                r = read_number(l, "coredump_filter", 16, &coredump_filter);
        if (r == -ENOENT) { /* a kernel that dumps nothing */
                coredump_filter = RUNNER_NO_COREDUMP_FILTER;
                r = 0;
        }
        if (r >= 0)
                r = fill_personality(l, spec, reterr);
        if (r == -EINPROGRESS)
                return r;
        /* By its number: it was the leader's if that one still lives. One that is about to be a zombie has
         * no memory to dump, and the file is empty. */
        if (!leader_is_alive(l) || r == -EBADMSG || r == -ESRCH)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        if (r < 0 && reterr->kind != REFUSAL_NONE)
                return r;
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r,
                              "failed to read the container's I/O priority and core filter: %s",
                              strerrordesc_np(-r));
        spec->ioprio = ioprio < 0 ? 0 : (uint32_t) ioprio;
        spec->coredump_filter = (uint32_t) coredump_filter;
        return 0;
}
