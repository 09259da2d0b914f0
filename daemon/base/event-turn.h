/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Work that goes on in a later turn of the loop, after all that is ready by then. A deferred source of sd-event(3) that
 * is enabled again does not do this: it counts as ready since it was made, and comes before all that became ready later,
 * as often as it is enabled. Each turn has a source of its own.
 */

#include <systemd/sd-event.h>

/* Calls back once, instead of a turn that has not come yet. The source is NULL at first, and the caller's. */
static inline int event_turn(sd_event *event, sd_event_source **source, sd_event_handler_t callback,
                             void *userdata)
{
        sd_event_source *next = NULL;
        int r = sd_event_add_defer(event, &next, callback, userdata);

        /* Without memory, early is better than never. */
        if (r < 0)
                return *source ? sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT) : r;
        sd_event_source_disable_unref(*source);
        *source = next;
        return 0;
}
