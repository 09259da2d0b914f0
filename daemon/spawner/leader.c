/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <selinux/selinux.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/strv.h"
#include "spawner/filters.h"
#include "spawner/proc-parse.h"

#define STATUS_MAX  (64 * 1024)
#define TEXT_MAX    (16 * 1024)
#define COMMAND_MAX (64 * 1024)

#define STUB_COMM   "(sd-stubinit)"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
        const char *name;
        uint64_t flag;
} namespace_types[_NS_MAX] = {
        [NS_MNT] = {"mnt", CLONE_NEWNS},     [NS_PID] = {"pid", CLONE_NEWPID},
        [NS_NET] = {"net", CLONE_NEWNET},    [NS_IPC] = {"ipc", CLONE_NEWIPC},
        [NS_UTS] = {"uts", CLONE_NEWUTS},    [NS_CGROUP] = {"cgroup", CLONE_NEWCGROUP},
        [NS_USER] = {"user", CLONE_NEWUSER}, [NS_TIME] = {"time", CLONE_NEWTIME},
};

static Namespaces own, host;

uint64_t namespace_flag(NamespaceType type)
{
        return namespace_types[type].flag;
}

const char *namespace_name(NamespaceType type)
{
        return namespace_types[type].name;
}

const Namespaces *namespaces_own(void)
{
        return &own;
}

int namespaces_read(int proc_fd, Namespaces *ret)
{
        for (NamespaceType t = 0; t < _NS_MAX; t++) {
                char path[32];
                struct stat st;

                snprintf(path, sizeof(path), "ns/%s", namespace_types[t].name);
                if (fstatat(proc_fd, path, &st, 0) < 0) {
                        /* A kernel without time namespaces has none anywhere. */
                        if (errno == ENOENT && t == NS_TIME) {
                                ret->inode[t] = 0;
                                continue;
                        }
                        return -errno;
                }
                ret->inode[t] = st.st_ino;
                ret->device = st.st_dev;
        }
        return 0;
}

static int open_proc(pid_t pid)
{
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int leader_init_host(void)
{
        _cleanup_close_ int self = open_proc(getpid()), init = open_proc(1);
        int r;

        if (self < 0 || init < 0)
                return MIN(self, init);
        r = namespaces_read(self, &own);
        return r < 0 ? r : namespaces_read(init, &host);
}

Leader *leader_ref(Leader *l)
{
        if (l)
                l->n_ref++;
        return l;
}

Leader *leader_unref(Leader *l)
{
        if (!l || --l->n_ref > 0)
                return NULL;
        fd_close(l->pidfd);
        fd_close(l->proc_fd);
        filters_free(l->filters);
        free(l);
        return NULL;
}

bool leader_is_alive(const Leader *l)
{
        return pidfd_is_alive(l->pidfd) > 0;
}

static int read_status(int proc_fd, ProcStatus *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(proc_fd, "status", STATUS_MAX, &text, NULL);

        return r < 0 ? r : proc_status_parse(text, ret);
}

/* Whether a process still runs the program that its parent runs: it was forked and has not executed
 * anything. What the kernel says of it then is what its maker is, not what the container is. */
static int is_unexecuted(int proc_fd)
{
        _cleanup_close_ int parent = -EBADF;
        struct stat mine, parents;
        ProcStatus status;
        int r;

        r = read_status(proc_fd, &status);
        if (r < 0)
                return r;
        /* Its maker has gone, and PID 1 was never anybody's. */
        if (status.ppid <= 1)
                return 0;
        parent = open_proc(status.ppid);
        if (parent < 0)
                return parent == -ENOENT ? 0 : parent;
        if (fstatat(proc_fd, "exe", &mine, 0) < 0)
                return -errno;
        if (fstatat(parent, "exe", &parents, 0) < 0)
                return errno == ENOENT || errno == ESRCH ? 0 : -errno;
        return mine.st_dev == parents.st_dev && mine.st_ino == parents.st_ino;
}

static int open_process(pid_t pid, Leader **ret)
{
        _cleanup_(leader_unrefp) Leader *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Leader){.n_ref = 1, .pid = pid, .proc_fd = -EBADF};
        l->pidfd = pidfd_open_pid(pid);
        if (l->pidfd < 0)
                return l->pidfd;
        l->proc_fd = open_proc(pid);
        if (l->proc_fd < 0)
                return l->proc_fd;
        r = proc_start_time(l->proc_fd, &l->start_time);
        if (r < 0)
                return r;
        r = namespaces_read(l->proc_fd, &l->namespaces);
        if (r < 0)
                return r;
        /* The directory was opened by number: it is the pidfd's process only if that one still lives. */
        if (!leader_is_alive(l))
                return -ESRCH;
        *ret = TAKE_PTR(l);
        return 0;
}

