/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The BPF programs that the kernel runs for a container's cgroup: which devices it may use, which addresses
 * it may talk to. The slice of its execs would be without them, so they are attached to it before a command
 * is released.
 */

#include <stdint.h>

#include "base/refusal.h"

/* Makes the programs that are effective for `container` and not for `parent` (which both share) effective for
 * `slice`, and takes away others that were attached to it. All are cgroup paths. `bare` has a bit for each kind
 * of which the slice was seen without programs, and is 0 at first: only the spawner attaches any. */
int device_policy_copy(const char *container, const char *parent, const char *slice, uint64_t *bare,
                       Refusal *reterr);

/* The old hierarchy's device controller cannot be copied: refuses when these lines of /proc/PID/cgroup name
 * different groups of it. */
int device_policy_check_v1(const char *container_cgroups, const char *own_cgroups, Refusal *reterr);
