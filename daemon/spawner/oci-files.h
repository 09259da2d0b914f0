/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where runtimes and engines keep the files that wire/oci-state.h parses. All of it must be root's alone. The state is in
 * memory; scouts read the other files (oci-look.h). */

#include <stdbool.h>
#include <sys/stat.h>

#include "base/refusal.h"
#include "spawner/oci-places.h"
#include "wire/oci-state.h"

/* Where Docker keeps the files of its containers by default. */
#define OCI_DOCKER_CONTAINERS "/var/lib/docker/containers"

/* The names of one of Podman's storages, as read last. */
typedef struct OciNames {
        char *directory;
        struct stat st[2];
        OciStorage storage[2];
} OciNames;

void oci_names_done(OciNames *n);

/* The identity of a container's files that may change, at the time when they were last read. */
typedef struct OciSeen {
        struct stat config, health;
} OciSeen;

/* `dir_fd` is the container's directory. -EAGAIN when it is just being made. `st` is the status of the file; returns
 * 1, with nothing read, if it has not changed. */
int oci_read_state(const OciPlace *place, int dir_fd, const char *id, struct stat *st, OciState *ret,
                   Refusal *reterr);
/* With a name, and all other known details; `state` learns whether it is Podman's. */
int oci_read_config(const OciPlace *place, int dir_fd, const char *id, OciState *state, OciNames *names,
                    OciSeen *seen, OciConfig *ret, Refusal *reterr);
/* Where Docker keeps the files of a container; owned. */
int oci_docker_directory(const OciState *state, const char *id, char **ret);
/* Whether oci_read_again() reads this file. */
bool oci_file_is_of_interest(const char *file);

/* For a container that is known: its name (owned), or NULL if it is certainly the one that was read last.
 * Updates the details. */
int oci_read_again(const OciPlace *place, const char *id, const OciState *state, OciNames *names,
                   OciSeen *seen, char ***details, char **ret_name, Refusal *reterr);
