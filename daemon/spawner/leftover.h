/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An abandoned process of execd-spawner, until it ends. The kernel does not end one that waits for a file system
 * which has begun to answer, and the container may serve that itself. */

#include <systemd/sd-event.h>

#include "spawner/leader.h"

/* The counters that include it until then. All may be NULL. */
typedef struct LeftoverOf {
        Leader *leader;      /* whose container it hangs in */
        unsigned *of_leader; /* a member of that */
        unsigned *of_all;    /* static, as is the next one */
        unsigned *of_caller;
} LeftoverOf;

/* Takes the pidfd on success. */
int leftover_new(sd_event *event, const LeftoverOf *of, pid_t pid, int pidfd);
