/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes of ours that hang in a container. A file system that the container serves may never answer, and a process
 * that waits for it cannot be killed once it has begun to. The exec fails after a time; its process stays, and a
 * container that holds too many of them gets no more, and neither does a user who has had too many enter.
 */

#include <systemd/sd-event.h>

#include "spawner/leader.h"

#define HANGING_MAX        16 /* in a container */
#define HANGING_CALLER_MAX 64 /* of a user other than root */

/* Refuses an exec in a container that holds so many, and one for such a user. */
int hanging_check(const Leader *l, uid_t caller, Refusal *reterr);

/* Counts a process until it has ended. Takes the pidfd on success. */
int hanging_count(sd_event *event, pid_t pid, int pidfd, Leader *l, uid_t caller);

/* Counts those in the scope of an exec that was killed. */
void hanging_count_scope(sd_event *event, pid_t runner, const char *exec_id, Leader *l, uid_t caller);
