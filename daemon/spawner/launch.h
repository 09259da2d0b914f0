/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A launch: one exec from the making of its runner and scope until the command runs and all that belongs to
 * it was handed to the peer. Until a start is asked for (launch-start.h) it is parked: the runner waits,
 * while the scope is being made or is there.
 */

#include <stdbool.h>

#include "base/time.h"
#include "spawner/connection.h"
#include "spawner/launch-limits.h"
#include "spawner/runner-spawn.h"
#include "wire/exec-id.h"

#define PARKED_USEC_MAX (3600 * USEC_PER_SEC)

typedef struct Start Start;
typedef struct Launch Launch;

/* The events of a launch. All except on_free may free the launch. */
typedef struct LaunchEvents {
        void (*on_scope_ready)(Launch *l);
        void (*on_report)(Launch *l); /* of the runner, on its control socket */
        void (*on_leader_gone)(Launch *l);
        void (*on_failed)(Launch *l, const Refusal *refusal, int error);
        void (*on_free)(Launch *l);
} LaunchEvents;

struct Launch {
        ConnectionJob job; /* ends with its connection */
        ListNode node;
        Spawner *spawner; /* weak */
        const LaunchEvents *events;
        char exec_id[EXEC_ID_SIZE];
        uid_t caller;
        char *description;    /* as the scope has it */
        Container *container; /* owned reference */
        Runner runner;
        Slice *slice; /* owned reference */
        LaunchLimits limits;
        Scope *scope;
        bool scope_is_ready;
        bool is_prepared; /* counted by the spawner */
        sd_event_source *timer, *control, *leader;
        unsigned n_looks; /* at a start that is under way */
        Start *start;     /* launch-start.c's; NULL while parked */
};

typedef struct LaunchRequest {
        const char *exec_id;
        const char *description;
        char *const *properties; /* name, text, … */
        uid_t caller;            /* the user who asked for it, or -1 */
        uint64_t parked_usec;    /* it is dropped when it was not started by then */
        const LaunchEvents *events;
} LaunchRequest;

int launch_new(Connection *c, Container *container, const LaunchRequest *q, Launch **ret, Refusal *reterr);
Launch *launch_free(Launch *l);
/* A start begins to be looked at: it fails if it takes too long. */
int launch_arm(Launch *l);
DEFINE_CLEANUP(Launch, launch_free);

/* The slice must forbid what the control group of the container forbids at the moment of the start: the scope may
 * have been made long before. */
int launch_copy_programs(const Launch *l, Refusal *reterr);

Launch *launch_find(const Spawner *s, const char *exec_id);

/* Continues a launch after its container was renamed: the container is `c` from now on. False if `c` is
 * another container, or another run of it. */
bool launch_follow(Launch *l, Container *c);
