/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a process is one of the host's. Inside a container a socket of the host reports uids that the
 * container hands out, so root there must not be taken for root here. A process is the host's when the
 * host's uids, pids and root directory are its own; the mount namespace does not count, since services of
 * the host have private ones.
 *
 * Only files of /proc are read that a process cannot delay. That excludes /proc/PID/stat and everything
 * that the kernel checks as ptrace(2): newer kernels have a process that is in execve(2) finish that first,
 * which closes files, and a file system that the process serves itself need never answer.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

typedef struct Origin {
        int pidfd;   /* owned; negative when the process has gone */
        int proc_fd; /* owned: /proc/PID of the same process; negative likewise */
        pid_t pid;
        const char *foreign; /* why the process is not believed to be the host's; NULL: it is */
} Origin;

#define ORIGIN_INIT ((Origin){.pidfd = -EBADF, .proc_fd = -EBADF})

/* The process that connected the other end of a socket. */
Origin origin_of_socket(int fd, pid_t pid);
/* The process that a third party names, by a pidfd (taken) or, if that is negative, by its number. */
Origin origin_of_process(pid_t pid, int pidfd);

/* True as long as the process lives, and all that was read through `proc_fd` is about this process. */
bool origin_is_alive(const Origin *o);

void origin_done(Origin *o);

/* Whether two mountinfos have the same mount at "/". */
bool origin_same_root(const char *mountinfo, const char *host);

/* The beginning of the line of the mount at "/"; NULL if there is none, or more than one. */
char *origin_root_line(const char *mountinfo);
