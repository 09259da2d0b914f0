/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The resources that the execs of a container use. */

#include <systemd/sd-bus.h>

/* Appends "ata(sat)": all together, and each with its id. `slice` is the cgroup of their slice, or NULL where
 * there is none. */
int usage_append(sd_bus_message *m, const char *slice);
