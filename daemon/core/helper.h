/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A helper: a child of ours for work that can wait for a disk, so that the loop does not. It has a socket to us,
 * the standard descriptors, and nothing else: neither clients nor commands are held open by a child that
 * hangs. A process that waits for a disk cannot be killed: it is counted until it ends.
 */

#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/refusal.h"
#include "core/budget.h"

/* Maximum number of helpers at a time, including those that still wait for a disk after their job was given up. */
#define HELPERS_MAX         12
#define HELPERS_PER_UID_MAX 4

#define HELPER_FD           4

typedef struct Helper Helper;

typedef struct HelperPool {
        sd_event *event; /* weak */
        Budget budget;
        List leftovers; /* their jobs were given up */
} HelperPool;

HelperPool *helper_pool_new(sd_event *event);
HelperPool *helper_pool_free(HelperPool *p);
DEFINE_CLEANUP(HelperPool, helper_pool_free);

typedef struct HelperJob {
        /* In the child, which ends when this returns. */
        void (*run)(int socket, void *userdata);
        void *userdata;
        int type;  /* of the socket: SOCK_STREAM, SOCK_SEQPACKET */
        int fd;    /* the child has this one, too, as HELPER_FD; 0: none; weak */
        uid_t uid; /* the user that it works for */
        /* It is not counted, and not killed: it ends by itself after its socket was closed. */
        bool lasts;
} HelperJob;

/* A refusal if there are too many. */
int helper_new(HelperPool *p, const HelperJob *job, Helper **ret, Refusal *reterr);
Helper *helper_free(Helper *h);
DEFINE_CLEANUP(Helper, helper_free);

int helper_socket(const Helper *h); /* non-blocking on our side; weak */
/* Closes our side of the socket and gives the child a moment to end. For the end of execd. */
void helper_wait(Helper *h, uint64_t usec);
