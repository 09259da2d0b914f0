/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A guard of what the loop reads of a process in /proc. The kernel has a process that is in execve(2) finish that
 * first, and a container decides how long that takes: its file system may not answer. Nothing but SIGKILL ends such
 * a read. So the spawner is killed after a while, and the next one leaves the process alone for a time: which one
 * it was is in memory that systemd keeps.
 */

#include <sys/types.h>

#include "base/refusal.h"

#define GUARD_FD_NAME "guard"

/* `kept` is what systemd has kept of the last spawner, or negative. Takes it. */
int guard_init(int kept);

/* Around what may wait for the process; may be nested. */
void guard_enter(pid_t pid, int pidfd);
void guard_leave(void);

/* guard_enter() of a process that is new. Refuses one that is left alone. */
int guard_begin(pid_t pid, Refusal *reterr);
