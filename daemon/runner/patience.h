/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the monitor waits for its children in the set-up. A container may keep them waiting, with a file system that
 * does not answer: that has an end soon. They may also wait for the processor, since they share the CPU limit of the
 * container with its commands: that is not a fault, and they get more time. The monitor is limited, and frozen,
 * together with them. The time in which it did not run itself therefore does not count.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

#define PATIENCE_LOOK_USEC (USEC_PER_SEC / 4)

typedef struct Patience {
        uint64_t looked;        /* CLOCK_MONOTONIC */
        uint64_t asleep, total; /* the time for which no child was ready to run, and all of it */
} Patience;

typedef enum PatienceEnd {
        PATIENCE_LEFT,
        PATIENCE_NO_ANSWER,    /* the container kept them waiting */
        PATIENCE_NO_PROCESSOR, /* they did not get the processor for long enough */
} PatienceEnd;

void patience_begin(Patience *p, uint64_t now);
/* Whether it is time for another look. */
bool patience_is_due(const Patience *p, uint64_t now);
PatienceEnd patience_look(Patience *p, uint64_t now, bool is_ready_to_run);
