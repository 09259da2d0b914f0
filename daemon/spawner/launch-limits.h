/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A runner shares the limits of its container with the commands there, and has those that the client asks for. When it
 * meets one, the kernel kills it, refuses it memory, or lets it wait, and the error does not show why. Here such a
 * failure gets a text that names the limit.
 */

#include "base/refusal.h"
#include "spawner/slice.h"

typedef struct LaunchLimits {
        bool asks_memory, asks_cpu; /* the client does, for this exec */
        uint64_t oom_kills;         /* in the slice, when it was looked at last without a failure */
} LaunchLimits;

/* `properties`: name, text, … */
void launch_limits_init(LaunchLimits *l, char *const *properties);
/* The runner has not failed yet. */
void launch_limits_mark(LaunchLimits *l, const Slice *slice);

/* `error` is why a start has failed: EIO or ECHILD where a process of the runner has ended, ENOMEM where it got no
 * memory, ETIMEDOUT where it took too long. Returns whether a limit is the cause; then *ret is replaced. */
bool launch_limits_explain(const LaunchLimits *l, const Slice *slice, int error, Refusal *ret);

/* The number after a word at the beginning of a line, as in memory.events; 0 where there is none. Pure. */
uint64_t launch_limits_parse(const char *text, const char *word);
