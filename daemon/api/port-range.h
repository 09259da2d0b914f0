/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ports in the filters of containers. */

#include <stdbool.h>
#include <stdint.h>

typedef struct PortRange {
        uint64_t first, last;
        const char *protocol; /* static */
} PortRange;

/* "80", "80/udp", "80-90/tcp". */
bool port_range_parse(const char *text, PortRange *ret);
/* The text begins with the number of a port. */
bool port_range_has(const PortRange *range, const char *protocol, const char *port);
