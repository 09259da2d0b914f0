/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A container as the spawner describes it (dbus/org.execd1.Spawner.xml): an immutable snapshot, shared by
 * the execs in it. Its identity is id, leader and leader_start together; the spawner checks them at each
 * use.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/strv.h"
#include "wire/spawner-protocol.h"

typedef struct ContainerInfo {
        unsigned n_ref;
        char *id;
        char *name;
        char *kind;
        char *state;
        char *image;
        char *unit;
        char *slice;
        uint32_t leader;
        uint64_t leader_start;
        uint32_t leader_uid;
        uint64_t created_usec;
        uint64_t started_usec;
        bool confined; /* false for a service that is root on the host, and nothing less */
        char **command;
        char *user;        /* of an exec that names none; "" for root, NULL for a remembered one */
        char *working_dir; /* the same, "" for the root directory */
        char *label;       /* SELinux context of the leader, "" without SELinux; NULL for a remembered one */
        char **details;    /* details from its engine (wire/oci-details.h); an exec keeps the labels */
        int leader_pidfd;  /* owned; negative in a list */
} ContainerInfo;

/* Containers that were seen running and not paused: of those whose leaders have such a number, the last one. */
typedef struct ContainersSeen {
        struct {
                char *id; /* NULL for none */
                uint32_t leader;
                uint64_t leader_start;
                uint64_t usec; /* CLOCK_MONOTONIC */
        } slots[16];
} ContainersSeen;

/* Reads one description. 1 when one was read, 0 at the end of an array. */
int container_info_read(sd_bus_message *m, ContainerInfo **ret);

/* A container that is only remembered; the caller fills in the known facts. */
ContainerInfo *container_info_new_remembered(void);

ContainerInfo *container_info_ref(ContainerInfo *c);
ContainerInfo *container_info_unref(ContainerInfo *c);
DEFINE_CLEANUP(ContainerInfo, container_info_unref);

/* Whether this one was seen shorter ago than a container can be paused and its state reported. */
bool containers_seen_just_now(const ContainersSeen *s, const ContainerInfo *c);
void containers_seen_add(ContainersSeen *s, const ContainerInfo *c);
void containers_seen_done(ContainersSeen *s);

/* Closes the pidfd, which is not needed once the exec that the snapshot was made for has ended. */
void container_info_forget_leader(ContainerInfo *c);

/* Appends the labels as "key=value": those that execd gives, org.execd1.kind and org.execd1.unit, and those
 * of the engine, if they are known. *ret_known learns that. */
int container_info_labels(const ContainerInfo *c, char ***labels, bool *ret_known);

/* The attributes of events: image, name, and the labels unless they take more than 64 KiB. */
int container_info_attributes(const ContainerInfo *c, char ***attributes);

/* Drops the details that an exec in it does not need. */
void container_info_keep_labels(ContainerInfo *c);

/* Bytes that it takes. */
size_t container_info_size(const ContainerInfo *c);

bool container_info_is_paused(const ContainerInfo *c);

/* The reply to GetContainer: one description and the leader's pidfd. */
int container_info_read_reply(sd_bus_message *m, ContainerInfo **ret);
