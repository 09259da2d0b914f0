/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checks after execve(2) that the command has the confinement that its container had when it was found. */

#include "base/refusal.h"
#include "spawner/leader.h"
#include "spawner/scout.h"

/* Waits for the command, if that is in execve(2). */
int verify_command(pid_t pid, int pidfd, const Leader *leader, const RunnerSpec *spec, Refusal *reterr);

/* The same by a scout; embedded in what owns it. All that is given must stay until the end. */
typedef struct VerifyJob {
        ScoutJob job;
        pid_t pid;
        uid_t caller;
        int pidfd;              /* weak */
        const Leader *leader;   /* weak */
        const RunnerSpec *spec; /* weak */
        /* Once, from the loop; not after the job was canceled. */
        void (*callback)(void *userdata, int error, const Refusal *refusal);
        void *userdata;
} VerifyJob;

int verify_start(VerifyJob *v);
