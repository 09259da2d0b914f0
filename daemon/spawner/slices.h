/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The slices of all containers. Those that a spawner before us has made are found when we start. */

#include "spawner/container-table.h"
#include "spawner/slice.h"

typedef struct Slices Slices;

typedef struct SlicesEvents {
        void (*on_usable)(void *userdata); /* scopes that wait for a slice may be made now */
        void (*on_fewer)(void *userdata);
} SlicesEvents;

/* `bus` is systemd's, PID 1's own (`is_private`) or the system's; it and the containers must live as long. */
int slices_new(sd_bus *bus, bool is_private, const ContainerTable *containers, const SlicesEvents *events,
               void *userdata, Slices **ret);
Slices *slices_free(Slices *all);
DEFINE_CLEANUP(Slices, slices_free);

/* The bus is gone, and the system's takes its place. */
void slices_move(Slices *all, sd_bus *bus);

/* systemd has some, or may. */
bool slices_are_there(const Slices *all);

/* Containers have become known: slices that were there before are theirs. */
void slices_settle(Slices *all);
void slices_on_container_gone(Slices *all, const Container *c);

/* The slice of a container; weak. NULL where there is none. */
const Slice *slices_find(const Slices *all, const Container *c);
/* The slice for a scope in this container, with the limits that the container has now. A reference. */
int slices_get(Slices *all, Container *c, Slice **ret, Refusal *reterr);
