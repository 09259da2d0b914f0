/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Facts of a leader that the kernel reports only while its memory is at rest: its command line, and its
 * personality. A reader (reader.h) reads both once, and requests wait for it.
 */

#include "spawner/leader.h"

/* 0 when they are known, or cannot be read for now (see memory_error); -EINPROGRESS while they are being read:
 * leader_wait() on memory_waits reports the end. */
int leader_memory_need(Leader *const *leaders, size_t n);
