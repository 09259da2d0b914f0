/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/scout-process.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "spawner/cgroup.h"

#define SCOUT_SOCKET 3

void scout_findings_done(ScoutFindings *f)
{
        for (size_t i = 0; i < f->n_fds; i++)
                fd_close(f->fds[i]);
        refusal_done(&f->refusal);
}

static void work_once(ScoutMemory *m, int fd)
{
        const char answer = 0;
        ScoutFindings found = {0};
        int r;

        m->error = m->work->run(m->data, fd, &found);
        m->refusal = found.refusal.kind;
        snprintf(m->message, sizeof(m->message), "%s", found.refusal.message ?: "");
        r = fd_send_message(SCOUT_SOCKET, &answer, sizeof(answer), found.fds, found.n_fds);
        if (r < 0)
                _exit(1);
        scout_findings_done(&found);
}

static void run_scout(ScoutMemory *m, int socket, pid_t parent) __attribute__((noreturn));
static void run_scout(ScoutMemory *m, int socket, pid_t parent)
{
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (socket != SCOUT_SOCKET && dup2(socket, SCOUT_SOCKET) < 0)
                _exit(1);
        if (close_range(SCOUT_SOCKET + 1, ~0U, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
            getppid() != parent)
                _exit(1);
        (void) prctl(PR_SET_NAME, "execd-scout");
        cgroup_forget_root();
        for (;;) {
                int fd = -EBADF;
                size_t n_fds = 0;
                char order;

                if (fd_recv_message(SCOUT_SOCKET, &order, sizeof(order), &fd, 1, &n_fds) <= 0)
                        _exit(0);
                work_once(m, n_fds > 0 ? fd : -EBADF);
                if (n_fds > 0)
                        fd_close(fd);
        }
}

static int start(ScoutMemory *m, pid_t *ret_pid, int *ret_pidfd, int *ret_socket)
{
        pid_t parent = getpid(), pid;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        *ret_socket = pair[0];
        pid = fork();
        if (pid == 0)
                run_scout(m, pair[1], parent);
        fd_close(pair[1]);
        if (pid < 0)
                return -errno;
        *ret_pid = pid;
        *ret_pidfd = pidfd_open_pid(pid);
        return *ret_pidfd < 0 ? *ret_pidfd : fd_set_nonblock(*ret_socket, true);
}

int scout_process_start(ScoutMemory **ret_memory, pid_t *ret_pid, int *ret_pidfd, int *ret_socket)
{
        void *m = mmap(NULL, sizeof(ScoutMemory), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (m == MAP_FAILED)
                return -errno;
        *ret_memory = m;
        return start(m, ret_pid, ret_pidfd, ret_socket);
}
