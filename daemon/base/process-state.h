/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Bytes of /proc/PID/status that are read. The process decides how many groups it has: the kernel allows 65536, and each
 * takes up to 11 bytes. */
#define PROCESS_STATUS_MAX (1024 * 1024)

/* Whether a process runs, or would run if it got the processor: it does not wait for an event. Of its threads, the
 * kernel describes the first. */
bool process_is_ready_to_run(pid_t pid);
