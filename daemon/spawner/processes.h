/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lists the processes of a container. A reader (reader.h) finds them. A process that keeps it from reading its
 * arguments is listed with its name in brackets, as ps(1) does. */

#include "spawner/connection.h"

/* Answers the message with an array of PROCESS_SIGNATURE, now or later; see org.execd1.Spawner.xml. */
int processes_list(Connection *c, sd_bus_message *m, Container *container, Refusal *reterr);
