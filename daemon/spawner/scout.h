/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scouts: children of ours that read the state of processes in /proc for the loop. The kernel has the reader wait
 * while the process is in execve(2), and a container decides how long that takes: its file system may not answer.
 * Nothing but SIGKILL ends such a wait, so the loop itself never reads such files. Scouts also read the files of
 * engines, whose file systems may not answer either.
 *
 * A scout is forked before it is needed, and does one job after the other. It has none of our descriptors but those
 * that it is given, and shares memory with us for arguments and results. A scout that waits for a process for
 * too long is killed, and its job fails; it waits longer for a process that waits for the processor itself, since a CPU
 * limit may stop that while it holds a lock of the kernel. At most a few work for one container at a time, and all
 * containers that have kept a scout waiting lately share half of the scouts, as do all processes that may become
 * containers. The fewer scouts are free, the fewer may a user other than root have: a user with many containers that do so
 * for the first time leaves some to the others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/refusal.h"

#define SCOUT_FDS_MAX   10
#define SCOUT_DATA_SIZE (8 * 1024 * 1024) /* of address space */

typedef struct Scout Scout;

typedef struct ScoutFindings {
        int fds[SCOUT_FDS_MAX]; /* owned; taken by replacing with a negative number */
        size_t n_fds;
        Refusal refusal; /* owned */
} ScoutFindings;

typedef struct ScoutWork {
        /* In the loop, when a scout is free: writes the arguments. Returns a descriptor for the scout, which stays the
         * caller's, or a negative number. */
        int (*prepare)(void *userdata, void *data);
        /* In the scout: replaces the data by the result. The descriptor is closed after it, as are descriptors in the
         * result. */
        int (*run)(void *data, int fd, ScoutFindings *ret);
        /* Once, from the loop, unless the job was canceled. -ETIMEDOUT: the process kept the scout waiting. Without
         * data where nothing was found. */
        void (*on_done)(void *userdata, int error, const void *data, ScoutFindings *found);
        /* Once, if it takes more than a moment, or more than a second in a file system; may be NULL. Such work has half
         * of the scouts at most. */
        void (*on_slow)(void *userdata);
} ScoutWork;

#define SCOUT_NOBODY ((uid_t) -1)

typedef struct ScoutTarget {
        pid_t group; /* the first process of the container, or the process itself; negative: a file system */
        pid_t process; /* the one that is read; only to look whether it would run if it got the processor */
        uid_t caller;  /* for whom it is read */
        unsigned *n_stuck;   /* static: scouts that were killed there and have not ended yet; or NULL */
        unsigned *n_at_work; /* static: working scouts, including those of canceled jobs; or NULL */
} ScoutTarget;

/* Embedded in what owns it. */
typedef struct ScoutJob {
        ListNode node;
        const ScoutWork *work; /* NULL: not started */
        void *userdata;
        ScoutTarget target;
        Scout *scout;   /* weak; NULL: it waits for one */
        uint64_t since; /* CLOCK_MONOTONIC */
        bool is_slow;
} ScoutJob;

/* The scouts end with the loop. */
int scouts_init(sd_event *event);
void scouts_done(void);

/* Never calls back from within. */
int scout_job_start(ScoutJob *j, const ScoutWork *work, void *userdata, const ScoutTarget *target);
void scout_job_cancel(ScoutJob *j);
