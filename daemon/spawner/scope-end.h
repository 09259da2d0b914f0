/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ends all processes of an exec's scope by its name, for a peer that has lost the answer to its start. */

#include "spawner/connection.h"

/* The message is answered when systemd has no such scope, or says that it has ended. */
int scope_end(Connection *c, sd_bus_message *message, const char *exec_id, Refusal *reterr);
