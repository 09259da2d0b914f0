/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Looks a user up in a container: by a runner that joins, reads the container's files and exits. Some do so at a time, of
 * one container, for one user and in all, because the files may be on a file system that does not answer. The others wait.
 */

#include "spawner/connection.h"

/* Called once, from the loop: NULL when the user exists. */
typedef void (*CheckDone)(Connection *c, sd_bus_message *m, const Refusal *refusal);

int check_user(Connection *c, sd_bus_message *message, Container *container, const char *user, uid_t caller,
               CheckDone callback, Refusal *reterr);
