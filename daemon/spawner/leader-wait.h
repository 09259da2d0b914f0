/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requests that wait for data of a leader. Each is called once, when the data was read or could not be, and
 * one in each turn of the loop, because each then has work to do.
 */

#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/refusal.h"

/* A member of the structure of the data. */
typedef struct LeaderWaits {
        List list; /* LeaderWait, oldest first */
        unsigned n, max;
        const char *what; /* they wait for, in the text of a refusal */
        sd_event_source *tell;
        void (*on_told)(struct LeaderWaits *l); /* after the last one; frees them */
} LeaderWaits;

/* One request, embedded in what owns it. */
typedef struct LeaderWait {
        ListNode node;
        LeaderWaits *waits; /* weak; NULL when nothing is waited for */
        void (*callback)(void *userdata);
        void *userdata;
} LeaderWait;

/* With `max`, `what` and `on_told` set. */
int leader_waits_init(LeaderWaits *l, sd_event *event);
/* They are called from now on. */
void leader_waits_tell(LeaderWaits *l);
/* Ends all waits without a callback. */
void leader_waits_done(LeaderWaits *l);

/* -ESTALE without `l`: nothing is being read. */
int leader_wait(LeaderWaits *l, LeaderWait *w, void (*callback)(void *userdata), void *userdata,
                Refusal *reterr);
void leader_wait_cancel(LeaderWait *w);
