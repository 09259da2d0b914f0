/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The seccomp filters of a process, read from the kernel by ptrace(2). The reader must not be under a filter
 * itself. It is a child of ours, one for a leader at a time, that the event loop watches: a leader that
 * cannot be stopped, as one that sleeps in the kernel, holds up nobody but who waits for its filters. A
 * failure is remembered for some seconds, in which nobody tries again.
 */

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/leader.h"

/* How many may wait for the filters of one leader. */
#define FILTERS_WAITS_MAX 256

/* 0 when l->filters are exactly `n`. Otherwise -EINPROGRESS: reading them begins, and filters_wait() reports
 * the end. A refusal if reading failed a moment ago. */
int filters_need(Leader *l, uint32_t n, Refusal *reterr);

/* Refuses when they could not be read a moment ago, before anything is made for an exec. */
int filters_check_failure(const Leader *l, Refusal *reterr);

/* Somebody who waits; embedded in what owns it. */
typedef struct FiltersWait {
        ListNode node;
        FiltersRun *run; /* weak; NULL when nothing is waited for */
        void (*callback)(void *userdata);
        void *userdata;
} FiltersWait;

/* After -EINPROGRESS: the callback comes once, from the loop, whether or not they could be read. */
int filters_wait(Leader *l, FiltersWait *w, void (*callback)(void *userdata), void *userdata,
                 Refusal *reterr);
void filters_wait_cancel(FiltersWait *w);
