/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Functions of exec.c that only the other files of the exec use. */

#include "core/exec.h"

/* With nothing but its environment, for exec.c and exec-restore.c. NULL on lack of memory. */
Exec *exec_alloc(ExecEnv *env);

/* The only writer of the state. A move that the table does not have is logged and not made. */
void exec_set_state(Exec *e, ExecState state);

/* The command never ran: the text goes to the clients. Does nothing after the end. */
void exec_fail(Exec *e, RefusalKind kind, const char *text);

/* Decides on the next state, from the recorded facts. */
void exec_advance(Exec *e);

/* How long a runner waits for the start of an exec that was created. One that is started later gets another. */
#define EXEC_PARKED_USEC (60 * USEC_PER_SEC)

/* A runner is ready for it, which counts. */
void exec_park(Exec *e);
void exec_unpark(Exec *e);

void exec_close_stdio(Exec *e);

/* Its ring no longer grows: its content counts as output of an ended exec. */
void exec_uncharge_ring(Exec *e);
