/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The descriptors of a running exec, each with its role, in slots for the next execd. The message that has
 * the runner's control socket also has the record of the exec. A descriptor that ends before the exec has a
 * slot of its own, so that nothing holds it open afterwards: a client's socket, the command's stdin.
 */

#include "core/slot.h"

#define KEEP_CLIENTS_MAX 32
#define KEEP_ID_SIZE     65 /* of an exec */

typedef enum KeepRole {
        KEEP_CONTROL, /* the runner's control socket */
        KEEP_PIDFD,
        KEEP_STDOUT, /* or the terminal */
        KEEP_STDERR,
        KEEP_MAP,    /* core/stream-map */
        KEEP_RECORD, /* a memfd, where the record is too long for a message */
        KEEP_STDIN,
        KEEP_LOG,        /* of a detached exec, to its runner */
        KEEP_STAGE_READ, /* the pipe between the command's and the client's */
        KEEP_STAGE_WRITE,
        KEEP_CLIENTS,                                  /* the first of them */
        KEEP_LEADER = KEEP_CLIENTS + KEEP_CLIENTS_MAX, /* a pidfd of the main process of a service */
        KEEP_WAIT,        /* an HTTP client that waits for the end of the exec */
        KEEP_WAIT_CLOSED, /* the same, whose connection ends with the answer */
        _KEEP_ROLE_MAX,
} KeepRole;

typedef struct KeepFd {
        KeepRole role;
        int fd; /* weak; a negative one is left out */
} KeepFd;

/* A slot with these, or NULL. `record` may be NULL. */
Slot *keep_put(SlotPool *p, const char *id, const KeepFd *fds, size_t n_fds, const char *record);

typedef struct KeepFound {
        char id[KEEP_ID_SIZE];
        uint64_t sequence;       /* of two messages the later one holds */
        KeepFd fds[FD_PASS_MAX]; /* owned by the reader */
        size_t n_fds;
        char *record; /* owned; NULL when there is none */
} KeepFound;

/* The next message of a slot that was rewound. -EAGAIN after the last one, -EBADMSG for a message of something else.
 */
int keep_read(Slot *s, KeepFound *ret);
void keep_found_done(KeepFound *f);
