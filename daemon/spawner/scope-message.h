/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The call of systemd that makes a scope. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/refusal.h"
#include "spawner/runner-spawn.h"
#include "spawner/slice.h"

#define SCOPE_DESCRIPTION_SIZE 256

typedef struct ScopeRequest {
        const char *exec_id;
        uid_t caller; /* the user who asked for it, or -1 */
        Slice *slice; /* with the limits of the container; weak */
        const char *description;
        const Runner *runner;
        char *const *properties; /* name, text, name, text, … */
        const char *bound_to;    /* a service that the scope ends with; or NULL */
        bool is_after_bound;     /* it is up, and is stopped only after the scope */
} ScopeRequest;

/* Creates the call without its last argument, which scope_message_finish() adds. `slice` is the slice of the request, or one
 * below it. */
int scope_message_new(sd_bus *bus, bool takes_pidfds, const char *name, const char *slice,
                      const ScopeRequest *q, sd_bus_message **ret, Refusal *reterr);

/* `slice`: the one that the call makes as well; NULL: none. */
int scope_message_finish(sd_bus_message *m, const Slice *slice);
/* Sends the call that makes a slice alone, the request's or, without limits, one below it, and ignores the answer. */
int scope_message_send_slice(sd_bus *bus, const char *name, const Slice *slice, bool with_limits);
/* The same call for another connection; without its last argument, unless it is to be `whole`. */
int scope_message_copy(sd_bus *bus, sd_bus_message *m, bool whole, sd_bus_message **ret);

/* The description in lists of units: one line, of bounded length, truncated between characters. */
void scope_description(const char *text, char ret[static SCOPE_DESCRIPTION_SIZE]);
