/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/seccomp-filters.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/time.h"
#include "spawner/reader.h"

#define WAITS_MAX        256
#define INSTRUCTIONS_MAX 4096 /* BPF_MAXINSNS */

/* The time until the next attempt. */
#define FAILED_USEC (3 * USEC_PER_SEC)

/* Shared with the reader. */
typedef struct Dump {
        ReaderMemory memory;
        int error;
        struct {
                uint32_t n_instructions;
                uint32_t log;
                struct sock_filter instructions[INSTRUCTIONS_MAX];
        } filters[];
} Dump;

typedef struct FiltersRun {
        LeaderWaits waits;
        Leader *leader; /* owned reference */
        uint32_t n;
        Reader *reader; /* NULL once it has ended */
} FiltersRun;

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

/* In the reader. The kernel ends the tracing when it exits, and the leader runs on as before. */
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
                reader_advance(&dump->memory);
        }
        if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *) (uintptr_t) n, NULL) >= 0)
                return -EAGAIN; /* one was added meanwhile */
        return 0;
}

static void dump_read(ReaderMemory *m, void *userdata)
{
        const FiltersRun *run = userdata;
        Dump *dump = (Dump *) m;

        dump->error = dump_all(run->leader->pid, run->leader->pidfd, run->n, dump);
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
        leader_waits_done(&run->waits);
        reader_free(run->reader, NULL);
        leader_unref(run->leader);
        free(run);
        return NULL;
}
DEFINE_CLEANUP(FiltersRun, run_free);

static void on_told(LeaderWaits *l)
{
        run_free(LIST_ENTRY(l, FiltersRun, waits));
}

/* The result is the leader's, and each request that waits asks for it anew. */
static void dump_done(void *userdata, int error)
{
        FiltersRun *run = userdata;
        const Dump *dump = (const Dump *) reader_memory(run->reader);
        Leader *l = run->leader;
        int r = error < 0 ? error : dump->error;

        l->filters = leader_filters_free(l->filters);
        if (r >= 0)
                r = filters_from_dump(dump, run->n, &l->filters);
        l->filters_error = r;
        /* One was added meanwhile: the next number is read at once. */
        l->filters_again = r == -EAGAIN ? 0 : now_usec(CLOCK_MONOTONIC) + FAILED_USEC;
        l->filters_waits = NULL;
        run->reader = reader_free(run->reader, NULL);
        leader_waits_tell(&run->waits);
}

static int run_new(Leader *l, uint32_t n)
{
        _cleanup_(run_freep) FiltersRun *run = calloc(1, sizeof(*run));
        int r;

        if (!run)
                return -ENOMEM;
        *run = (FiltersRun){
                .waits = {.max = WAITS_MAX, .what = "the container's seccomp filters", .on_told = on_told},
                .leader = leader_ref(l),
                .n = n,
        };
        r = leader_waits_read(&run->waits,
                              &(ReaderJob){
                                      .size = sizeof(Dump) + run->n * sizeof(((Dump *) NULL)->filters[0]),
                                      .pidfd = run->leader->pidfd,
                                      .read = dump_read,
                                      .on_done = dump_done,
                                      .userdata = run,
                              },
                              &run->reader);
        if (r < 0)
                return r;
        l->filters_waits = &run->waits;
        TAKE_PTR(run);
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
        if (l->filters_waits)
                return -EINPROGRESS;
        r = filters_check_failure(l, reterr);
        if (r < 0)
                return r;
        r = n > RUNNER_FILTERS_MAX ? -E2BIG : run_new(l, n);
        return r < 0 ? refuse_unread(reterr, r) : -EINPROGRESS;
}
