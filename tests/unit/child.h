/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processes of a test that do nothing. */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/need.h"

static inline pid_t start_child(void)
{
        pid_t parent = getpid(), pid = fork();

        NEED(pid >= 0);
        if (pid != 0)
                return pid;
        /* Otherwise it would hold the output of a test that has failed. */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
                pause();
        _exit(0);
}

static inline void end_child(pid_t pid)
{
        kill(pid, SIGKILL);
        NEED(waitpid(pid, NULL, 0) == pid);
}
