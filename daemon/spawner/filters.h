/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The seccomp filters of a process, read from the kernel by ptrace(2). The reader must not be under a filter
 * itself. */

#include "base/refusal.h"
#include "spawner/leader.h"

struct LeaderFilters {
        RunnerFilter items[RUNNER_FILTERS_MAX]; /* oldest first; point into data */
        uint32_t n;
        char *data; /* owned */
};

/* Exactly `n` filters, or an error. */
int filters_read(pid_t pid, int pidfd, uint32_t n, LeaderFilters **ret);
LeaderFilters *filters_free(LeaderFilters *f);
DEFINE_CLEANUP(LeaderFilters, filters_free);
