/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The wait for a command that goes on for long. Most of the memory of a monitor is data of the C library, and
 * each exec has a monitor. It gives all of that back, and keeps the page with its arguments, a page for the
 * report and a stack, and the code of the wait, which only makes system calls.
 */

#include <sys/types.h>

#include "wire/runner-spec.h"

/* Waits for the command, reports its end, and exits. Returns at once where this cannot be done, with
 * everything as it was. All signals are blocked. */
void lean_wait(const RunnerReport *started, pid_t command);
