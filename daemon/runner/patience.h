/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the monitor waits for its children in the set-up. A container may keep them waiting, with a file system that
 * does not answer: that has an end soon. They may also wait for the processor, since they share the CPU limit of the
 * container with its commands: that is not a fault, and they get more time. The same applies to memory: above memory.high,
 * the kernel makes them sleep. The monitor is limited, and frozen, together with them. The time in which it did not run
 * itself therefore does not count.
 *
 * A container can make them wait for memory on purpose, since the kernel counts the wait for a page that was in memory
 * before and that a file system of the container does not deliver. It only gains the same longer time, for its own execs.
 * The pressure of input and output does not count: each file system of the container could cause it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

#define PATIENCE_LOOK_USEC (USEC_PER_SEC / 4)

typedef struct Patience {
        uint64_t looked;        /* CLOCK_MONOTONIC */
        uint64_t memory;        /* how long they had waited for memory by then */
        uint64_t asleep, total; /* the time for which no child was ready to run, and all of it */
        uint64_t for_memory;    /* the time of it that they waited for memory */
} Patience;

typedef enum PatienceEnd {
        PATIENCE_LEFT,
        PATIENCE_NO_ANSWER,    /* the container kept them waiting */
        PATIENCE_NO_PROCESSOR, /* they did not get the processor for long enough, */
        PATIENCE_NO_MEMORY,    /* or had to wait for memory */
} PatienceEnd;

void patience_begin(Patience *p, uint64_t now);
/* Whether it is time for another look. */
bool patience_is_due(const Patience *p, uint64_t now);
/* `memory` is how long they have waited for memory so far, in all. */
PatienceEnd patience_look(Patience *p, uint64_t now, bool is_ready_to_run, uint64_t memory);