static int check_leader(const Leader *l, Refusal *reterr)
{
        int r;

        for (NamespaceType t = NS_MNT; t <= NS_PID; t++)
                if (l->namespaces.inode[t] == host.inode[t] || l->namespaces.inode[t] == own.inode[t])
                        return refuse(reterr, REFUSAL_DENIED, EPERM,
                                      "not a container: its leader is in the %s namespace of the host",
                                      t == NS_MNT ? "mount" : "pid");
        r = is_unexecuted(l->proc_fd);
        if (r < 0)
                return r;
        if (r > 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        return 0;
}

int leader_open(pid_t pid, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *l = NULL;
        int r;

        r = open_process(pid, &l);
        if (r >= 0)
                r = check_leader(l, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

/* One that started in the same tick is the older when its pid in the container is lower: there the numbers
 * begin anew, and those of the first processes are not given again. */
static bool is_older(uint64_t start_time, int32_t ns_pid, uint64_t than_time, int32_t than_ns_pid)
{
        return start_time != than_time ? start_time < than_time : ns_pid < than_ns_pid;
}

/* The oldest child of a process. Kernels need not have the file that would say so, and a lower pid says
 * nothing: numbers are given again. */
static int find_child(pid_t parent, pid_t *ret)
{
        DIR *d = opendir("/proc");
        uint64_t oldest = UINT64_MAX;
        int32_t oldest_ns_pid = 0;
        pid_t found = 0;

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
                _cleanup_close_ int fd = -EBADF;
                ProcStatus status;
                uint64_t time;
                int pid = atoi(e->d_name);

                if (pid <= 0)
                        continue;
                fd = open_proc(pid);
                if (fd < 0 || read_status(fd, &status) < 0 || status.ppid != parent || status.state == 'Z' ||
                    proc_start_time(fd, &time) < 0)
                        continue;
                if (found == 0 || is_older(time, status.ns_pid, oldest, oldest_ns_pid)) {
                        found = pid;
                        oldest = time;
                        oldest_ns_pid = status.ns_pid;
                }
        }
        closedir(d);
        if (found == 0)
                return -ESRCH;
        *ret = found;
        return 0;
}

static bool is_stub(const Leader *l)
{
        _cleanup_free_ char *comm = NULL;

        return file_read_at(l->proc_fd, "comm", 64, &comm, NULL) >= 0 && strcmp(comm, STUB_COMM "\n") == 0 &&
               is_unexecuted(l->proc_fd) > 0;
}

int leader_open_machine(pid_t pid, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *stub = NULL, *payload = NULL;
        pid_t child = 0;
        int r;

        r = open_process(pid, &stub);
        if (r < 0)
                return r;
        if (!is_stub(stub))
                return leader_open(pid, ret, reterr);

        r = find_child(pid, &child);
        if (r == -ESRCH)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        if (r < 0)
                return r;
        r = leader_open(child, &payload, reterr);
        if (r < 0)
                return r;
        if (payload->namespaces.inode[NS_PID] != stub->namespaces.inode[NS_PID] || !leader_is_alive(stub))
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        *ret = TAKE_PTR(payload);
        return 0;
}

static int read_map(const Leader *l, const char *name, IdMapping *ret, size_t max)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(l->proc_fd, name, STATUS_MAX, &text, NULL);

        return r < 0 ? r : proc_id_map_parse(text, ret, max);
}

int leader_root_ids(const Leader *l, uid_t *ret_uid, gid_t *ret_gid)
{
        IdMapping map[PROC_MAPPINGS_MAX];
        int n;

        n = read_map(l, "uid_map", map, ELEMENTSOF(map));
        if (n < 0)
                return n;
        *ret_uid = id_map_to_outside(map, (size_t) n, 0);
        n = read_map(l, "gid_map", map, ELEMENTSOF(map));
        if (n < 0)
                return n;
        *ret_gid = id_map_to_outside(map, (size_t) n, 0);
        return 0;
}

static int fill_ids(const Leader *l, const ProcStatus *status, RunnerSpec *spec)
{
        _cleanup_free_ char *setgroups = NULL;
        IdMapping map[PROC_MAPPINGS_MAX];
        int n, r;

        n = read_map(l, "uid_map", map, ELEMENTSOF(map));
        if (n < 0)
                return n;
        spec->leader_uid = id_map_to_inside(map, (size_t) n, status->uid);
        n = read_map(l, "gid_map", map, ELEMENTSOF(map));
        if (n < 0)
                return n;
        spec->leader_gid = id_map_to_inside(map, (size_t) n, status->gid);

        r = file_read_at(l->proc_fd, "setgroups", TEXT_MAX, &setgroups, NULL);
        if (r < 0)
                return r;
        spec->setgroups_denied = strncmp(setgroups, "deny", 4) == 0;
        return 0;
}

static int fill_limits(const Leader *l, RunnerSpec *spec)
{
        _cleanup_free_ char *limits = NULL, *oom = NULL, *stat_text = NULL;
        ProcStat stat;
        int r;

        r = file_read_at(l->proc_fd, "limits", TEXT_MAX, &limits, NULL);
        if (r >= 0)
                r = proc_limits_parse(limits, spec->rlimits);
        if (r >= 0)
                r = file_read_at(l->proc_fd, "oom_score_adj", TEXT_MAX, &oom, NULL);
        if (r >= 0)
                r = file_read_at(l->proc_fd, "stat", TEXT_MAX, &stat_text, NULL);
        if (r >= 0)
                r = proc_stat_parse(stat_text, &stat);
        if (r < 0)
                return r;
        spec->rlimits_set = true;
        spec->oom_score_adj = atoi(oom);
        spec->nice = stat.nice;
        spec->sched_policy = stat.policy;
        spec->sched_priority = stat.policy == SCHED_FIFO || stat.policy == SCHED_RR ? stat.rt_priority : 0;
        /* A deadline is the leader's own: another process cannot have the same. */
        if (stat.policy != SCHED_FIFO && stat.policy != SCHED_RR && stat.policy != SCHED_BATCH &&
            stat.policy != SCHED_IDLE)
                spec->sched_policy = SCHED_OTHER;
        return 0;
}

static bool apparmor_is_enabled(void)
{
        _cleanup_free_ char *text = NULL;

        return file_read_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &text, NULL) >= 0 &&
               text[0] == 'Y';
}

