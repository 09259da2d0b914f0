/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The resources that a control group uses, read from the kernel's texts. Pure. */

#include <stdint.h>

#define USAGE_UNKNOWN UINT64_MAX

/* An array of them is what execd-spawner answers with. A limit that is unknown is none. */
typedef enum UsageField {
        USAGE_MEMORY,
        USAGE_INACTIVE_FILE, /* of it: pages of files, which can go at once */
        USAGE_MEMORY_MAX,
        USAGE_TASKS,
        USAGE_TASKS_MAX,
        USAGE_CPU_USEC,
        USAGE_USER_USEC, /* of it */
        USAGE_SYSTEM_USEC,
        USAGE_PERIODS, /* of a CPU quota */
        USAGE_THROTTLED_PERIODS,
        USAGE_THROTTLED_USEC,
        USAGE_IO_READ, /* bytes */
        USAGE_IO_WRITE,
        _USAGE_MAX,
} UsageField;

typedef struct Usage {
        uint64_t values[_USAGE_MAX];
} Usage;

void usage_clear(Usage *u);

/* A file with one number or "max": USAGE_UNKNOWN for the latter, and for anything else. */
uint64_t usage_parse_number(const char *text);
/* Takes the figures from cpu.stat, memory.stat and io.stat; a figure that is missing there is not changed. */
void usage_parse_cpu(Usage *u, const char *text);
void usage_parse_memory(Usage *u, const char *text);
void usage_parse_io(Usage *u, const char *text);

/* The name of a field on the bus; NULL for those that are not shown there. */
const char *usage_field_name(UsageField f);
