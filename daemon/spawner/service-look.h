/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks at services, some of them side by side, and adds them to the table of containers. */

#include "spawner/provider.h"

typedef struct ServiceLooks {
        Provider *provider; /* weak: the one that looks */
        List queued, running;
        List slow;    /* no round waits for them */
        char **again; /* names of services that are starting, for the next round */
        unsigned n_running;
        void (*on_done)(Provider *p); /* none is left; not called within service_looks_run() */
} ServiceLooks;

/* By name or id, of which is said why it is not found; or, without one, by the path of the unit's object. */
int service_looks_add(ServiceLooks *s, const char *reference, const char *path);
/* Begins with those that were added. They may be done right after that. */
void service_looks_run(ServiceLooks *s);
bool service_looks_are_done(const ServiceLooks *s);
void service_looks_clear(ServiceLooks *s);
