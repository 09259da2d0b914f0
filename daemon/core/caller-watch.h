/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Follows a client until it leaves the bus. (sd_bus_track_add_name(3) asks the bus and waits for the answer,
 * which nothing here may do.)
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"

typedef struct CallerWatch CallerWatch;
typedef struct CallerWatches CallerWatches;

/* All that there are on one bus, which is weak. NULL on lack of memory. */
CallerWatches *caller_watches_new(sd_bus *bus);
/* After each watch. */
CallerWatches *caller_watches_free(CallerWatches *all);
DEFINE_CLEANUP(CallerWatches, caller_watches_free);

/* Calls back once, when this unique name leaves the bus; the watch may be freed from inside. With `ask`, also
 * when it has left before. */
int caller_watch_new(CallerWatches *all, const char *unique_name, bool ask, void (*on_gone)(void *userdata),
                     void *userdata, CallerWatch **ret);
CallerWatch *caller_watch_free(CallerWatch *n);
DEFINE_CLEANUP(CallerWatch, caller_watch_free);
