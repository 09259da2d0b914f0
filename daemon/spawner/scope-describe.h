/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The descriptions of scopes that were made before their execs were known. */

#include <systemd/sd-bus.h>

#include "base/list.h"

typedef struct ScopeDescriptions {
        sd_bus *bus;     /* weak */
        sd_event *event; /* weak */
        List waiting;
} ScopeDescriptions;

/* Sends what waits. */
void scope_descriptions_done(ScopeDescriptions *l);

/* Changes what the scope is called in lists of units, a while after, unless the process (which the scope ends
 * with) is over by then. */
void scope_describe_later(ScopeDescriptions *l, const char *exec_id, const char *text, int pidfd);
