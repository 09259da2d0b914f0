/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Signals to a command, or to all that is in its scope. */

#include <stdbool.h>

#include "base/refusal.h"

/* The process of `pidfd` must lie in the scope of this exec. `all` spares the runner, which reports the end.
 * -ESRCH when it has ended. */
int kill_exec(const char *exec_id, int pidfd, int signal_number, bool all, Refusal *reterr);

/* Ends everything in the scope that this process (a runner) lies in, the process itself as well. */
void kill_scope_of(pid_t pid, const char *exec_id);
