/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "ctl/ctl.h"
#include "wire/units.h"

/* Without less there is still something that shows all of it. */
#define DEFAULT_PAGER "for p in less more cat; do command -v $p >/dev/null && exec $p; done"

/* Of these only less can be kept from starting a shell. */
#define SECURE_PAGER "command -v less >/dev/null && exec less; exec cat"

/* A user who may run execctl with more rights than their own must not get a shell from the pager. */
static bool is_elevated(void)
{
        const char *secure = getenv("SYSTEMD_PAGERSECURE");
        bool value;

        if (secure)
                return units_parse_boolean(secure, &value) < 0 || value;
        return getuid() != geteuid() || getenv("SUDO_UID") || getenv("PKEXEC_UID");
}

/* NULL: none. As systemd's programs have it, a terminal that cannot move its cursor gets none either. */
static const char *pager_command(void)
{
        const char *command = getenv("SYSTEMD_PAGER") ?: getenv("PAGER"), *term = getenv("TERM");

        if (!term || !*term || strcmp(term, "dumb") == 0)
                return NULL;
        if (command && (!*command || strcmp(command, "cat") == 0))
                return NULL;
        if (is_elevated())
                return SECURE_PAGER;
        return command ?: DEFAULT_PAGER;
}

static void pager_child(int in, const char *command)
{
        (void) signal(SIGPIPE, SIG_DFL);
        (void) dup2(in, STDIN_FILENO);
        (void) setenv("LESS", getenv("SYSTEMD_LESS") ?: "FRSXMK", 1);
        if (getenv("SYSTEMD_LESSCHARSET"))
                (void) setenv("LESSCHARSET", getenv("SYSTEMD_LESSCHARSET"), 1);
        if (is_elevated())
                (void) setenv("LESSSECURE", "1", 1);
        execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        _exit(127);
}

void pager_open(Ctl *c)
{
        const char *command = pager_command();
        int pipe_fds[2];
        pid_t pid;

        if (c->options.no_pager || !c->on_terminal || c->pager > 0 || !command)
                return;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return;
        fflush(stdout);
        pid = fork();
        if (pid == 0)
                pager_child(pipe_fds[0], command);
        if (pid > 0) {
                c->pager = pid;
                (void) dup2(pipe_fds[1], STDOUT_FILENO);
                /* The pager handles ^C while it runs. */
                (void) signal(SIGINT, SIG_IGN);
        }
        fd_close(pipe_fds[0]);
        fd_close(pipe_fds[1]);
}

void pager_take_stderr(Ctl *c)
{
        int copy;

        if (c->pager <= 0 || c->own_stderr > 0 || !isatty(STDERR_FILENO))
                return;
        copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return;
        c->own_stderr = copy;
        (void) dup2(STDOUT_FILENO, STDERR_FILENO);
}

void pager_close(Ctl *c)
{
        int status = 0;

        if (c->pager <= 0)
                return;
        fflush(stdout);
        fd_close(STDOUT_FILENO);
        /* The pager sees the end once nothing of ours can write to it. */
        if (c->own_stderr > 0) {
                (void) dup2(c->own_stderr, STDERR_FILENO);
                c->own_stderr = fd_close(c->own_stderr);
        }
        while (waitpid(c->pager, &status, 0) < 0 && errno == EINTR)
                ;
        c->pager = 0;
}
