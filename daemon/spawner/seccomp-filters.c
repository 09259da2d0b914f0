/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/seccomp-filters.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"

#define DUMP_USEC        USEC_PER_SEC
#define INSTRUCTIONS_MAX 4096 /* BPF_MAXINSNS */

/* The time until the next attempt. */
#define FAILED_USEC (3 * USEC_PER_SEC)

/* Shared with the child. */
typedef struct Dump {
        int error;
        struct {
                uint32_t n_instructions;
                uint32_t log;
                struct sock_filter instructions[INSTRUCTIONS_MAX];
        } filters[];
} Dump;

struct FiltersRun {
        Leader *leader; /* owned reference */
        uint32_t n;
        Dump *dump; /* owned */
        size_t size;
        pid_t child;
        int pidfd; /* owned */
        sd_event_source *ended, *timer, *tell;
        List waits; /* FiltersWait */
        unsigned n_waits;
        bool is_told;
};

static int dump_one(pid_t pid, uint32_t i, Dump *dump)
{
        struct __ptrace_seccomp_metadata metadata = {.filter_off = i};
        long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *) (uintptr_t) i, NULL);

        if (n <= 0 || n > INSTRUCTIONS_MAX)
                return n < 0 ? -errno : -EBADMSG;
        if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *) (uintptr_t) i, dump->filters[i].instructions) !=
            n)
                return -EBADMSG;
        dump->filters[i].n_instructions = (uint32_t) n;
        if (ptrace(PTRACE_SECCOMP_GET_METADATA, pid, (void *) sizeof(metadata), &metadata) < 0)
                return -errno;
        dump->filters[i].log = (metadata.flags & SECCOMP_FILTER_FLAG_LOG) != 0;
        return 0;
}

/* In the child. The kernel ends the tracing when it exits, and lets the leader run on as if nothing had
 * been. */
static int dump_all(pid_t pid, int pidfd, uint32_t n, Dump *dump)
{
        int status;

        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
                return -errno;
        /* Seized, the pid cannot be recycled; before that it may have been. */
        if (pidfd_is_alive(pidfd) <= 0)
                return -ESRCH;
        if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
                return -errno;
        if (waitpid(pid, &status, __WALL) < 0)
                return -errno;
        if (!WIFSTOPPED(status))
                return -ESRCH;

        for (uint32_t i = 0; i < n; i++) {
                int r = dump_one(pid, i, dump);

                if (r < 0)
                        return r;
        }
        if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *) (uintptr_t) n, NULL) >= 0)
                return -EAGAIN; /* one was added meanwhile */
        return 0;
}

static void run_child(const FiltersRun *run, pid_t parent) __attribute__((noreturn));
static void run_child(const FiltersRun *run, pid_t parent)
{
        sigset_t none;

        /* Without us nobody ends it. */
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(1);
        run->dump->error = dump_all(run->leader->pid, run->leader->pidfd, run->n, run->dump);
        _exit(0);
}

static int filters_from_dump(const Dump *dump, uint32_t n, LeaderFilters **ret)
{
        _cleanup_(leader_filters_freep) LeaderFilters *f = calloc(1, sizeof(*f));
        size_t size = 0;
        char *p;

        if (!f)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                size += dump->filters[i].n_instructions * sizeof(struct sock_filter);
        f->data = p = malloc(size ?: 1);
        if (!p)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                size = dump->filters[i].n_instructions * sizeof(struct sock_filter);
                memcpy(p, dump->filters[i].instructions, size);
                f->items[i] = (RunnerFilter){
                        .n_instructions = dump->filters[i].n_instructions,
                        .log = dump->filters[i].log,
                        .instructions = p,
                };
                p += size;
        }
        f->n = n;
        *ret = TAKE_PTR(f);
        return 0;
}

static FiltersRun *run_free(FiltersRun *run)
{
        if (!run)
                return NULL;
        sd_event_source_disable_unref(run->ended);
        sd_event_source_disable_unref(run->timer);
        sd_event_source_disable_unref(run->tell);
        if (run->child > 0) {
                (void) kill(run->child, SIGKILL);
                (void) waitpid(run->child, NULL, 0);
        }
        fd_close(run->pidfd);
        if (run->dump)
                munmap(run->dump, run->size);
        if (run->leader && run->leader->run == run)
                run->leader->run = NULL;
        leader_unref(run->leader);
        free(run);
        return NULL;
}
DEFINE_CLEANUP(FiltersRun, run_free);

static void run_free_if_over(FiltersRun *run)
{
        if (run->is_told && run->child == 0 && list_is_empty(&run->waits))
                run_free(run);
}

