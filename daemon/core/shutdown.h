/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd was told to stop. It leaves the loop as soon as no exec is between two states: what the spawner
 * hands over then would be lost, or output that is still on its way. Meanwhile it asks systemd what for:
 * clients are handed over to the execd that comes next only when there will be one at once, else they would
 * wait for nobody.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#define SHUTDOWN_USEC (2 * USEC_PER_SEC) /* at most */

typedef struct Manager Manager;

typedef struct Shutdown {
        sd_event_source *timer; /* NULL unless told to stop */
        sd_bus_slot *question;
        bool is_stop; /* and not a restart, as far as is known */
} Shutdown;

void shutdown_begin(Manager *m);

/* Something changed: looks whether it is time. */
void shutdown_check(Manager *m);

void shutdown_done(Shutdown *l);
