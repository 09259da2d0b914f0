/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All containers that are known, of every kind. The providers (provider.h) put them in and take out those
 * whose source has gone; a container whose leader dies is taken out by the table itself.
 */

#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/container.h"

/* Told after a container was put into the table, and after one was taken out of it. */
typedef struct ContainerEvents {
        void (*on_new)(void *userdata, Container *c);
        void (*on_removed)(void *userdata, Container *c);
        void (*on_added)(void *userdata, Container *c); /* also one that was there before us; or NULL */
} ContainerEvents;

struct ContainerTable {
        List containers;
        sd_event *event; /* weak; without one, leaders are not watched */
        const ContainerEvents *events;
        void *userdata; /* of the events */
};

/* The table has its own references to its containers. `is_new`: on_new is called; not for a container that was
 * there before us. */
int container_table_add(ContainerTable *t, Container *c, bool is_new);
/* Takes it out and calls on_removed. */
void container_table_forget(ContainerTable *t, Container *c);
void container_table_forget_dead(ContainerTable *t);
/* Removes all containers without calling the observers. */
void container_table_clear(ContainerTable *t);

Container *container_table_by_name(const ContainerTable *t, const char *kind, const char *name);
Container *container_table_by_id(const ContainerTable *t, const char *id);

/* By id, name, or unique prefix of an id, in this order; only those that live. A name that containers of two
 * kinds have is refused. Weak. */
Container *container_table_find(const ContainerTable *t, const char *reference, Refusal *reterr);
