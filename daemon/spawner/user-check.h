/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks a user up in a container: by a runner that joins, reads the container's files and leaves. */

#include "spawner/runner-spawn.h"
#include "spawner/spawner.h"

typedef struct Check Check;

/* Called once, from the loop: NULL when the user exists. */
typedef void (*CheckDone)(Connection *c, sd_bus_message *m, const Refusal *refusal);

struct Check {
        ListNode node;
        Connection *connection; /* weak */
        sd_bus_message *message;
        Runner runner;
        sd_event_source *control, *timer;
        CheckDone callback;
};

int check_user(Connection *c, sd_bus_message *message, Container *container, const char *user,
               CheckDone callback, Refusal *reterr);
Check *check_free(Check *k);
