/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A launch: one exec from the making of its runner and scope until the command runs and all that belongs to
 * it was handed to the peer.
 *
 *   parked     the runner waits; the scope is being made or is there. Ends after a while, with the container
 * or the peer. starting   a Start was asked for: released as soon as the scope is there, then the runner's
 * report is waited for.
 */

#include <stdbool.h>

#include "spawner/container.h"
#include "spawner/runner-spawn.h"
#include "spawner/spawner.h"
#include "wire/exec-id.h"

#define PARKED_SEC 60

typedef struct Start Start;

typedef struct Launch {
        ListNode node;
        Spawner *spawner;       /* weak */
        Connection *connection; /* weak; the launch ends with it */
        char exec_id[EXEC_ID_SIZE];
        char *description;    /* as the scope has it */
        Container *container; /* owned reference */
        Runner runner;
        Scope *scope;
        bool scope_is_ready;
        sd_event_source *timer, *control, *leader;
        Start *start; /* owned; NULL while parked */
} Launch;

typedef struct LaunchRequest {
        const char *exec_id;
        const char *description;
        char *const *properties; /* name, text, … */
} LaunchRequest;

int launch_new(Connection *c, Container *container, const LaunchRequest *q, Launch **ret, Refusal *reterr);
Launch *launch_free(Launch *l);
DEFINE_CLEANUP(Launch, launch_free);

Launch *launch_find(const Spawner *s, const char *exec_id);
void launches_drop_connection(Spawner *s, const Connection *c);

/* What was made for a container goes on when that has got another name: it is `c` from now on. False when
 * this is another one, or another run of it. */
bool launch_follow(Launch *l, Container *c);

/* launch-start.c */
typedef struct LaunchStart {
        char **argv, **env; /* taken over */
        const char *user, *working_dir;
        bool tty, privileged, null_stdin, log, one_output;
        uint16_t rows, columns;
        uint64_t cap_privileged;
        uint32_t login_uid;
        const int *stdio; /* three fds, or NULL */
        int ticket;       /* weak, of the message: used when the runner is released */
} LaunchStart;

/* Begins; the message is answered when the command runs or cannot. On failure the launch is the caller's to
 * free. */
int launch_start(Launch *l, sd_bus_message *message, LaunchStart *q, Refusal *reterr);
/* The scope is there, or an event came on the control socket, or nothing happened for too long. Each may
 * free the launch.
 */
void launch_release(Launch *l);
void launch_on_report(Launch *l);
void launch_fail(Launch *l, const Refusal *refusal, int error);
Start *start_free(Start *s);
