/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Whether a process runs, or would run if it got the processor: it waits for nobody. Of its threads, the kernel
 * describes the first. */
bool process_is_ready_to_run(pid_t pid);
