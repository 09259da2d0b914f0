/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A command's pipes. Our own stdin, stdout and stderr are files of this host and are never passed: a command
 * could write to a file that was opened for reading, change its owner and its mode, or read from a pipeline
 * what others write to it after this command.
 */

#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "ctl/session.h"

/* Are stdout and stderr one file? Then the command gets one pipe for both, so that the order of what it
 * writes is kept. Two descriptions of one regular file have two positions in it, and stay two. */
static bool is_one_output(void)
{
        pid_t self = getpid();
        struct stat out, err;

        if (syscall(SYS_kcmp, self, self, KCMP_FILE, STDOUT_FILENO, STDERR_FILENO) == 0)
                return true;
        return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && !S_ISREG(out.st_mode) &&
               out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/* Our end does not block; the command's does. */
static int make_pipe(int *ret_read, int *ret_write, bool ours_is_read, bool large)
{
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return fail_errno(errno, "Failed to create a pipe");
        if (large)
                (void) fcntl(ends[0], F_SETPIPE_SZ, PUMP_PIPE_SIZE);
        *ret_read = ends[0];
        *ret_write = ends[1];
        r = fd_set_nonblock(ours_is_read ? ends[0] : ends[1], true);
        return r < 0 ? fail_errno(r, "Failed to set up a pipe") : 0;
}

/* Without input the command gets a pipe without a writer, for which it has its container's null device. */
static int make_input(Session *s, int *ret_command)
{
        bool interactive = s->ctl->options.interactive;
        Pump *p = &s->pumps[STDIN_FILENO];
        int writer, r;

        r = make_pipe(ret_command, &writer, false, interactive);
        if (r != 0)
                return r;
        if (!interactive) {
                fd_close(writer);
                return 0;
        }
        sink_take(&s->sinks[STDIN_FILENO], writer);
        p->in = STDIN_FILENO;
        p->out[0] = &s->sinks[STDIN_FILENO];
        p->end = PUMP_END_CLOSE;
        return 0;
}

static int make_output(Session *s, int fd, int *ret_command)
{
        Pump *p = &s->pumps[fd];
        int r;

        r = make_pipe(&p->in, ret_command, true, fd == STDOUT_FILENO);
        if (r != 0)
                return r;
        p->owned = true;
        p->may_splice = true;
        sink_open(&s->sinks[fd], fd);
        p->out[0] = &s->sinks[fd];
        return 0;
}

int session_use_pipes(Session *s, int ret_command[static 3])
{
        int r;

        r = make_input(s, &ret_command[STDIN_FILENO]);
        if (r == 0)
                r = make_output(s, STDOUT_FILENO, &ret_command[STDOUT_FILENO]);
        if (r != 0)
                return r;
        if (!is_one_output())
                return make_output(s, STDERR_FILENO, &ret_command[STDERR_FILENO]);
        ret_command[STDERR_FILENO] = fcntl(ret_command[STDOUT_FILENO], F_DUPFD_CLOEXEC, 3);
        return ret_command[STDERR_FILENO] < 0 ? fail_errno(errno, "Failed to duplicate a pipe") : 0;
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

/* A success is none where bytes were lost on the way. */
int session_pipes_status(const Session *s, int status)
{
        static const char *const names[] = {"stdin", "stdout", "stderr"};
        int failed = 0;

        if (s->pumps[STDIN_FILENO].error)
                failed = fail_errno(s->pumps[STDIN_FILENO].error, "Failed to read from stdin");
        for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
                const Sink *sink = &s->sinks[i];

                if (sink->error)
                        failed = fail_errno(sink->error, "Failed to write to %s", names[i]);
                else if (sink->lost && !failed)
                        failed = 128 + SIGPIPE;
        }
        return status ?: failed;
}
