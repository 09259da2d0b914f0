/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The arguments of the spawner's methods, each checked as it is read. */

#include "spawner/launch-start.h"

typedef struct LaunchArguments {
        const char *exec_id, *description;
        Container *container; /* weak */
        char **properties;    /* name, text, … */
        uid_t caller;         /* of execd; -1: unknown */
} LaunchArguments;

void launch_arguments_done(LaunchArguments *a);

int args_read_exec_id(sd_bus_message *m, const char **ret, Refusal *reterr);
/* The first arguments of Prepare and Start. */
int args_read_launch(Connection *c, sd_bus_message *m, bool fresh, LaunchArguments *a, Refusal *reterr);
int args_read_user(sd_bus_message *m, const char **ret, bool *ret_has_names, Refusal *reterr);
/* The rest of Start. `fds` holds the three of stdio, where there are any. */
int args_read_start(sd_bus_message *m, LaunchStart *q, int fds[3], Refusal *reterr);

/* Refuses an argument. */
int args_bad(Refusal *reterr, const char *what);
