/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starts a runner: the static program in a process of its own, with its control socket and no other file
 * descriptor. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

typedef struct Runner {
        pid_t pid;   /* unreaped as long as the runner is held, so that no other process can have it */
        int pidfd;   /* owned */
        int control; /* owned: our end, non-blocking */
} Runner;

#define RUNNER_INIT ((Runner){.pidfd = -EBADF, .control = -EBADF})

int runner_spawn(const char *program, Runner *ret);

/* Lets go: the control socket is closed, which ends a parked runner, and the process is reaped whenever it
 * ends. */
void runner_release(Runner *r, sd_event *event);
