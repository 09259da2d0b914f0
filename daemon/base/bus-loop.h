/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus in a loop that never waits. With sd_bus_attach_event(3) alone, sd-bus flushes the bus at the end of the loop, and
 * waits until the other end reads; so does sd_bus_flush_close_unref(3).
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

static inline int bus_attach(sd_bus *bus, sd_event *event)
{
        int r = sd_bus_set_close_on_exit(bus, false);

        return r < 0 ? r : sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
}

/* Messages wait until the other end reads. */
static inline bool bus_has_queued(sd_bus *bus)
{
        uint64_t n = 0;

        return bus && sd_bus_get_n_queued_write(bus, &n) >= 0 && n > 0;
}
