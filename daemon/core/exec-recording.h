/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether an exec is recorded, and its side of the recording: its output is recorded, its input never. */

#include "core/exec.h"

/* Adds the recording that the configuration demands to a request, or refuses it. `with_fds`: its streams
 * will not pass through us. 1: the caller asks for a recording, so recordings must be possible. */
int exec_recording_decide(const ExecEnv *env, ExecRequest *q, bool with_fds, Refusal *reterr);
/* Whether they are: RECORDER_PROBE has been answered with this. */
int exec_recording_probed(const ExecEnv *env, int error, Refusal *reterr);

/* It ran when execd was last stopped, and is recorded on. */
void exec_recording_resume(Exec *e);

/* The command is about to run. Failures are logged, and the command runs anyway. */
void exec_recording_begin(Exec *e);
/* Before output: false if the disk is too slow. stream_wake() follows. */
bool exec_recording_has_room(const Exec *e);
void exec_recording_output(Exec *e, FrameType type, const void *data, size_t size);
void exec_recording_resize(Exec *e, uint16_t rows, uint16_t columns);
/* All output has come: true if its recording has its name, or a disk that hangs has been waited for long enough.
 * Else closed() follows. */
bool exec_recording_finish(Exec *e, void (*closed)(Exec *e));
void exec_recording_end(Exec *e);

/* Asks for the file of an exec; then interprets the answer. */
int exec_recording_open(const Exec *e, recorder_answer_t callback, void *userdata, RecorderQuestion **ret,
                        Refusal *reterr);
int exec_recording_opened(const Exec *e, int error, Refusal *reterr);
