/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The runner follows its order, but after the first seccomp filter the container decides what system calls
 * return, and could deceive the runner. Therefore the command is compared from outside, as the kernel
 * describes it, with the container as it was found, and not with the order. The command already runs, and may
 * have given up more than it was given (a namespace of its own, another filter): that is no mismatch. The
 * runner keeps a command that has ended until it was compared; all but its namespaces can still be read.
 */

#include "spawner/verify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/process-state.h"
#include "spawner/facts-image.h"

#define TEXT_MAX (64 * 1024)

static int mismatch(Refusal *reterr, const char *what)
{
        return refuse(reterr, REFUSAL_INTERNAL, EPERM,
                      "the command did not get the container's %s, and was ended", what);
}

/* Always, also of a command that has ended. Says whether it has made a user namespace of its own by now,
 * which is then one below the container's. */
static int check_user_namespace(int proc_fd, uint64_t found, bool *ret_left, Refusal *reterr)
{
        _cleanup_close_ int fd = -EBADF;
        uint64_t now;
        int r;

        r = namespace_read_number(proc_fd, NS_USER, &now);
        if (r < 0)
                return r;
        *ret_left = now != found;
        if (!*ret_left)
                return 0;
        fd = openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = user_namespace_is_within(fd, found);
        return r == 0 ? mismatch(reterr, "user namespace") : MIN(r, 0);
}

/* One that the command has made since is owned by the container's user namespace or one below. A namespace
 * of the host never is. */
static int check_made_since(int fd, uint64_t now, uint64_t found, NamespaceType t)
{
        _cleanup_close_ int owner = -EBADF;

        if (now == namespaces_own()->inode[t] || now == namespaces_host()->inode[t])
                return 0;
        owner = namespace_owner(fd);
        if (owner < 0)
                return owner == -EPERM ? 0 : owner;
        return user_namespace_is_within(owner, found);
}

static int check_namespaces(int proc_fd, const Namespaces *found, Refusal *reterr)
{
        _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT;
        uint64_t numbers[_NS_MAX];
        Namespaces now;
        int r;

        r = namespaces_read_numbers(proc_fd, numbers);
        if (r < 0 || memcmp(numbers, found->inode, sizeof(numbers)) == 0)
                return r;
        r = namespaces_open(proc_fd, &fds, &now);
        for (NamespaceType t = 0; r >= 0 && t < _NS_MAX; t++) {
                char what[64];

                if (t == NS_USER || now.inode[t] == found->inode[t])
                        continue;
                r = check_made_since(fds.fds[t], now.inode[t], found->inode[NS_USER], t);
                snprintf(what, sizeof(what), "%s namespace", namespace_title(t));
                if (r == 0)
                        return mismatch(reterr, what);
        }
        return MIN(r, 0);
}

/* All sets, against the bounding set: a program with capabilities of its own may raise any of them so far.
 */
static int check_capabilities(const ProcStatus *s, const ProcStatus *found, const RunnerSpec *spec,
                              Refusal *reterr)
{
        uint64_t all = s->cap_bounding | s->cap_permitted | s->cap_effective | s->cap_inheritable |
                       s->cap_ambient,
                 allowed = found->cap_bounding & spec->cap_bounding;

        if (spec->privileged)
                allowed |= spec->cap_privileged;
        return all & ~allowed ? mismatch(reterr, "capabilities") : 0;
}

static int check_status(const ProcStatus *s, const ProcStatus *found, const RunnerSpec *spec,
                        Refusal *reterr)
{
        uint32_t filters = spec->n_filters;

        if (found->seccomp_mode == 2)
                filters = MAX(filters, found->seccomp_filters);
        if ((found->no_new_privs || spec->no_new_privs) && !s->no_new_privs)
                return mismatch(reterr, "no_new_privs");
        if (filters > 0 && (s->seccomp_mode != 2 || s->seccomp_filters < filters))
                return mismatch(reterr, "seccomp filters");
        return 0;
}

/* The groups of a service's main process need not be mapped in its user namespace. */
static int check_ids(const char *status, const LeaderFacts *found, bool with_groups, Refusal *reterr)
{
        IdMapping uids[PROC_MAPPINGS_MAX], gids[PROC_MAPPINGS_MAX];
        int n_uids, n_gids;

        n_uids = leader_facts_uid_map(found, uids);
        n_gids = leader_facts_gid_map(found, gids);
        if (n_uids < 0 || n_gids < 0)
                return MIN(n_uids, n_gids);
        if (!proc_status_ids_are_mapped(status, uids, (size_t) n_uids, gids, (size_t) n_gids, with_groups))
                return mismatch(reterr, "user and groups");
        return 0;
}

static int check_labels(int proc_fd, const LeaderFacts *found, Refusal *reterr)
{
        _cleanup_free_ char *label = NULL, *profile = NULL;
        int r;

        if (found->label) {
                r = process_read_label(proc_fd, &label);
                if (r < 0)
                        return r;
                if (!label || strcmp(label, found->label) != 0)
                        return mismatch(reterr, "security label");
        }
        if (found->apparmor) {
                r = process_read_apparmor(proc_fd, &profile);
                if (r < 0)
                        return r;
                if (!profile || strcmp(profile, found->apparmor) != 0)
                        return mismatch(reterr, "AppArmor profile");
        }
        return 0;
}

static bool read_stat(int proc_fd, ProcStat *ret)
{
        _cleanup_free_ char *text = NULL;

        return file_read_at(proc_fd, "stat", TEXT_MAX, &text, NULL) >= 0 && proc_stat_parse(text, ret) >= 0;
}

static bool has_ended(int proc_fd)
{
        ProcStat stat;

        return !read_stat(proc_fd, &stat) || stat.exiting;
}

