/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The process of a scout: it does what the shared memory says for each message, and answers with another one. */

#include "spawner/scout.h"

#define SCOUT_MESSAGE_MAX 1024

/* Shared with the scout. */
typedef struct ScoutMemory {
        const ScoutWork *work; /* a scout was forked from us: functions have the same addresses */
        int32_t error;
        uint32_t refusal;
        char message[SCOUT_MESSAGE_MAX];
        _Alignas(16) char data[SCOUT_DATA_SIZE];
} ScoutMemory;

void scout_findings_done(ScoutFindings *f);

/* All are the caller's, also on failure. */
int scout_process_start(ScoutMemory **ret_memory, pid_t *ret_pid, int *ret_pidfd, int *ret_socket);
