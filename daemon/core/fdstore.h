/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How running execs survive the end of execd, such as a restart, an upgrade, or a crash. From the start of
 * each exec, its state is in slots (core/slot, core/keep): the descriptors, the record, the memory of the
 * stream, and the sockets of its clients. The next execd takes them over, after an orderly exit and after a
 * crash alike, and clients do not notice. Ended execs are in the state file (state-file.c).
 */

#include "core/exec.h"
#include "core/keep.h"

typedef struct StoredFds {
        char id[EXEC_ID_SIZE];
        char *record;                /* owned; NULL: the other members are of no use */
        int fds[_KEEP_ROLE_MAX];     /* owned, or negative */
        Slot *slots[_KEEP_ROLE_MAX]; /* owned; by the first role of their message */
        uint64_t sequences[_KEEP_ROLE_MAX];
} StoredFds;

/* A client that waits for the end of an exec, which may have more of these. */
typedef struct StoredWait {
        int fd; /* owned */
        bool close;
        char exec_id[EXEC_ID_SIZE];
} StoredWait;

typedef struct StoredWaits {
        StoredWait *items;
        size_t n;
} StoredWaits;

typedef struct FdStore {
        int *slot_fds; /* owned, until fdstore_open() */
        size_t n_slot_fds;
        StoredFds *execs;
        size_t n_execs;
        StoredWaits waits;
} FdStore;

void stored_waits_done(StoredWaits *w);

/* Takes an fd that systemd passed under this name. False when the name is not ours: then the fd is still the
 * caller's. */
bool fdstore_add(FdStore *h, const char *name, int fd);
/* Looks into the slots, which belong to `pool` from now on. */
void fdstore_open(FdStore *h, SlotPool *pool);

/* The descriptors of one exec; weak, each fd and slot that is used is taken from it. NULL if there are none.
 */
StoredFds *fdstore_find(FdStore *h, const char *id);

/* Into a stream that has its command's fds but has not begun. False when there was nothing, or nothing that
 * can be used: then it knows that it has not all of the output. */
bool fdstore_take_stream(StoredFds *f, Stream *s);

/* Closes the descriptors that were not taken; their clients see the end of the connection. */
void fdstore_done(FdStore *h);

/* From now on, slots hold the descriptors of the running exec. */
void fdstore_keep(Exec *e);
/* It has ended and been served, or its terminal is to be hung up: nothing but execd may hold its descriptors. */
void fdstore_forget(Exec *e);
void fdstore_forget_terminal(Exec *e);
