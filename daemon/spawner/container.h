/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A container, as found once: immutable and shared by whoever needs it. All containers that are known stand
 * in one table. A provider (container-machined is one) fills it; whether an entry still holds is seen from
 * its leader's pidfd.
 */

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/leader.h"

#define CONTAINER_ID_SIZE 65

typedef struct Container {
        unsigned n_ref;
        ListNode node; /* of the table */
        char id[CONTAINER_ID_SIZE];
        char *name;
        const char *kind; /* static */
        char *image;
        char *unit;
        char *slice;
        char *cgroup;
        char **command;
        char **environment; /* for every exec in it */
        Leader *leader;     /* owned reference */
        uid_t leader_uid;
        uint64_t created_usec, started_usec;
} Container;

typedef struct ContainerFacts {
        const char *name, *kind, *image, *unit;
        uint64_t created_usec;
        char *const *environment;
} ContainerFacts;

/* Takes a reference of the leader. */
int container_new(const ContainerFacts *facts, Leader *leader, Container **ret);
Container *container_ref(Container *c);
Container *container_unref(Container *c);
DEFINE_CLEANUP(Container, container_unref);

bool container_is_alive(const Container *c);
/* "running" or "paused" */
const char *container_state(const Container *c);

/* The id: the same for one run of a container whoever asks and whenever, and another for each other run. */
void container_make_id(const char *boot_id, const char *kind, const char *name, pid_t pid,
                       uint64_t start_time, char ret[static CONTAINER_ID_SIZE]);

int container_append(const Container *c, sd_bus_message *m);

typedef struct ContainerTable {
        List containers;
} ContainerTable;

/* What a provider tells of its own: after one was put into the table, and after one was taken out of it. */
typedef struct ContainerEvents {
        void (*on_new)(void *userdata, Container *c);
        void (*on_removed)(void *userdata, Container *c);
} ContainerEvents;

/* The table has its own reference of what is in it. */
void container_table_add(ContainerTable *t, Container *c);
void container_table_remove(ContainerTable *t, Container *c);
void container_table_clear(ContainerTable *t);

Container *container_table_by_name(const ContainerTable *t, const char *kind, const char *name);
Container *container_table_by_id(const ContainerTable *t, const char *id);

/* By id, name, or unique prefix of an id, in this order; only those that live. Weak. */
Container *container_table_find(const ContainerTable *t, const char *reference, Refusal *reterr);
