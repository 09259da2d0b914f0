/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The call of systemd that makes a scope. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/refusal.h"
#include "spawner/limits.h"
#include "spawner/runner-spawn.h"

#define SYSTEMD_NAME           "org.freedesktop.systemd1"
#define SYSTEMD_PATH           "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER        "org.freedesktop.systemd1.Manager"

#define SCOPE_DESCRIPTION_SIZE 256

typedef struct ScopeRequest {
        const char *exec_id;
        const char *slice;
        const char *description;
        const Runner *runner;
        char *const *properties; /* name, text, name, text, … */
        const Limits *limits;    /* of the container */
        const char *bound_to;    /* a service that the scope ends with; or NULL */
        bool is_after_bound;     /* it is up, and is stopped only after the scope */
} ScopeRequest;

int scope_message_new(sd_bus *bus, bool takes_pidfds, const char *name, const ScopeRequest *q,
                      sd_bus_message **ret, Refusal *reterr);

/* The same call for another connection. */
int scope_message_copy(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret);

/* The description in lists of units: one line, of bounded length, truncated between characters. */
void scope_description(const char *text, char ret[static SCOPE_DESCRIPTION_SIZE]);