int leader_label(const Leader *l, char **ret)
{
        _cleanup_free_ char *text = NULL;
        int r;

        *ret = NULL;
        if (is_selinux_enabled() <= 0)
                return 0;
        r = file_read_at(l->proc_fd, "attr/current", TEXT_MAX, &text, NULL);
        return r < 0 ? r : proc_label_parse(text, ret);
}

static int fill_labels(const Leader *l, RunnerSpec *spec, Refusal *reterr)
{
        int r;

        r = leader_label(l, &spec->label);
        if (r >= 0 && apparmor_is_enabled()) {
                _cleanup_free_ char *text = NULL;

                r = file_read_at(l->proc_fd, "attr/apparmor/current", TEXT_MAX, &text, NULL);
                if (r == -ENOENT) {
                        r = file_read_at(l->proc_fd, "attr/current", TEXT_MAX, &text, NULL);
                        if (r >= 0 && spec->label)
                                r = -EBADMSG; /* that one is SELinux's */
                }
                if (r >= 0)
                        r = proc_apparmor_parse(text, &spec->apparmor);
        }
        if (r < 0)
                return refuse(reterr, REFUSAL_UNSUPPORTED, r, "cannot read the container's security label");
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
                              "the container is under a kind of seccomp that cannot be taken over");

        if (!l->filters || l->filters->n != n) {
                l->filters = filters_free(l->filters);
                r = filters_read(l->pid, l->pidfd, n, &l->filters);
                if (r < 0)
                        return refuse(reterr, REFUSAL_UNSUPPORTED, r,
                                      "cannot read the container's seccomp filters: %s",
                                      strerrordesc_np(-r));
        }
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
static bool filters_would_leak(const Leader *l, const ProcStatus *status, const RunnerSpec *spec)
{
        uint64_t bounding = status->cap_bounding;

        return spec->n_filters > 0 && !spec->no_new_privs &&
               (bounding & (UINT64_C(1) << 19 /* SYS_PTRACE */)) &&
               !(bounding & (UINT64_C(1) << 21 /* SYS_ADMIN */)) && !spec->label &&
               l->namespaces.inode[NS_USER] == own.inode[NS_USER];
}

