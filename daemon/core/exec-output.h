/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Handles the events of the exec's stream: its log, and the disconnection of the client. */

#include "core/exec.h"

/* The output of a detached exec goes to the journal: makes the log of its stream, and has its runner read
 * it.
 */
int exec_output_log(Exec *e);

/* The client that started it went away: does what OnDisconnect says, as soon as there is a command. */
void exec_apply_disconnect(Exec *e);

/* The exec's streams, made when first asked for. NULL on lack of memory. */
Stream *exec_stream(Exec *e);

/* The command has the caller's own fds, and no stream shows that the client disconnects, but the bus does.
 * With `ask`, it may have disconnected before. */
int exec_follow_caller(Exec *e, const char *bus_name, bool ask);