/* execve(2) has failed so late that the command could only say so and end. It still has the rights of its
 * set-up, but is on its way out of the kernel and has never run anything: according to
 * the kernel, since a report of the command itself might be the container's. */
static bool has_ended_unexecuted(int proc_fd)
{
        ProcStat stat;

        return read_stat(proc_fd, &stat) && stat.exiting && stat.unexecuted && stat.threads <= 1;
}

static int read_status(int proc_fd, char **ret_text, ProcStatus *ret)
{
        int r = file_read_at(proc_fd, "status", PROCESS_STATUS_MAX, ret_text, NULL);

        return r < 0 ? r : proc_status_parse(*ret_text, ret);
}

static int check_facts(int proc_fd, const LeaderFacts *found, const RunnerSpec *spec, Refusal *reterr)
{
        _cleanup_free_ char *text = NULL;
        bool has_left = false;
        ProcStatus status;
        int r;

        r = read_status(proc_fd, &text, &status);
        if (r >= 0)
                r = check_status(&status, &found->status, spec, reterr);
        if (r >= 0)
                r = check_ids(text, found, !spec->as_leader, reterr);
        if (r >= 0)
                r = check_labels(proc_fd, found, reterr);
        if (r >= 0)
                r = check_user_namespace(proc_fd, found->namespaces.inode[NS_USER], &has_left, reterr);
        /* In a user namespace of its own a command has all capabilities, and none in the container's. */
        if (r >= 0 && !has_left)
                r = check_capabilities(&status, &found->status, spec, reterr);
        if (r < 0)
                return r;
        r = check_namespaces(proc_fd, &found->namespaces, reterr);
        return r < 0 && reterr->kind == REFUSAL_NONE && has_ended(proc_fd) ? 0 : r;
}

static int check_all(int proc_fd, const LeaderFacts *found, const RunnerSpec *spec, Refusal *reterr)
{
        int r = check_facts(proc_fd, found, spec, reterr);

        if (r >= 0 || !has_ended_unexecuted(proc_fd))
                return r;
        refusal_done(reterr);
        return 0;
}

int verify_command(pid_t pid, int pidfd, const Leader *leader, const RunnerSpec *spec, Refusal *reterr)
{
        _cleanup_close_ int proc_fd = proc_open(pid);
        pid_t same = 0;
        int r;

        r = proc_fd < 0 ? proc_fd : check_all(proc_fd, &leader->found, spec, reterr);
        /* The number was the command's if it still is. If it is not, the runner was killed and
         * another process has reaped the command: nothing is left. */
        if (pidfd_get_pid(pidfd, &same) == -ESRCH) {
                refusal_done(reterr);
                return 0;
        }
        if (same != pid)
                return refuse(reterr, REFUSAL_INTERNAL, EBADMSG, "the runner reported another process");
        if (r < 0 && reterr->kind == REFUSAL_NONE)
                return refuse(reterr, REFUSAL_INTERNAL, r,
                              "failed to check the command, which was killed: %s", strerrordesc_np(-r));
        return r;
}

/* The leader and the order for the command, as a scout compares them. */
typedef struct Given {
        pid_t pid;
        bool privileged, no_new_privs, as_leader;
        uint32_t n_filters;
        uint64_t cap_privileged, cap_bounding;
        int error;
        FactsImage found;
} Given;

static int prepare(void *userdata, void *data)
{
        const VerifyJob *v = userdata;
        Given *g = data;

        g->pid = v->pid;
        g->privileged = v->spec->privileged;
        g->no_new_privs = v->spec->no_new_privs;
        g->as_leader = v->spec->as_leader;
        g->n_filters = v->spec->n_filters;
        g->cap_privileged = v->spec->cap_privileged;
        g->cap_bounding = v->spec->cap_bounding;
        g->error = facts_image_write(&v->leader->found, &g->found, SCOUT_DATA_SIZE - offsetof(Given, found));
        return v->pidfd;
}

/* In the scout. */
static int run(void *data, int pidfd, ScoutFindings *ret)
{
        Leader leader = {.n_ref = 1};
        const Given *g = data;
        const RunnerSpec spec = {
                .privileged = g->privileged,
                .no_new_privs = g->no_new_privs,
                .as_leader = g->as_leader,
                .n_filters = g->n_filters,
                .cap_privileged = g->cap_privileged,
                .cap_bounding = g->cap_bounding,
        };
        int r = g->error;

        if (r >= 0)
                r = facts_image_read(&g->found, SCOUT_DATA_SIZE - offsetof(Given, found), &leader.found);
        if (r >= 0)
                r = verify_command(g->pid, pidfd, &leader, &spec, &ret->refusal);
        leader_facts_done(&leader.found);
        return r;
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *found)
{
        VerifyJob *v = userdata;

        if (error == -ETIMEDOUT)
                refuse(&found->refusal, REFUSAL_UNAVAILABLE, ETIMEDOUT,
                       "failed to check the command, which was killed: its state cannot be read");
        else if (error == -EBUSY)
                refuse(&found->refusal, REFUSAL_UNAVAILABLE, EBUSY,
                       "failed to check the command, which was killed: too many checks in the container wait");
        else if (error < 0 && found->refusal.kind == REFUSAL_NONE)
                refuse(&found->refusal, REFUSAL_INTERNAL, error,
                       "failed to check the command, which was killed: %s", strerrordesc_np(-error));
        v->callback(v->userdata, error, &found->refusal);
}

int verify_start(VerifyJob *v)
{
        static const ScoutWork work = {.prepare = prepare, .run = run, .on_done = on_done};

        return scout_job_start(
                &v->job, &work, v,
                &(ScoutTarget){.group = v->leader->pid, .process = v->pid, .caller = v->caller});
}
