/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The facts of a leader of now, for one exec. A scout (scout.h) reads them. */

#include "spawner/leader.h"
#include "spawner/scout.h"

typedef struct LeaderPicture {
        ScoutJob job;
        Leader *leader; /* owned reference */
        void (*callback)(void *userdata);
        void *userdata;
        int error; /* why it could not be taken */
        Refusal refusal;
        LeaderFacts facts;
        ProcStat stat;
        NamespaceSet *namespaces; /* owned reference */
} LeaderPicture;

/* Calls back once, from the loop, also when the facts could not be read: the leader has the picture as long as the
 * callback runs. Refuses while a leader is left alone that has let a scout wait for it. */
int leader_picture_take(LeaderPicture *p, Leader *l, uid_t caller, void (*callback)(void *userdata),
                        void *userdata, Refusal *reterr);
void leader_picture_done(LeaderPicture *p);

/* Refuses likewise, before anything is made for an exec. */
int leader_picture_check(const Leader *l, Refusal *reterr);
