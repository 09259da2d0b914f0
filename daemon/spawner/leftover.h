/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A child of ours that was given up, until it has ended. The kernel does not end one that waits for a file system
 * which has begun to answer, and the container may serve that itself. */

#include <systemd/sd-event.h>

#include "spawner/leader.h"

/* Takes the pidfd on success. The child was in the way of `leader`, unless that is NULL: `counter`, which is a
 * member of it, counts the child until its end. */
int leftover_new(sd_event *event, pid_t child, int pidfd, Leader *leader, unsigned *counter);

/* All that there are. */
unsigned leftover_count(void);
