/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/reader.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process-state.h"
#include "base/time.h"
#include "spawner/cgroup.h"
#include "spawner/leftover.h"

#define STALL_USEC    USEC_PER_SEC
#define READ_USEC     (3 * USEC_PER_SEC)
#define LEFTOVERS_MAX 64

struct Reader {
        ReaderJob job;
        ReaderMemory *memory; /* owned */
        pid_t child;          /* 0: it has ended */
        int pidfd;            /* owned */
        sd_event_source *ended, *timer;
        uint32_t seen;
        uint64_t until; /* CLOCK_MONOTONIC */
};

static unsigned n_left; /* killed readers that have not ended yet */

bool reader_is_allowed(const Leader *l)
{
        return l->n_stuck == 0 && n_left < LEFTOVERS_MAX;
}

bool reader_may_hang(void)
{
        return n_left < LEFTOVERS_MAX / 2;
}

void reader_advance(ReaderMemory *m)
{
        __atomic_add_fetch(&m->progress, 1, __ATOMIC_RELEASE);
}

uint32_t reader_progress(const ReaderMemory *m)
{
        return __atomic_load_n(&m->progress, __ATOMIC_ACQUIRE);
}

ReaderMemory *reader_memory(const Reader *r)
{
        return r->memory;
}

static int leave(Reader *r, Leader *stuck_at)
{
        int e;

        r->ended = sd_event_source_disable_unref(r->ended);
        e = leftover_new(sd_event_source_get_event(r->timer),
                         &(LeftoverOf){
                                 .leader = stuck_at,
                                 .of_leader = stuck_at ? &stuck_at->n_stuck : NULL,
                                 .of_all = &n_left,
                         },
                         r->child, r->pidfd);
        if (e >= 0)
                r->pidfd = -EBADF;
        return e;
}

Reader *reader_free(Reader *r, Leader *stuck_at)
{
        int e;

        if (!r)
                return NULL;
        if (r->child > 0) {
                (void) kill(r->child, SIGKILL);
                e = r->timer ? leave(r, stuck_at) : -ESTALE;
                if (e < 0 && e != -ESTALE)
                        log_error_errno(e, "Failed to watch reader %d", r->child);
        }
        sd_event_source_disable_unref(r->ended);
        sd_event_source_disable_unref(r->timer);
        fd_close(r->pidfd);
        if (r->memory)
                munmap(r->memory, r->job.size);
        free(r);
        return NULL;
}

/* The connection of execd and the control sockets of runners end with the spawner, and not with a child that
 * hangs. */
static bool close_all_but(unsigned fd)
{
        return (fd <= 3 || close_range(3, fd - 1, 0) >= 0) && close_range(MAX(fd + 1, 3U), ~0U, 0) >= 0;
}

static void run_child(const Reader *r, pid_t parent) __attribute__((noreturn));
static void run_child(const Reader *r, pid_t parent)
{
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (!close_all_but((unsigned) r->job.pidfd) || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
            getppid() != parent)
                _exit(1);
        cgroup_forget_root();
        r->job.read(r->memory, r->job.userdata);
        _exit(0);
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Reader *r = userdata;
        int status = 0, e;

        e = waitpid(r->child, &status, WNOHANG) < 0 ? -errno : 0;
        r->child = 0;
        if (e >= 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
                e = -EIO;
        r->job.on_done(r->job.userdata, e);
        return 0;
}

/* The process does not keep us waiting, but has no processor. */
static bool is_starved(const Reader *r)
{
        pid_t pid = 0;

        return r->job.pidfd > 0 && pidfd_get_pid(r->job.pidfd, &pid) >= 0 && process_is_ready_to_run(pid);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Reader *r = userdata;
        uint32_t now = reader_progress(r->memory);

        if ((now != r->seen || is_starved(r)) && now_usec(CLOCK_MONOTONIC) < r->until &&
            sd_event_source_set_time_relative(source, STALL_USEC) >= 0 &&
            sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0) {
                r->seen = now;
                return 0;
        }
        r->job.on_done(r->job.userdata, -ETIMEDOUT);
        return 0;
}

static int start(Reader *r, sd_event *event)
{
        pid_t parent = getpid();
        int e;

        e = sd_event_add_time_relative(event, &r->timer, CLOCK_MONOTONIC, STALL_USEC, USEC_PER_SEC / 100,
                                       on_timer, r);
        if (e < 0)
                return e;
        r->child = fork();
        if (r->child == 0)
                run_child(r, parent);
        if (r->child < 0) {
                r->child = 0;
                return -errno;
        }
        r->pidfd = pidfd_open_pid(r->child);
        if (r->pidfd < 0)
                return r->pidfd;
        return sd_event_add_io(event, &r->ended, r->pidfd, EPOLLIN, on_ended, r);
}

int reader_new(sd_event *event, const ReaderJob *job, Reader **ret)
{
        Reader *r = NULL;
        int e;

        if (n_left >= LEFTOVERS_MAX)
                return -EBUSY;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        *r = (Reader){
                .job = *job, .pidfd = -EBADF, .until = now_usec(CLOCK_MONOTONIC) + (job->usec ?: READ_USEC)};
        r->memory = mmap(NULL, job->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                         -1, 0);
        if (r->memory == MAP_FAILED) {
                r->memory = NULL;
                e = -errno;
        } else
                e = start(r, event);
        if (e < 0) {
                reader_free(r, NULL);
                return e;
        }
        *ret = r;
        return 0;
}

int leader_waits_read(LeaderWaits *l, const ReaderJob *job, Reader **ret)
{
        sd_event *event = NULL;
        int r;

        r = sd_event_default(&event);
        if (r < 0)
                return r;
        r = leader_waits_init(l, event);
        if (r >= 0)
                r = reader_new(event, job, ret);
        sd_event_unref(event);
        return r;
}
