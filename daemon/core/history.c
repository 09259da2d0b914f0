/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/history.h"

#include <string.h>

static void publish(uint64_t *to, uint64_t value)
{
        __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static void set_start(History *h, uint64_t start)
{
        h->start = start;
        h->dropped = true;
        if (!h->shared)
                return;
        publish(&h->shared->dropped, 1);
        publish(&h->shared->start, start);
}

static void set_end(History *h, uint64_t end)
{
        h->end = end;
        if (h->shared)
                publish(&h->shared->end, end);
}

void history_done(History *h)
{
        if (!h->shared)
                free(h->ring);
        *h = (History){0};
}

static size_t history_limit(const History *h)
{
        return h->limit > 0 ? h->limit : HISTORY_SIZE;
}

size_t history_room(const History *h, uint64_t position)
{
        size_t unread = (size_t) (h->end - position);

        if (unread + FRAME_HEADER_SIZE >= history_limit(h))
                return 0;
        return history_limit(h) - unread - FRAME_HEADER_SIZE;
}

static void ring_write(History *h, uint64_t position, const void *data, size_t size)
{
        size_t at = (size_t) (position % h->size), first = MIN(size, h->size - at);

        memcpy(h->ring + at, data, first);
        memcpy(h->ring, (const uint8_t *) data + first, size - first);
}

static void ring_read(const History *h, uint64_t position, void *data, size_t size)
{
        size_t at = (size_t) (position % h->size), first = MIN(size, h->size - at);

        memcpy(data, h->ring + at, first);
        memcpy((uint8_t *) data + first, h->ring, size - first);
}

int history_span(const History *h, uint64_t position, size_t size, struct iovec iov[static 2])
{
        size_t at = (size_t) (position % h->size), first = MIN(size, h->size - at);

        iov[0] = (struct iovec){.iov_base = h->ring + at, .iov_len = first};
        iov[1] = (struct iovec){.iov_base = h->ring, .iov_len = size - first};
        return size > first ? 2 : 1;
}

void history_frame_at(const History *h, uint64_t position, FrameType *ret_type, uint32_t *ret_size)
{
        uint8_t header[FRAME_HEADER_SIZE];

        ring_read(h, position, header, sizeof(header));
        (void) frame_header_read(header, ret_type, ret_size);
}

static uint64_t history_next(const History *h, uint64_t position)
{
        FrameType type;
        uint32_t size = 0;

        history_frame_at(h, position, &type, &size);
        return position + FRAME_HEADER_SIZE + size;
}

int history_reserve(History *h, size_t size, struct iovec iov[static 2])
{
        size_t total = size + FRAME_HEADER_SIZE;

        if (!h->ring) {
                h->ring = malloc(history_limit(h));
                if (!h->ring)
                        return -ENOMEM;
                h->size = history_limit(h);
        }
        if (total > h->size)
                return -E2BIG;
        while (h->size - (size_t) (h->end - h->start) < total)
                set_start(h, history_next(h, h->start));
        return history_span(h, h->end + FRAME_HEADER_SIZE, size, iov);
}

void history_commit(History *h, FrameType type, size_t size)
{
        uint8_t header[FRAME_HEADER_SIZE];

        frame_header_write(header, type, (uint32_t) size);
        ring_write(h, h->end, header, sizeof(header));
        set_end(h, h->end + sizeof(header) + size);
}

int history_append(History *h, FrameType type, const void *data, size_t size)
{
        struct iovec iov[2];
        int r = history_reserve(h, size, iov);

        if (r < 0)
                return r;
        ring_write(h, h->end + FRAME_HEADER_SIZE, data, size);
        history_commit(h, type, size);
        return 0;
}

void history_share(History *h, HistoryPositions *shared, void *ring, size_t size)
{
        h->ring = ring;
        h->size = size;
        h->shared = shared;
        shared->start = h->start;
        shared->dropped = h->dropped;
        set_end(h, h->end);
}

/* Frames follow one another from the start to the end. */
static bool is_sound(const History *h)
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

int history_resume(History *h, HistoryPositions *shared, void *ring, size_t size)
{
        History found = {
                .shared = shared,
                .limit = h->limit,
                .ring = ring,
                .size = size,
                .start = shared->start,
                .end = shared->end,
                .dropped = shared->dropped,
        };

        if (size < HISTORY_SIZE || !is_sound(&found))
                return -EBADMSG;
        found.limit = size;
        *h = found;
        return 0;
}

void history_clear(History *h)
{
        set_start(h, h->end);
}

uint64_t history_replay_position(const History *h)
{
        uint64_t position = h->start, replay = history_limit(h) / (HISTORY_SIZE / HISTORY_REPLAY);

        while (position < h->end) {
                uint64_t next = history_next(h, position);

                if (h->end - next < replay)
                        break;
                position = next;
        }
        return position;
}

void history_trim(History *h)
{
        size_t size = (size_t) (h->end - h->start);
        uint8_t *copy;

        if (size == 0) {
                *h = (History){
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
        *h = copy ? (History){.ring = copy, .size = size, .start = 0, .end = size, .dropped = h->dropped}
                  : (History){.dropped = true};
}
