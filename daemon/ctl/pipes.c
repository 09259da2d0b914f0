/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The other ends of a command's pipes. Our own stdin, stdout and stderr are files of this host and are never
 * passed: a command could write to a file that was opened for reading, change its owner and its mode, or
 * read from a pipeline what others write to it after this command.
 */

#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "ctl/session.h"

/* Two descriptions of one regular file have two positions in it, and stay two. */
bool session_has_one_output(void)
{
        pid_t self = getpid();
        struct stat out, err;

        if (syscall(SYS_kcmp, self, self, KCMP_FILE, STDOUT_FILENO, STDERR_FILENO) == 0)
                return true;
        return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && !S_ISREG(out.st_mode) &&
               out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

static void use_input(Session *s, int pipe)
{
        Pump *p = &s->pumps[STDIN_FILENO];

        sink_take(&s->sinks[STDIN_FILENO], pipe);
        p->in = STDIN_FILENO;
        p->out[0] = &s->sinks[STDIN_FILENO];
        p->end = PUMP_END_CLOSE;
}

static void use_output(Session *s, int fd, int pipe)
{
        Pump *p = &s->pumps[fd];

        p->in = pipe;
        p->owned = true;
        p->may_splice = true;
        sink_open(&s->sinks[fd], fd);
        p->out[0] = &s->sinks[fd];
}

int session_use_pipes(Session *s, const int pipes[static 3])
{
        int r = 0;

        /* That of stderr is at its end where stdout has it all. */
        use_output(s, STDOUT_FILENO, pipes[STDOUT_FILENO]);
        use_output(s, STDERR_FILENO, pipes[STDERR_FILENO]);
        if (s->ctl->options.interactive)
                use_input(s, pipes[STDIN_FILENO]);
        else
                fd_close(pipes[STDIN_FILENO]);
        for (int i = s->ctl->options.interactive ? 0 : 1; i < 3 && r >= 0; i++)
                r = fd_set_nonblock(pipes[i], true);
        return r < 0 ? fail_errno(r, "Failed to set up a pipe") : 0;
}

void session_release_stdin(Session *s)
{
        Pump *p = &s->pumps[STDIN_FILENO];
        int null;

        if (s->stream >= 0 || p->in != STDIN_FILENO || !s->sinks[STDIN_FILENO].broken)
                return;
        p->in = -EBADF;
        if (isatty(STDIN_FILENO))
                return;
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null >= 0)
                (void) dup2(null, STDIN_FILENO);
        fd_close(null);
}

int session_lost_output(const Session *s)
{
        static const char *const names[] = {"stdin", "stdout", "stderr"};
        int failed = 0;

        for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
                const Sink *sink = &s->sinks[i];

                if (sink->error)
                        failed = fail_errno(sink->error, "Failed to write to %s", names[i]);
                else if (sink->lost && !failed)
                        failed = 128 + SIGPIPE;
        }
        return failed;
}

/* A success is none where bytes were lost on the way. */
int session_pipes_status(const Session *s, int status)
{
        int failed = 0;

        if (s->pumps[STDIN_FILENO].error)
                failed = fail_errno(s->pumps[STDIN_FILENO].error, "Failed to read from stdin");
        failed = session_lost_output(s) ?: failed;
        return status ?: failed;
}
