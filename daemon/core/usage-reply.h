/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The spawner's answer to GetUsage: the resource usage of the execs of a container. */

#include <systemd/sd-bus.h>

#include "wire/exec-id.h"
#include "wire/usage.h"

int usage_read_all(sd_bus_message *m, Usage *ret);
/* Reads the next exec. Returns 1, or 0 at the end. The ID is part of the message. */
int usage_read_next(sd_bus_message *m, const char **ret_id, Usage *ret);
