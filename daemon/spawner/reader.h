/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A reader: a child of ours for reads that a process can delay. A process that sleeps in the kernel
 * cannot be stopped for ptrace(2). The kernel reads the arguments of a process out of the memory of the process,
 * which may be a file of a file system that the container serves itself, and holds a lock of the process for
 * others. The spawner does not wait for a reader: it is killed after a time without progress, and one that cannot
 * be killed is left until it ends.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "spawner/leader-wait.h"
#include "spawner/leader.h"

typedef struct Reader Reader;

/* The first member of the memory that a reader shares with us. */
typedef struct ReaderMemory {
        uint32_t progress;
} ReaderMemory;

typedef struct ReaderJob {
        size_t size;   /* of the memory, which is zero at first */
        uint64_t usec; /* how long it may take if there is progress; 0: a few seconds */
        int pidfd;     /* weak: of what is read; 0: none */
        /* In the child. All but that and the standard descriptors are closed. */
        void (*read)(ReaderMemory *m, void *userdata);
        /* Once, from the loop, with 0 or -errno. Frees the reader. */
        void (*on_done)(void *userdata, int error);
        void *userdata;
} ReaderJob;

int reader_new(sd_event *event, const ReaderJob *job, Reader **ret);
/* A child that is still there is killed. It was reading of the container of `stuck_at`, unless that is NULL. */
Reader *reader_free(Reader *r, Leader *stuck_at);
ReaderMemory *reader_memory(const Reader *r);

/* In the child: something was read. */
void reader_advance(ReaderMemory *m);
uint32_t reader_progress(const ReaderMemory *m);

/* Has a reader read what requests wait for: it gets the default event loop, and so do they. */
int leader_waits_read(LeaderWaits *l, const ReaderJob *job, Reader **ret);

/* False while a reader of this container hangs, or too many others do. */
bool reader_is_allowed(const Leader *l);
/* False while half as many hang: only what no file system of a container can hold up is read then, because starts of
 * execs need that. */
bool reader_may_hang(void);
