/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The dump is made by a child of ours: if the leader cannot be stopped in time (it may sleep in the kernel),
 * the child is ended, and with its tracer gone the kernel lets the leader run on as if nothing had been.
 */

#include "spawner/filters.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/fd.h"

#define DUMP_MSEC        1000
#define INSTRUCTIONS_MAX 4096 /* BPF_MAXINSNS */

/* Shared with the child. */
typedef struct Dump {
        int error;
        struct {
                uint32_t n_instructions;
                uint32_t log;
                struct sock_filter instructions[INSTRUCTIONS_MAX];
        } filters[];
} Dump;

LeaderFilters *filters_free(LeaderFilters *f)
{
        if (!f)
                return NULL;
        free(f->data);
        free(f);
        return NULL;
}

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

/* In the child. The kernel ends the tracing when it exits. */
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

static int wait_for_child(pid_t child, const Dump *dump)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(child);
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        int status, r;

        r = pidfd < 0 ? 0 : poll(&p, 1, DUMP_MSEC);
        if (r <= 0)
                kill(child, SIGKILL);
        if (waitpid(child, &status, 0) < 0)
                return -errno;
        if (r <= 0)
                return -ETIMEDOUT;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? dump->error : -EIO;
}

static int filters_from_dump(const Dump *dump, uint32_t n, LeaderFilters **ret)
{
        _cleanup_(filters_freep) LeaderFilters *f = calloc(1, sizeof(*f));
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

int filters_read(pid_t pid, int pidfd, uint32_t n, LeaderFilters **ret)
{
        size_t size = sizeof(Dump) + n * sizeof(((Dump *) NULL)->filters[0]);
        pid_t child;
        Dump *dump;
        int r;

        if (n > RUNNER_FILTERS_MAX)
                return -E2BIG;
        dump = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (dump == MAP_FAILED)
                return -errno;

        child = fork();
        if (child == 0) {
                dump->error = dump_all(pid, pidfd, n, dump);
                _exit(0);
        }
        r = child < 0 ? -errno : wait_for_child(child, dump);
        if (r >= 0)
                r = filters_from_dump(dump, n, ret);
        munmap(dump, size);
        return r;
}