/* One in each turn of the loop: what it waits for is work. */
static int on_tell(sd_event_source *source, void *userdata)
{
        FiltersRun *run = userdata;
        FiltersWait *w;

        if (list_is_empty(&run->waits)) {
                run_free_if_over(run);
                return 0;
        }
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        w = LIST_ENTRY(run->waits.first, FiltersWait, node);
        filters_wait_cancel(w);
        w->callback(w->userdata);
        return 0;
}

/* The result is the leader's, and who waits asks for it anew. */
static void run_tell(FiltersRun *run, int r)
{
        Leader *l = run->leader;

        run->is_told = true;
        l->filters = leader_filters_free(l->filters);
        if (r >= 0)
                r = filters_from_dump(run->dump, run->n, &l->filters);
        l->filters_error = r;
        /* One was added meanwhile: the next number is read at once. */
        l->filters_again = r == -EAGAIN ? 0 : now_usec(CLOCK_MONOTONIC) + FAILED_USEC;
        l->run = NULL;
        r = sd_event_add_defer(sd_event_source_get_event(run->ended), &run->tell, on_tell, run);
        if (r < 0)
                log_error_errno(r, "Failed to answer a request for seccomp filters");
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        FiltersRun *run = userdata;
        int status = 0, r;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        r = waitpid(run->child, &status, 0) < 0 ? -errno : 0;
        run->child = 0;
        if (r >= 0)
                r = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? run->dump->error : -EIO;
        if (!run->is_told) {
                (void) sd_event_source_set_enabled(run->timer, SD_EVENT_OFF);
                run_tell(run, r);
        } else
                run_free_if_over(run);
        return 0;
}

/* The child is ended, and the run with it. */
static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        FiltersRun *run = userdata;

        (void) pidfd_signal(run->pidfd, SIGKILL);
        run_tell(run, -ETIMEDOUT);
        return 0;
}

static int run_start(FiltersRun *run, sd_event *event)
{
        pid_t parent = getpid();
        int r;

        run->child = fork();
        if (run->child == 0)
                run_child(run, parent);
        if (run->child < 0)
                return -errno;
        run->pidfd = pidfd_open_pid(run->child);
        if (run->pidfd < 0)
                return run->pidfd;
        r = sd_event_add_io(event, &run->ended, run->pidfd, EPOLLIN, on_ended, run);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &run->timer, CLOCK_MONOTONIC, DUMP_USEC,
                                               USEC_PER_SEC / 100, on_timeout, run);
        return r;
}

static int run_new(Leader *l, uint32_t n)
{
        _cleanup_(run_freep) FiltersRun *run = calloc(1, sizeof(*run));
        sd_event *event = NULL;
        int r;

        if (!run)
                return -ENOMEM;
        *run = (FiltersRun){
                .leader = leader_ref(l),
                .n = n,
                .size = sizeof(Dump) + n * sizeof(((Dump *) NULL)->filters[0]),
                .pidfd = -EBADF,
        };
        run->dump = mmap(NULL, run->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (run->dump == MAP_FAILED) {
                run->dump = NULL;
                return -errno;
        }
        r = sd_event_default(&event);
        if (r < 0)
                return r;
        r = run_start(run, event);
        sd_event_unref(event);
        if (r < 0)
                return r;
        l->run = TAKE_PTR(run);
        return 0;
}

static int refuse_unread(Refusal *reterr, int error)
{
        return refuse(reterr, REFUSAL_UNSUPPORTED, error,
                      "failed to read the container's seccomp filters: %s", strerrordesc_np(-error));
}

int filters_check_failure(const Leader *l, Refusal *reterr)
{
        return l->filters_error < 0 && now_usec(CLOCK_MONOTONIC) < l->filters_again
                       ? refuse_unread(reterr, l->filters_error)
                       : 0;
}

int filters_need(Leader *l, uint32_t n, Refusal *reterr)
{
        int r;

        if (l->filters && l->filters->n == n)
                return 0;
        if (l->run)
                return -EINPROGRESS;
        r = filters_check_failure(l, reterr);
        if (r < 0)
                return r;
        r = n > RUNNER_FILTERS_MAX ? -E2BIG : run_new(l, n);
        return r < 0 ? refuse_unread(reterr, r) : -EINPROGRESS;
}

int filters_wait(Leader *l, FiltersWait *w, void (*callback)(void *userdata), void *userdata,
                 Refusal *reterr)
{
        if (!l->run)
                return -ESTALE;
        if (l->run->n_waits >= FILTERS_WAITS_MAX)
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                              "too many execs wait for the container's seccomp filters (limit %d)",
                              FILTERS_WAITS_MAX);
        *w = (FiltersWait){.run = l->run, .callback = callback, .userdata = userdata};
        list_append(&l->run->waits, &w->node);
        l->run->n_waits++;
        return 0;
}

void filters_wait_cancel(FiltersWait *w)
{
        if (!w->run)
                return;
        list_remove(&w->run->waits, &w->node);
        w->run->n_waits--;
        w->run = NULL;
}
