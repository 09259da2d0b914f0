/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signals all processes of a control group, some in each turn of the loop: a command decides how many there are.
 * SIGKILL is repeated until no process is left, since one that forks meanwhile would get away otherwise.
 */

#include <sys/types.h>

#include "base/refusal.h"

/* Leaves out the process `runner`, unless that is 0. The first ones have got the signal on return, all of them if they
 * are few. Refuses while another sweep of this control group goes on, except for SIGKILL. -ESRCH when there is no process. */
int sweep_start(const char *path, int signal_number, pid_t runner, Refusal *reterr);
