/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/process-state.h"
#include "base/strv.h"
#include "spawner/cgroup.h"

#define TEXT_MAX  (16 * 1024)

#define EXECUTOR  "/systemd-executor"
#define STUB_COMM "(sd-stubinit)"

LeaderFilters *leader_filters_free(LeaderFilters *f)
{
        if (!f)
                return NULL;
        free(f->data);
        free(f);
        return NULL;
}

void leader_close_namespaces(Leader *l)
{
        l->namespaces = namespace_set_unref(l->namespaces);
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
        leader_filters_free(l->filters);
        leader_facts_done(&l->found);
        leader_close_namespaces(l);
        strv_free(l->command);
        free(l->unit_cgroup);
        free(l);
        return NULL;
}

bool leader_is_service(const Leader *l)
{
        return l->unit_cgroup;
}

bool leader_is_alive(const Leader *l)
{
        return pidfd_is_alive(l->pidfd) > 0;
}

static int read_status(int proc_fd, ProcStatus *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(proc_fd, "status", PROCESS_STATUS_MAX, &text, NULL);

        return r < 0 ? r : proc_status_parse(text, ret);
}

/* Reads only memory of the kernel: the file system may belong to the container, and need not answer. */
static int stat_program(int proc_fd, struct statx *ret)
{
        return statx(proc_fd, "exe", AT_STATX_DONT_SYNC, STATX_INO, ret);
}

static bool is_same_file(const struct statx *a, const struct statx *b)
{
        return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor &&
               a->stx_ino == b->stx_ino;
}

/* Whether a process still runs the program that its parent runs: it was forked and has not executed anything.
 * Its attributes are then its parent's and not the container's. */
static int is_unexecuted(int proc_fd)
{
        _cleanup_close_ int parent = -EBADF;
        struct statx mine, parents;
        ProcStatus status;
        int r;

        r = read_status(proc_fd, &status);
        if (r < 0)
                return r;
        /* Its maker has gone, and PID 1 was never anybody's. */
        if (status.ppid <= 1)
                return 0;
        parent = proc_open(status.ppid);
        if (parent < 0)
                return parent == -ENOENT ? 0 : parent;
        if (stat_program(proc_fd, &mine) < 0)
                return -errno;
        if (stat_program(parent, &parents) < 0)
                return errno == ENOENT || errno == ESRCH ? 0 : -errno;
        return is_same_file(&mine, &parents);
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
        l->proc_fd = proc_open(pid);
        if (l->proc_fd < 0)
                return l->proc_fd;
        r = proc_start_time(l->proc_fd, &l->start_time);
        if (r < 0)
                return r;
        /* The directory was opened by number: it is the pidfd's process only if that one still lives. */
        if (!leader_is_alive(l))
                return -ESRCH;
        *ret = TAKE_PTR(l);
        return 0;
}

static int check_host(const Namespaces *n, Refusal *reterr)
{
        const Namespaces *own = namespaces_own(), *host = namespaces_host();

        for (NamespaceType t = NS_MNT; t <= NS_PID; t++)
                if (n->inode[t] == host->inode[t] || n->inode[t] == own->inode[t])
                        return refuse(reterr, REFUSAL_DENIED, EPERM,
                                      "not a container: its leader is in the %s namespace of the host",
                                      t == NS_MNT ? "mount" : "pid");
        return 0;
}

static int check_started(const Leader *l, Refusal *reterr)
{
        Namespaces n;
        int r;

        r = namespaces_read(l->proc_fd, &n);
        if (r >= 0)
                r = check_host(&n, reterr);
        if (r >= 0)
                r = is_unexecuted(l->proc_fd);
        return r > 0 ? refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting") : r;
}

/* From when it has executed its own program on, what it is counts. */
static int remember_facts(Leader *l, Refusal *reterr)
{
        _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT;
        int r;

        r = leader_facts_read(l->proc_fd, &l->found, &fds, reterr);
        if (r >= 0)
                r = check_host(&l->found.namespaces, reterr);
        if (r >= 0)
                r = leader_facts_check_origin(&l->found, &fds, reterr);
        return r < 0 || leader_is_alive(l) ? r : -ESRCH;
}

/* A first thread that has exited no longer has namespaces, while others may live on. */
int leader_explain(const Leader *l, int error, Refusal *reterr)
{
        if ((error != -ENOENT && error != -ESRCH) || reterr->kind != REFUSAL_NONE || !leader_is_alive(l))
                return error;
        return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                      "the first thread of the container's first process has exited, and its confinement "
                      "cannot be read");
}

