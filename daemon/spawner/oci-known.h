/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An OCI container in the table, with all data that shows whether it has changed. */

#include "base/list.h"
#include "spawner/container.h"
#include "spawner/oci-reading.h"

typedef struct OciKnown {
        ListNode node;
        const OciPlace *place;
        char *id;
        OciState state; /* as it was when the container was found */
        struct stat st; /* of its state file */
        OciSeen seen;
        bool has_engine;          /* whose files of it may change */
        bool is_behind;           /* they may have changed, and have not been read again yet */
        int watch, storage_watch; /* of these files; Podman's storage is watched on for other containers */
        Container *container;     /* owned reference */
} OciKnown;

/* Takes the state, and its own watch from the result of the look. */
int oci_known_new(const OciPlace *place, const char *id, OciState *state, const struct stat *st,
                  OciFound *found, Container *c, OciKnown **ret);
OciKnown *oci_known_free(OciKnown *k, OciReadings *readings, int watcher);

/* Whether the state file still names the same process. */
bool oci_known_runs(OciKnown *k, int place_fd);
/* Reads the engine's files again, which may take several calls. False if the name has changed or the files are invalid. */
bool oci_known_read(OciKnown *k, OciReadings *readings);
