/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A container as it was found: immutable but for its details, shared, and counted. All containers that are
 * known are in one table (container-table.h), which providers fill (provider.h). The leader's pidfd shows
 * whether the container still runs.
 */

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/leader.h"
#include "wire/exec-id.h"

#define CONTAINER_ID_SIZE EXEC_ID_SIZE

typedef struct ContainerTable ContainerTable;

typedef struct Container {
        unsigned n_ref;
        ListNode node;             /* of the table, as the next two */
        ContainerTable *table;     /* weak; NULL when it is in none */
        sd_event_source *on_death; /* of the leader */
        char id[CONTAINER_ID_SIZE];
        char *name;
        const char *kind; /* static */
        char *image;
        char *unit;
        char *slice;
        char *cgroup;       /* of the leader */
        char *unit_cgroup;  /* the one directly in its slice; NULL without a cgroup */
        char *given_cgroup; /* the cgroup that its engine created; NULL: the unit's */
        int events_fd;      /* owned: cgroup.events of its control cgroup; negative: it has none */
        char **command; /* the name of the leader's program; of others than services, the leader has more */
        char **environment;       /* for every exec in it */
        char *user, *working_dir; /* of an exec that says nothing; "": root, and the root directory */
        char **groups;            /* further ones of every exec, by name or number */
        char **details;           /* for clients to look at (wire/oci-details.h); as its engine says now */
        char **aliases;           /* of a service: all its names */
        bool is_unsure;     /* its engine may have renamed it, and the file that says so cannot be read */
        bool is_activating; /* a service that was not up yet when it was found */
        bool denies_exec_memory; /* no memory of a command may be made executable */
        bool is_other_user;      /* a service: its main process does not run as the user of the unit */
        Leader *leader;          /* owned reference */
        uid_t leader_uid;
        uint64_t created_usec, started_usec;
} Container;

/* The facts of a container from its provider. Clients see all of them, so texts are valid UTF-8. */
typedef struct ContainerFacts {
        const char *id;        /* 64 hexadecimal digits, unique; or NULL, and then one is made */
        const char *name;      /* unique within its kind; without characters that a URL path cannot have */
        const char *kind;      /* static, and not copied */
        const char *image;     /* or NULL */
        const char *unit;      /* or NULL, and then the unit of the leader's control group */
        const char *cgroup;    /* that its engine created; NULL: the unit's */
        uint64_t created_usec; /* CLOCK_REALTIME */
        uint64_t started_usec; /* this run of it; or 0: when it was created */
        char *const *environment; /* for every exec in it; or NULL */
        const char *user,
                *working_dir; /* of an exec that says nothing; or NULL: root, and the root directory */
        char *const *groups, *const *details; /* or NULL */
        char *const *aliases;                 /* or NULL */
        bool is_activating, denies_exec_memory, is_other_user;
} ContainerFacts;

/* Takes a reference of the leader. */
int container_new(const ContainerFacts *facts, Leader *leader, Container **ret);
Container *container_ref(Container *c);
Container *container_unref(Container *c);
DEFINE_CLEANUP(Container, container_unref);

bool container_is_alive(const Container *c);
bool container_is_service(const Container *c);
/* One that a user of the host has made, who may have given it any name. */
bool container_is_users(const Container *c);
/* By its own name, or another that it is known by. */
bool container_has_name(const Container *c, const char *name);
/* False for a service that is nothing but root on the host: no namespace, no filter, no capability less. */
bool container_is_confined(const Container *c);
bool container_is_paused(const Container *c);
int container_check_unpaused(const Container *c, Refusal *reterr);
/* The cgroup that is frozen when the container is, and that it cannot leave; NULL without one. */
const char *container_control_cgroup(const Container *c);

/* The ID: it is the same during one run of a container, and differs for each run. */
void container_make_id(const char *boot_id, const char *kind, const char *name, pid_t pid,
                       uint64_t start_time, char ret[static CONTAINER_ID_SIZE]);

int container_append(const Container *c, sd_bus_message *m);