int leader_open(pid_t pid, const LeaderCheck *started, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *l = NULL;
        int r;

        r = open_process(pid, &l);
        if (r < 0)
                return r;
        r = check_started(l, reterr);
        if (r >= 0 && started)
                r = started->check(l, started->fd, started->start_time, reterr);
        if (r >= 0)
                r = remember_facts(l, reterr);
        if (r < 0)
                return leader_explain(l, r, reterr);
        *ret = TAKE_PTR(l);
        return 0;
}

typedef struct Child {
        pid_t pid; /* 0: none was found */
        int32_t ns_pid;
        uint64_t start_time;
} Child;

/* Takes a process for the child if it is an older one of this parent. */
static void consider_child(pid_t pid, pid_t parent, Child *oldest)
{
        _cleanup_close_ int fd = pid > 0 ? proc_open(pid) : -EBADF;
        ProcStatus status;
        uint64_t time;

        if (fd < 0 || read_status(fd, &status) < 0 || status.ppid != parent || status.state == 'Z' ||
            proc_start_time(fd, &time) < 0)
                return;
        if (oldest->pid == 0 || time < oldest->start_time ||
            (time == oldest->start_time && status.ns_pid < oldest->ns_pid))
                *oldest = (Child){.pid = pid, .ns_pid = status.ns_pid, .start_time = time};
}

