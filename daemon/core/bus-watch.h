/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Detects that the system bus no longer serves execd. It ends the connection for reasons of its own, and it
 * reads nothing more from a connection of whose messages it has 127 MiB that their recipients do not read:
 * then callers on the bus get no answers, and polkit gets no questions.
 */

#include <systemd/sd-bus.h>

#include "base/cleanup.h"

typedef struct BusWatch BusWatch;

/* `bus` is weak. on_lost() is called once, with the reason. */
int bus_watch_new(sd_bus *bus, void (*on_lost)(void *userdata, const char *why), void *userdata,
                  BusWatch **ret);
BusWatch *bus_watch_free(BusWatch *w);
DEFINE_CLEANUP(BusWatch, bus_watch_free);

/* After something was sent: if messages wait, the bus has a while to take them and to answer. NULL is fine. */
void bus_watch_sent(BusWatch *w);
/* The bus has not answered something: it has a while to answer this. NULL is fine. */
void bus_watch_doubt(BusWatch *w);
