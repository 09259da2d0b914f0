/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of a container: those in its pid namespace. */

#include <systemd/sd-bus.h>

#include "spawner/container.h"

/* Appends an array of PROCESS_SIGNATURE; see org.execd1.Spawner.xml. */
int processes_append(const Container *c, sd_bus_message *m);
