/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A look at the files of a container that may be on any file system: its engine's and its bundle's. Scouts look, and
 * begin to watch them for the loop.
 */

#include "spawner/oci-disk.h"
#include "spawner/oci-files.h"

#define OCI_NO_WATCH (-1)

typedef struct OciQuery {
        const OciPlace *place;
        const char *id;
        const OciState *state;
        const OciSeen *seen; /* of a known container: only reads files that have changed since; or NULL */
        int watcher;         /* of inotify; negative: nothing is watched */
} OciQuery;

typedef struct OciFound {
        OciConfig
                config; /* of a container that is known: the name and the details, where they have changed */
        OciSeen seen;
        bool is_podmans;
        int watch, storage_watch; /* of its own directory, and of the one with the names; or OCI_NO_WATCH */
        int watch_error;          /* negative: the kernel's limits do not allow a watch */
} OciFound;

void oci_found_done(OciFound *f);

/* Embedded in what owns it. */
typedef struct OciLook {
        OciQuery query; /* weak */
        OciDisk *disk;  /* weak */
        /* Once, unless it was canceled. Takes the result, if there is no error. */
        void (*on_found)(void *userdata, int error, OciFound *found, Refusal *refusal);
        /* Once, if the file system is slow. */
        void (*on_slow)(void *userdata);
        void *userdata;
        ScoutJob job;
} OciLook;

/* The texts that the query points at stay valid until the end. */
int oci_look_start(OciLook *l, const OciQuery *query, Refusal *reterr);
void oci_look_cancel(OciLook *l);
