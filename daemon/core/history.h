/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The recent output of one exec: a ring of frames (wire/frame), addressed by offsets that only grow. It is
 * replay buffer and send buffer in one: each client has a position in it, and what no client has read yet is
 * never overwritten, since the reader of the command's pipe asks history_room() first.
 *
 * The ring may lie in memory that outlives the process (core/stream-map), with a copy of the positions. They
 * are written in an order that leaves them true between any two stores: the start moves before a frame is
 * overwritten, the end after a frame is complete.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "wire/frame.h"

#define HISTORY_SIZE   (128 * 1024) /* bytes of the ring, frame headers included, unless it says otherwise */
#define HISTORY_REPLAY (64 * 1024)  /* bytes that a client which joins later is given, at least */

typedef struct HistoryPositions {
        uint64_t start, end;
        uint64_t dropped; /* 0 or 1 */
} HistoryPositions;

typedef struct History {
        HistoryPositions *shared; /* weak; NULL: the ring is the history's own */
        size_t limit;   /* how large the ring is to be, not less than HISTORY_SIZE; 0: HISTORY_SIZE */
        uint8_t *ring;  /* owned unless shared, allocated with the first frame */
        size_t size;    /* of the ring; less than its limit after history_trim() */
        uint64_t start; /* the oldest frame */
        uint64_t end;   /* one behind the newest frame */
        bool dropped;   /* not all that was ever written is still here */
} History;

void history_done(History *h);

/* How many payload bytes a new frame may have without losing what a reader at `position` has not seen. */
size_t history_room(const History *h, uint64_t position);

/* Appends one frame, dropping old ones to make room. -ENOMEM, or -E2BIG when it can never fit. */
int history_append(History *h, FrameType type, const void *data, size_t size);

/* The same in two steps, for who writes the payload in place: room for a frame of up to `size` bytes (the
 * number of pieces, or an error as above), then a frame of as many as there are. */
int history_reserve(History *h, size_t size, struct iovec iov[static 2]);
void history_commit(History *h, FrameType type, size_t size);

/* The frames lie in `ring` from now on, which is not freed, and `shared` follows the positions. Only while
 * there are no frames, or, with positions that are found there, as these say: then -EBADMSG when they are
 * not sound. */
void history_share(History *h, HistoryPositions *shared, void *ring, size_t size);
int history_resume(History *h, HistoryPositions *shared, void *ring, size_t size);

/* Forgets everything (the position of the end stays). */
void history_clear(History *h);

/* Where a client that joins now starts. Of a larger ring it is given the same share. */
uint64_t history_replay_position(const History *h);

/* The frame header at a frame's first byte. */
void history_frame_at(const History *h, uint64_t position, FrameType *ret_type, uint32_t *ret_size);

/* The bytes [position, position + size) as one or two pieces. Returns their number. */
int history_span(const History *h, uint64_t position, size_t size, struct iovec iov[static 2]);

/* Keeps what the frames fill in memory of its own. Nothing can be appended afterwards. */
void history_trim(History *h);
