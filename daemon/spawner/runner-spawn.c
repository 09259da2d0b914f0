/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/runner-spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "wire/runner-spec.h"

/* Those that the runner must not ignore as we do. execve(2) itself takes care of those that we handle. Nothing in this
 * program ignores another one later. */
static const sigset_t *ignored_signals(void)
{
        static sigset_t ignored;
        static bool known;
        struct sigaction now;

        if (known)
                return &ignored;
        sigemptyset(&ignored);
        for (int s = 1; s < _NSIG; s++)
                if (sigaction(s, NULL, &now) >= 0 && now.sa_handler == SIG_IGN)
                        sigaddset(&ignored, s);
        known = true;
        return &ignored;
}

/* The child, in our own memory until the new program is executed. Never inlined: what it writes to is below
 * the frames of the parent, which finds all of its own as it was. */
static void run(const char *program, int control, const sigset_t *ignored)
        __attribute__((noreturn, noinline));
static void run(const char *program, int control, const sigset_t *ignored)
{
        char *const argv[] = {(char *) "execd-runner", NULL}, *const env[] = {NULL};
        struct sigaction dfl = {.sa_handler = SIG_DFL};
        sigset_t none;
        int null;

        /* Out of the way of its final number, and of 0 to 2. */
        control = fcntl(control, F_DUPFD, RUNNER_CONTROL_FD + 2);
        if (control < 0)
                _exit(1);
        null = open("/dev/null", O_RDWR | O_NOCTTY);
        for (int fd = 0; fd < 3; fd++)
                if (dup2(null, fd) < 0)
                        _exit(1);
        if (dup2(control, RUNNER_CONTROL_FD) < 0 || close_range(RUNNER_CONTROL_FD + 1, ~0U, 0) < 0)
                _exit(1);

        for (int s = 1; s < _NSIG; s++)
                if (sigismember(ignored, s) > 0)
                        (void) sigaction(s, &dfl, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(program, argv, env);
        _exit(1);
}

/* Not fork(2): the copy of our page tables, and each page that is written to afterwards, would cost more
 * than all else that is done for an exec here. Nor posix_spawn(3), whose child ignores the C library's two
 * signals ever after. Never inlined: nothing that the caller changes lives in the frame that vfork(2)
 * returns to twice. */
static pid_t start(const char *program, int control) __attribute__((noinline));
static pid_t start(const char *program, int control)
{
        const sigset_t *ignored = ignored_signals();
        pid_t pid;

        pid = vfork();
        if (pid == 0)
                run(program, control, ignored);
        return pid;
}

int runner_spawn(const char *program, Runner *ret)
{
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int pair[2], pidfd, r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        r = fd_set_nonblock(ours, true);
        if (r < 0)
                return r;

        pid = start(program, theirs);
        if (pid < 0)
                return -errno;
        pidfd = pidfd_open_pid(pid);
        if (pidfd < 0) {
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                return pidfd;
        }
        *ret = (Runner){.pid = pid, .pidfd = pidfd, .control = TAKE_FD(ours)};
        return 0;
}

static int on_ended(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
        siginfo_t info;

        (void) waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
        sd_event_source_disable_unref(s); /* closes the pidfd */
        return 0;
}

void runner_release(Runner *r, sd_event *event)
{
        sd_event_source *source = NULL;
        int e;

        r->control = fd_close(r->control);
        if (r->pidfd < 0)
                return;
        e = sd_event_add_io(event, &source, r->pidfd, EPOLLIN, on_ended, NULL);
        if (e < 0) {
                /* It stays a zombie until this process exits. */
                if (e != -ESTALE)
                        log_error_errno(e, "Failed to watch runner %d", r->pid);
                r->pidfd = fd_close(r->pidfd);
                return;
        }
        (void) sd_event_source_set_io_fd_own(source, true);
        r->pidfd = -EBADF;
}
