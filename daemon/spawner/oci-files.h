/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where runtimes and engines keep what wire/oci-state.h takes apart. All of it must be root's alone. */

#include <stdbool.h>
#include <sys/stat.h>

#include "base/refusal.h"
#include "wire/oci-state.h"

/* A directory with a directory for each container. */
typedef struct OciPlace {
        const char *directory;
        const char *kind; /* of what no engine made */
        bool is_dockers;
        bool is_cruns;
} OciPlace;

#define OCI_PLACES 3
extern const OciPlace oci_places[OCI_PLACES];

/* The names of one of Podman's storages, as read last. */
typedef struct OciNames {
        char *directory;
        struct stat st[2];
        OciStorage storage[2];
} OciNames;

void oci_names_done(OciNames *n);

/* `dir_fd` is the container's directory. -EAGAIN when it is just being made. `st` is that of the file, and 1
 * is returned, with nothing read, while it is what it was. */
int oci_read_state(const OciPlace *place, int dir_fd, const char *id, struct stat *st, OciState *ret,
                   Refusal *reterr);
/* With a name, and whatever else is known; `state` learns whether it is Podman's. */
int oci_read_config(const OciPlace *place, int dir_fd, const char *id, OciState *state, OciNames *names,
                    OciConfig *ret, Refusal *reterr);
/* Where Docker has what it remembers of a container; owned. */
int oci_docker_directory(const OciState *state, const char *id, char **ret);
/* Whether a file that was changed has names in it. */
bool oci_file_has_names(const char *file);

/* Only the name, for one that is known; owned. */
int oci_read_name(const OciPlace *place, const char *id, const OciState *state, OciNames *names, char **ret,
                  Refusal *reterr);
