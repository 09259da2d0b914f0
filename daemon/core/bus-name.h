/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A client on the bus, followed until it leaves. (sd_bus_track_add_name(3) asks the bus and waits for the
 * answer, which nothing here may do.)
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"

typedef struct BusName BusName;

/* Tells when this unique name leaves the bus, once; the watch may be freed from inside. With `ask`, also
 * when it has left before. */
int bus_name_follow(sd_bus *bus, const char *unique_name, bool ask, void (*on_gone)(void *userdata),
                    void *userdata, BusName **ret);
BusName *bus_name_free(BusName *n);
DEFINE_CLEANUP(BusName, bus_name_free);
