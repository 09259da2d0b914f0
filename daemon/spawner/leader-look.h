/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Opens a process as the leader of a container, as leader_open() does, by a scout (scout.h). A process that keeps the
 * scout waiting for too long is left alone for a time, and longer each further time.
 */

#include "spawner/leader.h"
#include "spawner/scout.h"

typedef enum LeaderKind {
        LEADER_CONTAINER, /* leader_open() */
        LEADER_MACHINE,   /* leader_open_machine() */
        LEADER_SERVICE,   /* leader_open_service() */
} LeaderKind;

typedef struct LeaderQuery {
        LeaderKind kind;
        pid_t pid;
        const char *unit_cgroup; /* of a service */
        LeaderCheck check;       /* of others than services and machines; its fd is duplicated */
} LeaderQuery;

/* Embedded in what owns it. */
typedef struct LeaderLook {
        ScoutJob job;
        LeaderQuery query;
        uint64_t inode; /* of the pidfd */
        char *unit_cgroup;
        int fd; /* owned: of the check */
        /* Once, from the loop, with a weak reference; may free what owns the look. -EAGAIN: the container is starting. */
        void (*on_found)(void *userdata, Leader *leader, int error, Refusal *refusal);
        /* The process keeps us waiting: no other request should wait for it. */
        void (*on_slow)(void *userdata);
        void *userdata;
} LeaderLook;

/* The callbacks are set. Refuses a process that is left alone. Never calls back from within. */
int leader_look_start(LeaderLook *l, const LeaderQuery *query, Refusal *reterr);
void leader_look_cancel(LeaderLook *l);

/* Fills the refusal of a container whose leader keeps us waiting; its requests wait on. Returns -EAGAIN. */
int leader_look_refuse_slow(Refusal *reterr);
