/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the exec makes of its stream's events: lines for the journal, and what happens when the client goes.
 */

#include "core/exec.h"

/* Writes a last line that had no newline. */
void exec_output_flush(Exec *e);

/* The client that started it went away: does what OnDisconnect says, as soon as there is a command. */
void exec_apply_disconnect(Exec *e);
