/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods and signals of org.execd1.Spawner. Their userdata is a Connection. */

#include <systemd/sd-bus.h>

extern const sd_bus_vtable spawner_methods[];
