/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* After the command was executed: is it what it should be, as the kernel sees it? */

#include "base/refusal.h"
#include "wire/runner-spec.h"

int verify_command(pid_t pid, int pidfd, const RunnerSpec *spec, Refusal *reterr);
