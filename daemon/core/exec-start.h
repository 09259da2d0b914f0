/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The call of the spawner that starts an exec, and its answer: the command runs, or never will. */

#include "core/exec.h"

/* Asks the spawner to look at the user and to hold a runner ready. With `callback` its answer is passed on,
 * whatever becomes of the exec, unless *ret_slot goes before. */
int exec_prepare(Exec *e, bool park, sd_bus_message_handler_t callback, void *userdata,
                 sd_bus_slot **ret_slot, Refusal *reterr);

/* CREATED → STARTING. A client, if any, was added to exec_stream() before. The spawner is asked when the
 * record of the start is written: at once, or when the journal takes it. The size replaces the one of the
 * request where set. */
int exec_start(Exec *e, Peer *starter, const ConsoleSize *size, bool detached, Refusal *reterr);

/* Lets the runner know that the command is served, which is ended otherwise. May be said again by the next
 * execd. */
void exec_confirm(Exec *e);

/* The runner's control socket, which reports the end of the command. Takes the fd, also on failure. */
int exec_take_control(Exec *e, int fd);
