/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carries over to a unit that a cgroup is frozen, and that it no longer is. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"

typedef struct Freezer Freezer;

/* `bus` is systemd's, and must live as long. `is_frozen`: the unit is so at the beginning. */
int freezer_new(sd_bus *bus, const char *cgroup, const char *unit, bool is_frozen, Freezer **ret);
/* The container has ended: processes that are still in the unit end as well. */
void freezer_end(Freezer *f);
/* Another bus takes its place. */
void freezer_move(Freezer *f, sd_bus *bus);
Freezer *freezer_free(Freezer *f);
DEFINE_CLEANUP(Freezer, freezer_free);
