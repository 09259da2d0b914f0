/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The directories in which runtimes keep a directory for each container. */

#include <stdbool.h>
#include <stddef.h>

typedef struct OciPlace {
        const char *directory;
        const char *kind; /* of what no engine made */
        bool is_dockers;
        bool is_cruns;
} OciPlace;

#define OCI_PLACES_MAX 8

/* Entries in the list stay there. */
typedef struct OciPlaces {
        OciPlace list[OCI_PLACES_MAX];
        char *found[OCI_PLACES_MAX]; /* owned; the directories of those that were found */
        size_t n;
} OciPlaces;

/* Docker's directory of such directories. */
#define OCI_PLACES_OF_DOCKER "/run/docker/runtime-runc"

void oci_places_init(OciPlaces *p);
void oci_places_done(OciPlaces *p);

/* A name in it that Docker 23 and later use where containers have user namespaces (userns-remap). */
bool oci_place_is_remapped(const char *name);
/* Appends the containers of the directory, whose descriptor is open, that are not in the list yet. */
int oci_places_find(OciPlaces *p, int dir_fd);
