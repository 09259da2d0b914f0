/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd is restarted, by an upgrade for example, while commands run: on the way out what it holds of each is
 * given to systemd's file descriptor store, on the way in it is taken back: also the sockets of attached
 * clients, with a memfd of what their stream has in memory (stream-snapshot), so that they notice nothing.
 * What is known of the execs stands in the state file beside it (state-file.c). When execd dies instead,
 * clients lose their connection and may attach again.
 */

#include "core/manager.h"
#include "core/stream-snapshot.h"

typedef enum HandoverRole {
        HANDOVER_CONTROL, /* the runner's control socket */
        HANDOVER_PIDFD,
        HANDOVER_STDOUT, /* or the terminal */
        HANDOVER_STDERR,
        HANDOVER_STDIN,
        HANDOVER_STREAM,  /* a memfd, the snapshot */
        HANDOVER_CLIENTS, /* the first of them */
        _HANDOVER_ROLE_MAX = HANDOVER_CLIENTS + STREAM_SNAPSHOT_CLIENTS_MAX,
} HandoverRole;

typedef struct HandoverFds {
        char id[EXEC_ID_SIZE];
        int fds[_HANDOVER_ROLE_MAX]; /* owned, or negative */
        uint64_t passed;             /* 1 << HandoverRole of each that systemd has */
} HandoverFds;

struct Handover {
        HandoverFds *execs;
        size_t n_execs;
};

/* Takes an fd that systemd passed under this name. False when the name is not one of ours: then the fd is
 * still the caller's. */
bool handover_add(Handover *h, const char *name, int fd);

/* Those of one exec; weak, each fd that is used is to be taken from it. NULL when there are none. */
HandoverFds *handover_find(Handover *h, const char *id);

/* Into a stream that has its command's fds but has not begun. False when there was nothing, or nothing that
 * can be used: then it knows that it has not all of the output. */
bool handover_take_stream(HandoverFds *f, Stream *s);

/* Closes what nobody took, and has systemd forget all of it. */
void handover_done(Handover *h);

/* Those that run for some time already are left with systemd while execd works, for the case that it dies.
 * True when there are others than before. */
bool handover_keep(Manager *m);
/* It has ended, or its terminal is to be hung up: nothing but execd may hold it any more. */
void handover_forget(Exec *e);

/* Gives what running execs have to systemd, and of ended ones what their clients have not read yet; `stored`
 * of each that runs tells. Blocks until systemd has it. */
void handover_store(Manager *m);
