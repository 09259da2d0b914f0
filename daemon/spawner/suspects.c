/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/suspects.h"

#include <stddef.h>

#include "base/time.h"

#define SUSPECTS_MAX 64
#define SUSPECT_USEC (60 * USEC_PER_SEC)

typedef struct Suspect {
        pid_t group;
        uint64_t until; /* CLOCK_MONOTONIC */
} Suspect;

static Suspect suspects[SUSPECTS_MAX];

bool suspects_have(pid_t group)
{
        for (size_t i = 0; i < SUSPECTS_MAX; i++)
                if (suspects[i].group == group)
                        return now_usec(CLOCK_MONOTONIC) < suspects[i].until;
        return false;
}

/* Uses the entry that the group already has, or else the one that expires first. */
void suspects_add(pid_t group)
{
        Suspect *place = &suspects[0];

        for (size_t i = 0; i < SUSPECTS_MAX; i++) {
                Suspect *s = &suspects[i];

                if (s->group == group) {
                        place = s;
                        break;
                }
                if (s->until < place->until)
                        place = s;
        }
        *place = (Suspect){.group = group, .until = now_usec(CLOCK_MONOTONIC) + SUSPECT_USEC};
}
