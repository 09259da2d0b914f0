/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keeps the limits of a slice equal to the limits of its container, which an administrator or an engine may
 * change. An administrator may also lower limits of the slice itself; if they are raised, they are set again. */

#include <systemd/sd-bus.h>

#include "spawner/container.h"
#include "spawner/limits.h"

/* From the cgroups that the host gave the container, and not from those that it has made in them: of each limit the
 * lowest. */
int container_limits_read(const Container *c, Limits *ret, Refusal *reterr);

typedef struct LimitsFollower LimitsFollower;

/* `bus` is systemd's, and must live as long. The unit, with its control group, has the limits of `now`; NULL: others, and
 * gets them. `on_settled` is called whenever it has been given those that were wanted. */
int limits_follower_new(sd_bus *bus, Container *c, const char *unit, const char *cgroup, const Limits *now,
                        void (*on_settled)(void *userdata, const Limits *now), void *userdata,
                        LimitsFollower **ret);
/* Another bus takes its place. */
void limits_follower_move(LimitsFollower *f, sd_bus *bus);
LimitsFollower *limits_follower_free(LimitsFollower *f);
DEFINE_CLEANUP(LimitsFollower, limits_follower_free);

/* The limits as they were just read. */
void limits_follower_set(LimitsFollower *f, const Limits *wanted);
/* The unit is about to be given others. */
bool limits_follower_is_busy(const LimitsFollower *f);
