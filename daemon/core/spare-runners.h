/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spare runners: the scope is the most expensive part of an exec, so a container that was used just now gets one
 * made in advance, with a runner parked in it, under an id that the next exec in it will have. A spare has
 * joined nothing and holds nothing of the container. It ends with its container, with the connection to the
 * spawner, or when no client is expected to come back; an exec that finds its spare gone is started as any
 * other.
 */

#include "core/config.h"
#include "core/exec.h"

#define SPARES 64

/* Making a spare competes with the starts of execs, which must not wait for it. */
#define SPARE_USEC (20 * USEC_PER_MSEC)

typedef struct SpareRunners SpareRunners;

/* All weak: the configuration is looked up when it is needed. NULL on lack of memory. */
SpareRunners *spare_runners_new(sd_event *event, SpawnerLink *spawner, const ManagerConfig *config);
/* The runners themselves end with the connection to the spawner. */
SpareRunners *spare_runners_free(SpareRunners *l);
DEFINE_CLEANUP(SpareRunners, spare_runners_free);

/* For how long those that are made from now on are worth keeping. */
void spare_runners_set_stay(SpareRunners *l, uint64_t usec);

/* Whether such an exec can do with a spare, whose scope has the default properties. */
bool spare_runners_is_suitable(const SpareRunners *l, const ExecRequest *request);

/* Takes the spare of this container, if there is one: its id is the new exec's. */
bool spare_runners_take(SpareRunners *l, const ContainerInfo *c, char ret_id[static EXEC_ID_SIZE]);

/* An exec was started in this container: it is to have another spare, soon. */
void spare_runners_request(SpareRunners *l, ContainerInfo *c);

/* The exec has ended: a spare that was requested and is not made yet is made now. */
void spare_runners_make_now(SpareRunners *l, const ContainerInfo *c);

/* Lets those from slot `first` on go. */
void spare_runners_drop_from(SpareRunners *l, size_t first);
