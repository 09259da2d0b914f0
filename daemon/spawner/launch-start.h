/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The start of a launch, up to the answer to the peer. */

#include "spawner/launch.h"

typedef struct LaunchStart {
        char **argv, **env; /* taken over */
        const char *user, *working_dir;
        bool tty, privileged, null_stdin, log, one_output;
        uint16_t rows, columns;
        uint64_t cap_privileged;
        uint32_t login_uid;
        const int *stdio; /* three fds, or NULL */
        int ticket;       /* weak, of the message: used when the runner is released */
} LaunchStart;

/* For launch_new(). */
extern const LaunchEvents launch_start_events;

/* Begins; the message is answered when the command runs or cannot. On failure the launch is the caller's to
 * free. */
int launch_start(Launch *l, sd_bus_message *message, LaunchStart *q, Refusal *reterr);