int leader_fill_spec(Leader *l, RunnerSpec *spec, Refusal *reterr)
{
        ProcStatus status;
        int r;

        r = read_status(l->proc_fd, &status);
        if (r >= 0)
                r = check_leader(l, reterr);
        if (r >= 0)
                r = fill_ids(l, &status, spec);
        if (r >= 0)
                r = fill_limits(l, spec);
        if (r >= 0)
                r = fill_labels(l, spec, reterr);
        if (r < 0)
                return r;

        for (NamespaceType t = 0; t < _NS_MAX; t++)
                if (l->namespaces.inode[t] != own.inode[t])
                        spec->namespaces |= namespace_types[t].flag;
        spec->cap_bounding = status.cap_bounding;
        spec->cap_effective = status.cap_effective;
        spec->cap_permitted = status.cap_permitted;
        spec->cap_ambient = status.cap_ambient;
        spec->no_new_privs = status.no_new_privs;
        /* An init system has none of its own and gives what it starts the usual one; so do we. */
        spec->umask = status.umask ?: 0022;

        r = fill_filters(l, &status, spec, reterr);
        if (r < 0)
                return r;
        if (filters_would_leak(l, &status, spec))
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "the container may trace processes but not administrate: its seccomp filters "
                              "cannot be "
                              "taken over safely");
        /* What was read was the leader's only if it still lives. */
        if (!leader_is_alive(l))
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        return 0;
}

static int read_number(const Leader *l, const char *name, int base, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(l->proc_fd, name, TEXT_MAX, &text, NULL);

        return r < 0 ? r : proc_number_parse(text, base, UINT32_MAX, ret);
}

int leader_fill_inherited(const Leader *l, RunnerSpec *spec, Refusal *reterr)
{
        long ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, l->pid);
        uint64_t personality = 0, coredump_filter = 0;
        int r = ioprio < 0 && errno != ENOSYS ? -errno : 0;

        if (r >= 0)
                r = read_number(l, "personality", 16, &personality);
        if (r >= 0)
                r = read_number(l, "coredump_filter", 16, &coredump_filter);
        if (r == -ENOENT) { /* a kernel that dumps nothing */
                coredump_filter = RUNNER_NO_COREDUMP_FILTER;
                r = 0;
        }
        /* By its number: it was the leader's if that one still lives. One that is about to be a zombie has
         * no memory to dump, and the file is empty. */
        if (!leader_is_alive(l) || r == -EBADMSG || r == -ESRCH)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the container is not running");
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, r,
                              "cannot read the container's I/O priority and personality: %s",
                              strerrordesc_np(-r));
        spec->ioprio = ioprio < 0 ? 0 : (uint32_t) ioprio;
        spec->personality = (uint32_t) personality;
        spec->coredump_filter = (uint32_t) coredump_filter;
        return 0;
}

int leader_cgroup(const Leader *l, char **ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(l->proc_fd, "cgroup", TEXT_MAX, &text, NULL);

        return r < 0 ? r : proc_cgroup_parse(text, ret);
}

int leader_command(const Leader *l, char ***ret)
{
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r = file_read_at(l->proc_fd, "cmdline", COMMAND_MAX, &data, &size);

        if (r == -EFBIG) {
                *ret = NULL;
                return 0;
        }
        return r < 0 ? r : proc_cmdline_parse(data, size, ret);
}

int leader_uid(const Leader *l, uid_t *ret)
{
        ProcStatus status;
        int r = read_status(l->proc_fd, &status);

        if (r >= 0)
                *ret = status.uid;
        return r;
}
