/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spare runners: what costs most in an exec is its scope, so a container that was used just now gets one
 * made in advance, with a runner parked in it, under an id that the next exec in it will have. A spare has
 * joined nothing and holds nothing of the container. It ends with its container, with the connection to the
 * spawner (some seconds after that was last used), or after a minute; an exec that finds its spare gone is
 * started as any other.
 */

#include "core/exec.h"

#define SPARES 64

/* The making of a spare takes what the start of an exec needs as well, which is not to wait for it. */
#define SPARE_USEC (20 * USEC_PER_MSEC)

typedef struct SpareRunner {
        char container_id[EXEC_ID_SIZE]; /* empty: free */
        uint32_t leader;
        uint64_t leader_start;
        char exec_id[EXEC_ID_SIZE];
        uint64_t made; /* CLOCK_MONOTONIC */
} SpareRunner;

typedef struct SpareRequest {
        ContainerInfo *container; /* owned; NULL: free */
        uint64_t due;             /* CLOCK_MONOTONIC */
} SpareRequest;

/* Whether such an exec can do with a spare, whose scope has the default properties. */
bool spare_runners_is_suitable(const Manager *m, const ExecRequest *request);

/* Takes the spare of this container, if there is one: its id is the new exec's. */
bool spare_runners_take(Manager *m, const ContainerInfo *c, char ret_id[static EXEC_ID_SIZE]);

/* An exec was started in this container: it is to have another spare, soon. */
void spare_runners_request(Manager *m, ContainerInfo *c);

/* And has ended: now, if it has not been made yet. */
void spare_runners_make_now(Manager *m, const ContainerInfo *c);

/* What was wanted is forgotten. */
void spare_runners_done(Manager *m);

/* Lets those from slot `first` on go. */
void spare_runners_drop_from(Manager *m, size_t first);
