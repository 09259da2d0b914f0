/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/leader-look.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "spawner/facts-image.h"

#define CGROUP_SIZE  8192
#define SUSPECTS_MAX 64

/* How long a process is left alone: the first time, and each further time four times as long. */
#define ALONE_USEC  (60 * USEC_PER_SEC)
#define STRIKES_MAX 6

typedef struct Suspect {
        pid_t pid; /* 0: none */
        unsigned strikes;
        uint64_t inode; /* of a pidfd; where the kernel numbers them, no other process has the same */
        uint64_t until; /* CLOCK_MONOTONIC */
} Suspect;

static Suspect suspects[SUSPECTS_MAX];

/* For the scout. */
typedef struct Given {
        LeaderKind kind;
        pid_t pid;
        LeaderCheck check;
        char unit_cgroup[CGROUP_SIZE]; /* "": none */
} Given;

/* Of the scout, with its pidfd and its directory in /proc. */
typedef struct Found {
        pid_t pid;
        uint64_t start_time;
        FactsImage facts;
} Found;

static Suspect *find_suspect(pid_t pid, uint64_t inode)
{
        for (size_t i = 0; i < SUSPECTS_MAX; i++)
                if (suspects[i].pid == pid && suspects[i].inode == inode)
                        return &suspects[i];
        return NULL;
}

/* A free place, or the one that is over first. */
static Suspect *make_room(void)
{
        Suspect *first = &suspects[0];

        for (size_t i = 1; i < SUSPECTS_MAX; i++)
                if (suspects[i].until < first->until)
                        first = &suspects[i];
        *first = (Suspect){0};
        return first;
}

static void leave_alone(pid_t pid, uint64_t inode)
{
        Suspect *s = find_suspect(pid, inode) ?: make_room();
        unsigned strikes = MIN(s->strikes + 1, STRIKES_MAX);
        uint64_t usec = ALONE_USEC << (2 * (strikes - 1));

        *s = (Suspect){
                .pid = pid,
                .inode = inode,
                .strikes = strikes,
                .until = now_usec(CLOCK_MONOTONIC) + usec,
        };
        log_warning("Failed to read the state of process %d in time, not trying again for %u s", pid,
                    (unsigned) (usec / USEC_PER_SEC));
}

static int refuse_alone(Refusal *reterr)
{
        return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                      "the state of the container's first process cannot be read, try again later");
}

int leader_look_refuse_slow(Refusal *reterr)
{
        return refuse(reterr, REFUSAL_NOT_RUNNING, EAGAIN,
                      "the state of the container's first process cannot be read");
}

static int prepare(void *userdata, void *data)
{
        const LeaderLook *l = userdata;
        Given *g = data;

        g->kind = l->query.kind;
        g->pid = l->query.pid;
        g->check = l->query.check;
        strcpy(g->unit_cgroup, l->unit_cgroup ?: "");
        return l->fd;
}

static int open_leader(Given *g, int fd, Leader **ret, Refusal *reterr)
{
        switch (g->kind) {
        case LEADER_MACHINE:
                return leader_open_machine(g->pid, ret, reterr);
        case LEADER_SERVICE:
                return leader_open_service(g->pid, g->unit_cgroup, ret, reterr);
        case LEADER_CONTAINER:
        default:
                g->check.fd = fd;
                return leader_open(g->pid, g->check.check ? &g->check : NULL, ret, reterr);
        }
}

/* In the scout. */
static int run(void *data, int fd, ScoutFindings *ret)
{
        _cleanup_(leader_unrefp) Leader *l = NULL;
        Found *found = data;
        int r;

        r = open_leader(data, fd, &l, &ret->refusal);
        if (r < 0)
                return r;
        found->pid = l->pid;
        found->start_time = l->start_time;
        r = facts_image_write(&l->found, &found->facts, SCOUT_DATA_SIZE - offsetof(Found, facts));
        if (r < 0)
                return r;
        ret->fds[ret->n_fds++] = TAKE_FD(l->pidfd);
        ret->fds[ret->n_fds++] = TAKE_FD(l->proc_fd);
        return 0;
}

static int take_found(LeaderLook *look, const Found *found, ScoutFindings *f, Leader **ret)
{
        _cleanup_(leader_unrefp) Leader *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Leader){
                .n_ref = 1,
                .pid = found->pid,
                .start_time = found->start_time,
                .is_machine = look->query.kind == LEADER_MACHINE,
                .unit_cgroup = TAKE_PTR(look->unit_cgroup),
                .pidfd = -EBADF,
                .proc_fd = -EBADF,
        };
        if (f->n_fds != 2)
                return -EBADMSG;
        l->pidfd = TAKE_FD(f->fds[0]);
        l->proc_fd = TAKE_FD(f->fds[1]);
        r = facts_image_read(&found->facts, SCOUT_DATA_SIZE - offsetof(Found, facts), &l->found);
        if (r < 0)
                return r;
        if (!leader_is_alive(l))
                return -ESRCH;
        *ret = TAKE_PTR(l);
        return 0;
}

static void look_done(LeaderLook *l)
{
        l->unit_cgroup = mfree(l->unit_cgroup);
        l->fd = fd_close(l->fd);
}

static void on_done(void *userdata, int error, const void *data, ScoutFindings *found)
{
        _cleanup_(leader_unrefp) Leader *leader = NULL;
        LeaderLook *l = userdata;
        int r = error;

        if (r >= 0)
                r = take_found(l, data, found, &leader);
        else if (r == -ETIMEDOUT) {
                leave_alone(l->query.pid, l->inode);
                r = refuse_alone(&found->refusal);
        }
        look_done(l);
        l->on_found(l->userdata, leader, r, &found->refusal);
}

static void on_slow(void *userdata)
{
        LeaderLook *l = userdata;

        l->on_slow(l->userdata);
}

static int check_suspect(LeaderLook *l, Refusal *reterr)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(l->query.pid);
        const Suspect *s;
        struct stat st;

        if (pidfd < 0)
                return pidfd;
        l->inode = fstat(pidfd, &st) < 0 ? 0 : st.st_ino;
        s = find_suspect(l->query.pid, l->inode);
        return s && now_usec(CLOCK_MONOTONIC) < s->until ? refuse_alone(reterr) : 0;
}

int leader_look_start(LeaderLook *l, const LeaderQuery *query, Refusal *reterr)
{
        static const ScoutWork work = {
                .prepare = prepare, .run = run, .on_done = on_done, .on_slow = on_slow};
        int r;

        l->query = *query;
        l->unit_cgroup = NULL;
        l->fd = -EBADF;
        r = check_suspect(l, reterr);
        if (r < 0)
                return r;
        if (query->unit_cgroup) {
                if (strlen(query->unit_cgroup) >= CGROUP_SIZE)
                        return -ENAMETOOLONG;
                l->unit_cgroup = strdup(query->unit_cgroup);
                if (!l->unit_cgroup)
                        return -ENOMEM;
        }
        if (query->check.check) {
                l->fd = fcntl(query->check.fd, F_DUPFD_CLOEXEC, 3);
                if (l->fd < 0)
                        return -errno;
        }
        r = scout_job_start(
                &l->job, &work, l,
                &(ScoutTarget){.group = query->pid, .process = query->pid, .caller = SCOUT_NOBODY});
        if (r < 0)
                look_done(l);
        return r;
}

void leader_look_cancel(LeaderLook *l)
{
        if (!l->job.work)
                return;
        scout_job_cancel(&l->job);
        look_done(l);
}
