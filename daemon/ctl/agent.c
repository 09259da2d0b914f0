/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* polkit's textual agent: it asks for a password on our terminal when execd's question needs one. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>

#include "ctl/bus.h"

#define AGENT "pkttyagent"

/* An agent that has not registered by then is not waited for. */
#define AGENT_WAIT_MS 5000

/* It speaks through the controlling terminal, which must be ours at the moment: in the background a question
 * would only stop us. */
static bool have_terminal(void)
{
        _cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

        return fd >= 0 && tcgetpgrp(fd) == getpgrp();
}

static void agent_child(int notify_fd, pid_t parent)
{
        char number[16];
        int fd;

        /* It exits with us however we end. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) fcntl(notify_fd, F_SETFD, 0);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
                (void) dup2(fd, STDIN_FILENO);
                (void) dup2(fd, STDOUT_FILENO);
        }
        snprintf(number, sizeof(number), "%d", notify_fd);
        /* A desktop's agent comes first. Without a login session there is none, and then polkit does not look
         * at fallbacks. */
        execlp(AGENT, AGENT, "--notify-fd", number, sd_pid_get_session(0, NULL) >= 0 ? "--fallback" : NULL,
               (char *) NULL);
        _exit(EXIT_FAILURE);
}

/* Waits until no other process asks. The lock is of an open file of our own, which ends with us. */
static bool lock(Ctl *c)
{
        struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        char path[32];
        int fd;

        if (c->agent_lock <= 0)
                return true;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", c->agent_lock);
        fd = open(path, O_RDWR | O_CLOEXEC);
        fd_close(c->agent_lock);
        c->agent_lock = fd;
        return fd >= 0 && fcntl(fd, F_OFD_SETLKW, &all) == 0;
}

void agent_open(Ctl *c)
{
        struct pollfd registered = {.events = POLLIN};
        pid_t parent = getpid(), pid;
        int pipe_fds[2];

        if (c->agent_tried)
                return;
        c->agent_tried = true;
        if (c->options.no_ask_password || c->options.host || geteuid() == 0 || !have_terminal())
                return;
        if (!lock(c) || pipe2(pipe_fds, O_CLOEXEC) < 0)
                return;
        pid = fork();
        if (pid == 0)
                agent_child(pipe_fds[1], parent);
        fd_close(pipe_fds[1]);
        if (pid > 0) {
                c->agent = pid;
                registered.fd = pipe_fds[0];
                /* It closes the pipe when it has registered, or by leaving. */
                while (poll(&registered, 1, AGENT_WAIT_MS) < 0 && errno == EINTR)
                        ;
        }
        fd_close(pipe_fds[0]);
}

void agent_close(Ctl *c)
{
        if (c->agent > 0) {
                (void) kill(c->agent, SIGTERM);
                (void) kill(c->agent, SIGCONT);
                while (waitpid(c->agent, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        c->agent = 0;
        if (c->agent_lock > 0)
                c->agent_lock = fd_close(c->agent_lock);
}
