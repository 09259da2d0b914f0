/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The recent output of one exec: a ring of frames (wire/frame), addressed by offsets that only grow. It is
 * replay buffer and send buffer in one: each client has a position in it, and bytes that no client has read yet are
 * never overwritten, since the reader of the command's pipe asks output_ring_room() first.
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

#define OUTPUT_RING_SIZE \
        (128 * 1024) /* bytes of the ring, frame headers included, unless it says otherwise */
#define OUTPUT_RING_SMALL  (32 * 1024) /* of a user who has many of them */
#define OUTPUT_RING_REPLAY (64 * 1024) /* bytes that a client which joins later is given, at least */

typedef struct OutputRingPositions {
        uint64_t start, end;
        uint64_t dropped; /* 0 or 1 */
} OutputRingPositions;

typedef struct OutputRing {
        OutputRingPositions *shared; /* weak; NULL: the ring is the ring's own */
        size_t limit; /* how large the ring is to be, not less than OUTPUT_RING_SMALL; 0: OUTPUT_RING_SIZE */
        uint8_t *ring;  /* owned unless shared, allocated with the first frame */
        size_t size;    /* of the ring; less than its limit after output_ring_trim() */
        uint64_t start; /* the oldest frame */
        uint64_t end;   /* the first position after the newest frame */
        bool dropped;   /* not all that was ever written is still here */
} OutputRing;

void output_ring_done(OutputRing *h);

/* How many payload bytes a new frame may have without losing what a reader at `position` has not seen. */
size_t output_ring_room(const OutputRing *h, uint64_t position);

/* Appends one frame, dropping old ones to make room. -ENOMEM, or -E2BIG when it can never fit. */
int output_ring_append(OutputRing *h, FrameType type, const void *data, size_t size);

/* The same in two steps, for writing the payload in place: room for a frame of up to `size` bytes (the
 * number of pieces, or an error as above), then a frame of as many as there are. */
int output_ring_reserve(OutputRing *h, size_t size, struct iovec iov[static 2]);
void output_ring_commit(OutputRing *h, FrameType type, size_t size);

/* The frames lie in `ring` from now on, which is not freed, and `shared` follows the positions. Only while
 * there are no frames, or, with positions that are found there, as these say: then -EBADMSG when they are
 * not sound. */
void output_ring_share(OutputRing *h, OutputRingPositions *shared, void *ring, size_t size);
int output_ring_resume(OutputRing *h, OutputRingPositions *shared, void *ring, size_t size);

/* How much of the earlier output a client that joins now gets, at least: half of the ring. */
size_t output_ring_replay(const OutputRing *h);

/* Forgets everything (the position of the end stays). */
void output_ring_clear(OutputRing *h);

/* The position at which a client that joins now starts. It gets the same share of a larger ring. */
uint64_t output_ring_replay_position(const OutputRing *h);

/* The frame header at a frame's first byte. */
void output_ring_frame_at(const OutputRing *h, uint64_t position, FrameType *ret_type, uint32_t *ret_size);

/* The bytes [position, position + size) as one or two pieces. Returns their number. */
int output_ring_span(const OutputRing *h, uint64_t position, size_t size, struct iovec iov[static 2]);

/* Moves the frames to memory of their own size. Nothing can be appended afterwards. */
void output_ring_trim(OutputRing *h);
