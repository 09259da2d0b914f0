/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The containers of a command that runs in several. */

#include "ctl/ctl.h"

typedef struct Target {
        char *name;      /* as people are shown it */
        char *reference; /* the name in calls to execd: an ID if it is known */
} Target;

typedef struct Targets {
        Target *items;
        size_t n;
} Targets;

void targets_done(Targets *t);

/* Is this a list or a pattern, and not the name of one container? No name has a comma or a wildcard. */
bool targets_are_several(const char *text);

/* The containers of a list of names and patterns, each once, or all that run where `text` is NULL. Returns
 * an exit status; no container at all is a failure. */
int targets_read(Ctl *c, const char *text, Targets *ret);
