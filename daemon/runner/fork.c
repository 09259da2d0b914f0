/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The fork that makes the command. The monitor takes the end of the channel for the sign that the command was
 * executed: the kernel closes the command's copy within execve(2), and a pipe's last copy ends only when the
 * task that closes it returns to user mode, after its credentials were changed. This holds for the last copy
 * alone. If the joiner still had one, it could close it while the kernel is halfway through execve(2), and
 * the command would be looked at with the rights that its set-up needed. So the command waits at a gate, the
 * read end of a pipe, until the joiner has closed its copy.
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/runner.h"

/* It becomes readable when no copy of its other end is left, also if the joiner has been killed. */
static void wait_at_gate(const int gate[2])
{
        char byte;

        close(gate[1]);
        while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
                ;
        close(gate[0]);
}

int fork_command(void)
{
        ChannelMessage m = {.type = CHANNEL_FORKED};
        int gate[2];
        long pid;

        if (pipe2(gate, O_CLOEXEC) < 0)
                return -errno;
        pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                wait_at_gate(gate);
                return 0;
        }

        m.pid = (int32_t) pid;
        channel_send(&m);
        close(CHANNEL_FD);
        close(gate[1]);
        close(gate[0]);
        return (int) pid;
}
