/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The wait for a command that goes on for long. What the C library has written to is most of the memory of
 * a monitor, and there is one for each exec: all of it is given back, and what is left is the stack, a page
 * for the report, and the code of the wait, which makes system calls and nothing else.
 */

#include <sys/types.h>

#include "wire/runner-spec.h"

/* Waits for the command, reports its end, and exits. Returns at once where this cannot be done, with
 * everything as it was. All signals are blocked. */
void lean_wait(const RunnerReport *started, pid_t command);
