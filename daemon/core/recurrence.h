/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long clients stay away before they come back. A health check comes every half minute, and would find
 * execd gone, or its link to the spawner closed, each time. The longest of the recent pauses counts, since a
 * client that came back after it is likely to do so again. It fades when pauses get shorter, and is forgotten
 * when a pause is too long to be waited for. It outlives execd, which exits in between.
 */

#include <stdint.h>

#include "base/time.h"

#define RECURRENCE_PAUSE_MIN (1 * USEC_PER_SEC) /* a shorter time is not a pause */

typedef struct Recurrence {
        uint64_t left;  /* CLOCK_MONOTONIC: when the last use ended; 0: there was none */
        uint64_t pause; /* the expected pause; 0: no client has come back */
} Recurrence;

/* A use begins, or has ended. `max` is the longest pause that counts. */
void recurrence_begin(Recurrence *r, uint64_t now, uint64_t max);
void recurrence_end(Recurrence *r, uint64_t now);

/* How long it is worth to be there after a use: not less than `base`, and not more than `max` unless `base`
 * is. */
uint64_t recurrence_stay(const Recurrence *r, uint64_t base, uint64_t max);

/* In a file of this directory: read at the start, written at the end. Nothing depends on it. */
void recurrence_load(Recurrence *r, const char *directory);
int recurrence_save(const Recurrence *r, const char *directory);
