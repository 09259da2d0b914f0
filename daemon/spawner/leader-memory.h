/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Facts of a leader that the kernel reports only while its memory is at rest: its command line, and its
 * personality. A reader (reader.h) reads both once, and requests wait for it.
 */

#include "base/list.h"
#include "base/refusal.h"
#include "spawner/leader.h"

#define MEMORY_WAITS_MAX 1024

/* 0 when they are known, or cannot be read for now (see memory_error); -EINPROGRESS when they are being read. */
int leader_memory_need(Leader *const *leaders, size_t n);

/* Somebody who waits; embedded in what owns it. */
typedef struct MemoryWait {
        ListNode node;
        MemoryRun *run; /* weak; NULL when nothing is waited for */
        void (*callback)(void *userdata);
        void *userdata;
} MemoryWait;

/* After -EINPROGRESS: the callback comes once, from the loop, whether or not they could be read. */
int leader_memory_wait(Leader *l, MemoryWait *w, void (*callback)(void *userdata), void *userdata,
                       Refusal *reterr);
void leader_memory_wait_cancel(MemoryWait *w);
