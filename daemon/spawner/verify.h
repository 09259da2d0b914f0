/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* After the command was executed: does it have what its container had when that was found, and no more? */

#include "base/refusal.h"
#include "spawner/leader.h"

int verify_command(pid_t pid, int pidfd, const Leader *leader, const RunnerSpec *spec, Refusal *reterr);
