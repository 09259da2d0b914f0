/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection to systemd: the signals of its jobs, and what it can do. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "spawner/systemd.h"

typedef struct SystemdLink {
        void (*on_job_removed)(void *userdata, const char *unit, const char *result);
        void *userdata;
        sd_bus *bus; /* weak */
        sd_bus_slot *slot_job, *slot_subscribe, *slot_version;
        sd_event_source *subscribe_again;
        bool takes_pidfds; /* processes are given to it as pidfds */
} SystemdLink;

/* `bus` is PID 1's own (`is_private`) or the system's. */
int systemd_link_open(SystemdLink *l, sd_bus *bus, bool is_private);
void systemd_link_close(SystemdLink *l);

/* systemd executes itself anew: nothing was made, or its answer is lost. */
bool systemd_is_away(const sd_bus_error *e);
