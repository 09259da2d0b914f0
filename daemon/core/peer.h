/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The caller at the other end of a connection, according to the kernel: an immutable snapshot that all its
 * requests share.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define PEER_COMM_SIZE 16

typedef struct Peer {
        unsigned n_ref;
        uid_t uid;
        gid_t gid;
        pid_t pid;         /* at connect time; a name for records, never used to reach the process */
        int pidfd;         /* owned; negative when the process had exited already, and in records */
        char *label;       /* SELinux context of the socket, NULL without SELinux */
        uint32_t loginuid; /* (uint32_t) -1: none */
        char *unit;        /* systemd unit, NULL if unknown */
        char *session;     /* of logind, NULL if it has none */
        char program
                [PEER_COMM_SIZE]; /* the kernel's name of its program, in printable ASCII; "" if unknown */
        char *bus_name;           /* unique name on the system bus, NULL on HTTP */
        const char *foreign; /* why the uid says nothing about the host: it runs in a container; else NULL */
} Peer;

int peer_new_from_socket(int fd, Peer **ret);
/* A caller on the system bus: the rest is filled in from the answer of the bus (a pidfd too, if the bus has
 * it), then peer_add_details() adds the kernel's data on the process. The bus daemon's word holds for the
 * connection's life. */
Peer *peer_new_from_bus(const char *unique_name);
void peer_add_details(Peer *p);

/* The name of the program that the process runs now, in the kernel's words. */
int peer_comm(const Peer *p, char ret[static PEER_COMM_SIZE]);

/* An earlier caller, of whom only a record is left. */
Peer *peer_new_remembered(uid_t uid, pid_t pid, uint32_t loginuid);

/* A copy for records: all that is known, but no pidfd. */
Peer *peer_remember(const Peer *p);
/* The same with the pidfd, as long as it matters whether the process still lives. */
Peer *peer_remember_alive(const Peer *p);

/* Shares that belong to no user: of callers in containers, and of callers on the bus until it has identified them. */
#define PEER_SHARE_FOREIGN ((uid_t) -1)
#define PEER_SHARE_UNKNOWN ((uid_t) -2)

/* The uid whose share of execd's resources the caller uses. Callers in containers have one share together,
 * whatever uids they have there: it must not be root's. */
static inline uid_t peer_share(const Peer *p)
{
        return p->foreign ? PEER_SHARE_FOREIGN : p->uid;
}

Peer *peer_ref(Peer *p);
Peer *peer_unref(Peer *p);
DEFINE_CLEANUP(Peer, peer_unref);
