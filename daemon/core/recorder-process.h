/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The recorder's side: the process that writes recordings, until its socket is closed and all that came through
 * it is written. It waits for the disk, as long as that takes.
 */

#include "core/recording-store.h"

void recorder_process_run(int socket, const RecordingStoreOptions *options);
