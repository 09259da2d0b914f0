/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/think-time.h"

#include <sys/param.h>

/* The decay of the longest time for each request: it is forgotten after some forty. */
static uint64_t faded(uint64_t usec, uint64_t seconds)
{
        usec -= usec / 16;
        return seconds < 64 ? usec >> seconds : 0;
}

uint64_t think_time_add(ThinkTimes *t, uid_t uid, uint64_t usec, uint64_t now)
{
        size_t place = 0;
        uint64_t longest = 0;

        for (size_t i = 0; i < THINK_USERS; i++) {
                if (t->users[i].usec > 0 && t->users[i].uid == uid) {
                        place = i;
                        longest = faded(t->users[i].usec, (now - t->users[i].seen) / USEC_PER_SEC);
                        break;
                }
                if (t->users[i].seen < t->users[place].seen)
                        place = i;
        }
        if (usec >= THINK_USEC_PAUSE)
                return MAX(longest, (uint64_t) THINK_USEC_MAX);
        longest = MAX(longest, MIN(usec, (uint64_t) THINK_USEC_MAX));
        t->users[place].uid = uid;
        t->users[place].usec = longest;
        t->users[place].seen = now;
        return longest;
}
