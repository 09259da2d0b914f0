/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Usage in the form of Docker's GET /containers/{id}/stats. */

#include <json-c/json.h>

#include "core/container-info.h"
#include "wire/usage.h"

typedef struct StatsSample {
        Usage usage;
        uint64_t taken_usec;  /* CLOCK_REALTIME; 0: there is none */
        uint64_t uptime_usec; /* CLOCK_BOOTTIME */
} StatsSample;

/* Fills in the times. */
void stats_sample_stamp(StatsSample *s);

struct json_object *stats_json(const ContainerInfo *c, const StatsSample *now, const StatsSample *before);
/* One of "execs": an exec by its id. */
struct json_object *stats_exec_json(const char *id, const Usage *u);
