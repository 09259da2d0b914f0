/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How execd stops. It exits the loop as soon as no exec is between two states: otherwise, an exec that the
 * spawner hands over would be lost, or output in transit. Meanwhile it asks systemd for the reason: it hands
 * clients over to the next execd only if that is started immediately, because otherwise they would wait in
 * vain.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"

#define SHUTDOWN_USEC (2 * USEC_PER_SEC) /* at most */

typedef struct Shutdown Shutdown;

/* Without a bus (NULL), each stop is taken for a restart. `is_settled` says whether no exec is between two
 * states. NULL on lack of memory. */
Shutdown *shutdown_new(sd_event *event, sd_bus *bus, bool (*is_settled)(void *userdata), void *userdata);
Shutdown *shutdown_free(Shutdown *s);
DEFINE_CLEANUP(Shutdown, shutdown_free);

/* Told to stop. Without execs it does not matter what for, and systemd is not asked. */
void shutdown_begin(Shutdown *s, bool with_execs);

/* execd cannot go on: as before a restart, and it ends with a failure, so that systemd starts the next one. */
void shutdown_fail(Shutdown *s);

/* Something changed: looks whether it is time. */
void shutdown_check(Shutdown *s);

/* It is a stop and no restart, as far as is known. */
bool shutdown_is_stop(const Shutdown *s);
