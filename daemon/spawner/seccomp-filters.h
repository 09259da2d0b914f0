/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The seccomp filters of a process, read from the kernel by ptrace(2) in a reader (reader.h), one for a leader
 * at a time. The reader must not be under a filter itself. A leader that cannot be stopped, such as one that
 * sleeps in the kernel, delays only the execs that need its filters. For some seconds after a failure, it is
 * not tried again.
 */

#include "base/refusal.h"
#include "spawner/leader.h"

/* 0 when l->filters are exactly `n`. Otherwise -EINPROGRESS: reading them begins, and leader_wait() on
 * filters_waits reports the end. A refusal if reading failed a moment ago. */
int filters_need(Leader *l, uint32_t n, Refusal *reterr);

/* Refuses when they could not be read a moment ago, before anything is made for an exec. */
int filters_check_failure(const Leader *l, Refusal *reterr);
