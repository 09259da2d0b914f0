/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the clients of a user take from an answer to their next request. A client that reads late once is
 * likely to read late again, and one request says little about the next, so the longest of the recent times
 * counts. It fades with each request and with each second.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/time.h"

#define THINK_USERS      16
#define THINK_USEC_MAX   (100 * USEC_PER_MSEC) /* a longer time counts as this one */
#define THINK_USEC_PAUSE (1 * USEC_PER_SEC)    /* a client that waits so long has done something else */

typedef struct ThinkTimes {
        struct {
                uid_t uid;
                uint64_t usec; /* 0: the place is free */
                uint64_t seen; /* CLOCK_MONOTONIC */
        } users[THINK_USERS];
} ThinkTimes;

/* Takes one more time of this user into account. Returns the time to expect, in microseconds, at most
 * THINK_USEC_MAX. */
uint64_t think_time_add(ThinkTimes *t, uid_t uid, uint64_t usec, uint64_t now);
