/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/output-ring.h"

#include <string.h>

static void publish(uint64_t *to, uint64_t value)
{
        __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static void set_start(OutputRing *h, uint64_t start)
{
        h->start = start;
        h->dropped = true;
        if (!h->shared)
                return;
        publish(&h->shared->dropped, 1);
        publish(&h->shared->start, start);
}

static void set_end(OutputRing *h, uint64_t end)
{
        h->end = end;
        if (h->shared)
                publish(&h->shared->end, end);
}

void output_ring_done(OutputRing *h)
{
        if (!h->shared)
                free(h->ring);
        *h = (OutputRing){0};
}

static size_t output_ring_limit(const OutputRing *h)
{
        return h->limit > 0 ? h->limit : OUTPUT_RING_SIZE;
}

size_t output_ring_room(const OutputRing *h, uint64_t position)
{
        size_t unread = (size_t) (h->end - position);

        if (unread + FRAME_HEADER_SIZE >= output_ring_limit(h))
                return 0;
        return output_ring_limit(h) - unread - FRAME_HEADER_SIZE;
}

static void ring_write(OutputRing *h, uint64_t position, const void *data, size_t size)
{
        size_t at = (size_t) (position % h->size), first = MIN(size, h->size - at);

        memcpy(h->ring + at, data, first);
        memcpy(h->ring, (const uint8_t *) data + first, size - first);
}

static void ring_read(const OutputRing *h, uint64_t position, void *data, size_t size)
{
        size_t at = (size_t) (position % h->size), first = MIN(size, h->size - at);

        memcpy(data, h->ring + at, first);
        memcpy((uint8_t *) data + first, h->ring, size - first);
}

int output_ring_span(const OutputRing *h, uint64_t position, size_t size, struct iovec iov[static 2])
{
        size_t at = (size_t) (position % h->size), first = MIN(size, h->size - at);

        iov[0] = (struct iovec){.iov_base = h->ring + at, .iov_len = first};
        iov[1] = (struct iovec){.iov_base = h->ring, .iov_len = size - first};
        return size > first ? 2 : 1;
}

void output_ring_frame_at(const OutputRing *h, uint64_t position, FrameType *ret_type, uint32_t *ret_size)
{
        uint8_t header[FRAME_HEADER_SIZE];

        ring_read(h, position, header, sizeof(header));
        (void) frame_header_read(header, ret_type, ret_size);
}

static uint64_t output_ring_next(const OutputRing *h, uint64_t position)
{
        FrameType type;
        uint32_t size = 0;

        output_ring_frame_at(h, position, &type, &size);
        return position + FRAME_HEADER_SIZE + size;
}

int output_ring_reserve(OutputRing *h, size_t size, struct iovec iov[static 2])
{
        size_t total = size + FRAME_HEADER_SIZE;

        if (!h->ring) {
                h->ring = malloc(output_ring_limit(h));
                if (!h->ring)
                        return -ENOMEM;
                h->size = output_ring_limit(h);
        }
        if (total > h->size)
                return -E2BIG;
        while (h->size - (size_t) (h->end - h->start) < total)
                set_start(h, output_ring_next(h, h->start));
        return output_ring_span(h, h->end + FRAME_HEADER_SIZE, size, iov);
}

void output_ring_commit(OutputRing *h, FrameType type, size_t size)
{
        uint8_t header[FRAME_HEADER_SIZE];

        frame_header_write(header, type, (uint32_t) size);
        ring_write(h, h->end, header, sizeof(header));
        set_end(h, h->end + sizeof(header) + size);
}

int output_ring_append(OutputRing *h, FrameType type, const void *data, size_t size)
{
        struct iovec iov[2];
        int r = output_ring_reserve(h, size, iov);

        if (r < 0)
                return r;
        ring_write(h, h->end + FRAME_HEADER_SIZE, data, size);
        output_ring_commit(h, type, size);
        return 0;
}

void output_ring_share(OutputRing *h, OutputRingPositions *shared, void *ring, size_t size)
{
        h->ring = ring;
        h->size = size;
        h->shared = shared;
        shared->start = h->start;
        shared->dropped = h->dropped;
        set_end(h, h->end);
}

/* Frames follow one another from the start to the end. */
static bool is_sound(const OutputRing *h)
{
        uint64_t at = h->start;

        if (h->end < h->start || h->end > INT64_MAX || h->end - h->start > h->size)
                return false;
        while (at < h->end) {
                uint8_t header[FRAME_HEADER_SIZE];
                FrameType type;
                uint32_t size;

                if (h->end - at < sizeof(header))
                        return false;
                ring_read(h, at, header, sizeof(header));
                if (frame_header_read(header, &type, &size) < 0 || h->end - at - sizeof(header) < size)
                        return false;
                at += sizeof(header) + size;
        }
        return true;
}

int output_ring_resume(OutputRing *h, OutputRingPositions *shared, void *ring, size_t size)
{
        OutputRing found = {
                .shared = shared,
                .limit = h->limit,
                .ring = ring,
                .size = size,
                .start = shared->start,
                .end = shared->end,
                .dropped = shared->dropped,
        };

        if (size < OUTPUT_RING_SMALL || !is_sound(&found))
                return -EBADMSG;
        found.limit = size;
        *h = found;
        return 0;
}

void output_ring_clear(OutputRing *h)
{
        set_start(h, h->end);
}

size_t output_ring_replay(const OutputRing *h)
{
        return output_ring_limit(h) / (OUTPUT_RING_SIZE / OUTPUT_RING_REPLAY);
}

uint64_t output_ring_replay_position(const OutputRing *h)
{
        uint64_t position = h->start, replay = output_ring_replay(h);

        while (position < h->end) {
                uint64_t next = output_ring_next(h, position);

                if (h->end - next < replay)
                        break;
                position = next;
        }
        return position;
}

void output_ring_trim(OutputRing *h)
{
        size_t size = (size_t) (h->end - h->start);
        uint8_t *copy;

        if (size == 0) {
                *h = (OutputRing){
                        .limit = h->limit, .ring = h->shared ? NULL : mfree(h->ring), .dropped = h->dropped};
                return;
        }
        copy = malloc(size);
        if (!copy && !h->shared)
                return;
        if (copy)
                ring_read(h, h->start, copy, size);
        if (!h->shared)
                free(h->ring);
        *h = copy ? (OutputRing){.ring = copy, .size = size, .start = 0, .end = size, .dropped = h->dropped}
                  : (OutputRing){.dropped = true};
}