/* The kernel need not have this file. */
static void consider_children(pid_t parent, Child *oldest)
{
        _cleanup_free_ char *text = NULL;
        char path[64], *end;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
        if (file_read_at(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0)
                return;
        for (const char *p = text; *p; p = end) {
                long pid = strtol(p, &end, 10);

                if (end == p)
                        break;
                consider_child((pid_t) pid, parent, oldest);
        }
}

typedef struct ChildSearch {
        pid_t parent;
        Child *oldest;
} ChildSearch;

static int consider_member(pid_t pid, void *userdata)
{
        const ChildSearch *s = userdata;

        consider_child(pid, s->parent, s->oldest);
        return 0;
}

/* In the control group of the machine's unit. */
static void consider_unit(const Leader *stub, Child *oldest)
{
        _cleanup_free_ char *path = NULL, *slice = NULL, *unit = NULL;
        ChildSearch s = {.parent = stub->pid, .oldest = oldest};
        int r;

        r = leader_cgroup(stub, &path);
        if (r >= 0)
                r = cgroup_path_split(path, &slice, &unit);
        if (r >= 0)
                (void) cgroup_foreach_process(unit, consider_member, &s);
}

static int consider_all(pid_t parent, Child *oldest)
{
        DIR *d = opendir("/proc");

        if (!d)
                return -errno;
        for (struct dirent *e = readdir(d); e; e = readdir(d))
                consider_child(atoi(e->d_name), parent, oldest);
        closedir(d);
        return 0;
}

/* The oldest child of a process. A lower pid says nothing: numbers are given again. All processes of a host with
 * many machines are looked at only where nothing else helps. */
static int find_child(const Leader *stub, pid_t *ret)
{
        Child oldest = {0};
        int r = 0;

        consider_children(stub->pid, &oldest);
        if (oldest.pid == 0)
                consider_unit(stub, &oldest);
        if (oldest.pid == 0)
                r = consider_all(stub->pid, &oldest);
        if (r < 0)
                return r;
        if (oldest.pid == 0)
                return -ESRCH;
        *ret = oldest.pid;
        return 0;
}

static bool is_stub(const Leader *l)
{
        _cleanup_free_ char *comm = NULL;

        return file_read_at(l->proc_fd, "comm", 64, &comm, NULL) >= 0 && strcmp(comm, STUB_COMM "\n") == 0 &&
               is_unexecuted(l->proc_fd) > 0;
}

static int open_payload(const Leader *stub, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *payload = NULL;
        Namespaces of_stub;
        pid_t child = 0;
        int r;

        r = find_child(stub, &child);
        if (r == -ESRCH)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        if (r < 0)
                return r;
        r = leader_open(child, NULL, &payload, reterr);
        if (r >= 0)
                r = namespaces_read(stub->proc_fd, &of_stub);
        if (r < 0)
                return r;
        if (payload->found.namespaces.inode[NS_PID] != of_stub.inode[NS_PID] || !leader_is_alive(stub))
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the container is starting");
        *ret = TAKE_PTR(payload);
        return 0;
}

int leader_open_machine(pid_t pid, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *l = NULL;
        int r;

        r = open_process(pid, &l);
        if (r >= 0)
                r = is_stub(l) ? open_payload(l, ret, reterr) : leader_open(pid, NULL, ret, reterr);
        if (r >= 0)
                (*ret)->is_machine = true;
        return r;
}

/* PID 1 forks, and its child sets the service up, either itself or by a program beside PID 1's own. Until it
 * has executed the service's program, it has rights that the service has not. */
static int is_being_set_up(const Leader *l)
{
        _cleanup_free_ char *comm = NULL;
        char init[PATH_MAX], executor[PATH_MAX + sizeof(EXECUTOR)];
        const char *const programs[] = {"/proc/1/exe", executor};
        struct statx mine, theirs;
        ssize_t n;
        int r;

        r = file_read_at(l->proc_fd, "comm", 64, &comm, NULL);
        if (r < 0)
                return r;
        /* The name of a child of systemd before it executes the program. */
        if (comm[0] == '(' && strchr(comm, ')'))
                return 1;
        n = readlink("/proc/1/exe", init, sizeof(init) - 1);
        if (n < 0 || stat_program(l->proc_fd, &mine) < 0)
                return -errno;
        init[n] = 0;
        init[strrchr(init, '/') ? strrchr(init, '/') - init : 0] = 0;
        strcpy(stpcpy(executor, init), EXECUTOR);
        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                if (statx(AT_FDCWD, programs[i], AT_STATX_DONT_SYNC, STATX_INO, &theirs) >= 0 &&
                    is_same_file(&mine, &theirs))
                        return 1;
        return 0;
}

int leader_check_cgroup(const Leader *l, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        size_t n;
        int r;

        if (!l->unit_cgroup)
                return 0;
        r = leader_cgroup(l, &path);
        if (r < 0)
                return r;
        n = strlen(l->unit_cgroup);
        if (strncmp(path, l->unit_cgroup, n) == 0 && (!path[n] || path[n] == '/'))
                return 0;
        return refuse(reterr, REFUSAL_UNSUPPORTED, EPERM,
                      "the main process has left the control group of its unit");
}

static int remember_service(Leader *l, Refusal *reterr)
{
        _cleanup_namespace_fds_ NamespaceFds fds = NAMESPACE_FDS_INIT;
        int r;

        r = is_being_set_up(l);
        if (r > 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN, "the service is starting");
        if (r >= 0)
                r = leader_facts_read(l->proc_fd, &l->found, &fds, reterr);
        if (r >= 0)
                r = leader_facts_check_service(&l->found, &fds, reterr);
        if (r >= 0)
                r = leader_check_cgroup(l, reterr);
        return r < 0 || leader_is_alive(l) ? r : -ESRCH;
}

int leader_open_service(pid_t pid, const char *unit_cgroup, Leader **ret, Refusal *reterr)
{
        _cleanup_(leader_unrefp) Leader *l = NULL;
        int r;

        r = open_process(pid, &l);
        if (r >= 0) {
                l->unit_cgroup = strdup(unit_cgroup);
                r = l->unit_cgroup ? remember_service(l, reterr) : -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

int leader_root_ids(const Leader *l, uid_t *ret_uid, gid_t *ret_gid)
{
        IdMapping map[PROC_MAPPINGS_MAX];
        int n;

        n = leader_facts_uid_map(&l->found, map);
        if (n < 0)
                return n;
        *ret_uid = id_map_to_outside(map, (size_t) n, 0);
        n = leader_facts_gid_map(&l->found, map);
        if (n < 0)
                return n;
        *ret_gid = id_map_to_outside(map, (size_t) n, 0);
        return 0;
}

int leader_cgroup(const Leader *l, char **ret)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(l->proc_fd, "cgroup", TEXT_MAX, &text, NULL);

        return r < 0 ? r : proc_cgroup_parse(text, ret);
}

int leader_comm(const Leader *l, char ***ret)
{
        _cleanup_free_ char *comm = NULL;
        int r = file_read_at(l->proc_fd, "comm", 64, &comm, NULL);

        return r < 0 ? r : proc_cmdline_parse(comm, strcspn(comm, "\n"), ret);
}

int leader_uid(const Leader *l, uid_t *ret)
{
        ProcStatus status;
        int r = read_status(l->proc_fd, &status);

        if (r >= 0)
                *ret = status.uid;
        return r;
}
