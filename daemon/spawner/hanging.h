/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes of ours that hang in a container. A file system that the container serves may never answer, and a process
 * that waits for it cannot be killed once it has begun to. The exec fails after a time; its process stays, and a
 * container that holds too many of them gets no more.
 */

#include <systemd/sd-event.h>

#include "spawner/leader.h"

#define HANGING_MAX 16

/* Refuses an exec in a container that holds so many. */
int hanging_check(const Leader *l, Refusal *reterr);

/* Counts a process until it has ended. Takes the pidfd on success. */
int hanging_count(sd_event *event, pid_t pid, int pidfd, Leader *l);

/* Counts those in the scope of an exec that was killed. */
void hanging_count_scope(sd_event *event, pid_t runner, const char *exec_id, Leader *l);
