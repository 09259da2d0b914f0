/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether an exec is recorded, and what of it goes into the recording: its output, never its input. */

#include "core/exec.h"

/* Puts what the configuration demands into a request, or refuses what cannot be had. `with_fds`: its streams
 * will not pass through us. */
int exec_recording_decide(const ExecEnv *env, ExecRequest *q, bool with_fds, Refusal *reterr);

/* It ran when execd was last stopped, and is recorded on. */
void exec_recording_resume(Exec *e);

/* The command is about to run. Failures are logged, and the command runs anyway. */
void exec_recording_begin(Exec *e);
void exec_recording_output(Exec *e, FrameType type, const void *data, size_t size);
void exec_recording_resize(Exec *e, uint16_t rows, uint16_t columns);
void exec_recording_end(Exec *e);

/* The file of an exec, to be read from its beginning. */
int exec_recording_open(const Exec *e, int *ret_fd, Refusal *reterr);
