/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/runner-spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "wire/runner-spec.h"

/* What the child does before it is the runner: the control socket and nothing else is its own. In this
 * order: RUNNER_CONTROL_FD may be any of ours until then. */
static int add_actions(posix_spawn_file_actions_t *actions, int control)
{
        int r = posix_spawn_file_actions_adddup2(actions, control, RUNNER_CONTROL_FD);

        if (r == 0)
                r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR | O_NOCTTY, 0);
        for (int fd = 1; r == 0 && fd < 3; fd++)
                r = posix_spawn_file_actions_adddup2(actions, 0, fd);
        return r == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, RUNNER_CONTROL_FD + 1) : r;
}

static int add_signals(posix_spawnattr_t *attributes)
{
        sigset_t all, none;
        int r;

        sigfillset(&all);
        sigemptyset(&none);
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        return r == 0 ? posix_spawnattr_setsigmask(attributes, &none) : r;
}

/* Not by fork(2): the copy of our page tables, and each page that is written to afterwards, cost more than
 * all else that is done for an exec here. */
static int spawn(const char *program, int control, pid_t *ret)
{
        char *const argv[] = {(char *) "execd-runner", NULL}, *const env[] = {NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = add_actions(&actions, control);
                if (r == 0)
                        r = add_signals(&attributes);
                if (r == 0)
                        r = posix_spawn(ret, program, &actions, &attributes, argv, env);
                (void) posix_spawnattr_destroy(&attributes);
        }
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
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

        r = spawn(program, theirs, &pid);
        if (r < 0)
                return r;

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
                /* It stays a zombie until we leave. */
                log_error_errno(e, "Cannot watch runner %d", r->pid);
                r->pidfd = fd_close(r->pidfd);
                return;
        }
        (void) sd_event_source_set_io_fd_own(source, true);
        r->pidfd = -EBADF;
}
