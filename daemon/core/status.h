/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The line that systemctl status shows of execd.service: how many execs there are, in how many containers,
 * and how many clients. Each message costs PID 1 a turn, so that the line is sent once a second at most, and
 * only when it is another one.
 */

#include "core/manager.h"

#define STATUS_SIZE 128

typedef struct Status Status;

int status_new(Manager *m, Status **ret);
Status *status_free(Status *s);
DEFINE_CLEANUP(Status, status_free);

/* The line as it is now. */
char *status_describe(const Manager *m, char text[static STATUS_SIZE]);
