/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)

/* Large enough for format_rfc3339(). */
#define RFC3339_SIZE 40

static inline uint64_t now_usec(clockid_t clock)
{
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* "2025-01-01T00:00:00Z", or with microseconds "2025-01-01T00:00:00.000001Z". UTC. Returns buf. */
char *format_rfc3339(char buf[static RFC3339_SIZE], uint64_t usec, int with_fraction);
