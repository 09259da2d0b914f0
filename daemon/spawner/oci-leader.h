/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first processes of OCI containers, which are looked at without waiting for them (leader-look.h). */

#include "base/list.h"
#include "spawner/leader.h"
#include "spawner/oci-files.h"

typedef struct OciLeaders {
        List pending;
        struct Pending *looked_at; /* weak */
        /* The first process was looked at, or keeps us waiting (and then once more when it no longer does): the
         * container is to be looked at again, and oci_leader_open() has another answer. */
        void (*on_looked)(void *userdata, const OciPlace *place, const char *id, bool was_slow);
        /* After that. */
        void (*on_settled)(void *userdata);
        void *userdata;
} OciLeaders;

/* -EINPROGRESS: it is being looked at. -EAGAIN: it keeps us waiting. */
int oci_leader_open(OciLeaders *all, const OciPlace *place, const char *id, const OciState *state,
                    int dir_fd, Leader **ret, Refusal *reterr);
/* Some are looked at that do not keep us waiting. */
bool oci_leaders_are_waited_for(const OciLeaders *all);
void oci_leaders_done(OciLeaders *all);
