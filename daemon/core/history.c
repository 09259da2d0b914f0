/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/history.h"

#include <string.h>

void history_done(History *h)
{
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
        struct iovec iov[2];
        int n = history_span(h, position, sizeof(header), iov);

        memcpy(header, iov[0].iov_base, iov[0].iov_len);
        if (n > 1)
                memcpy(header + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
        (void) frame_header_read(header, ret_type, ret_size);
}

static uint64_t history_next(const History *h, uint64_t position)
{
        FrameType type;
        uint32_t size = 0;

        history_frame_at(h, position, &type, &size);
        return position + FRAME_HEADER_SIZE + size;
}

int history_append(History *h, FrameType type, const void *data, size_t size)
{
        uint8_t header[FRAME_HEADER_SIZE];
        size_t total = size + FRAME_HEADER_SIZE;

        if (!h->ring) {
                h->ring = malloc(history_limit(h));
                if (!h->ring)
                        return -ENOMEM;
                h->size = history_limit(h);
        }
        if (total > h->size)
                return -E2BIG;
        while (h->size - (size_t) (h->end - h->start) < total) {
                h->start = history_next(h, h->start);
                h->dropped = true;
        }

        frame_header_write(header, type, (uint32_t) size);
        ring_write(h, h->end, header, sizeof(header));
        ring_write(h, h->end + sizeof(header), data, size);
        h->end += total;
        return 0;
}

void history_clear(History *h)
{
        h->start = h->end;
        h->dropped = true;
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
        struct iovec iov[2];
        uint8_t *copy;
        int n;

        if (size == 0) {
                h->ring = mfree(h->ring);
                h->size = 0;
                return;
        }
        copy = malloc(size);
        if (!copy)
                return;
        n = history_span(h, h->start, size, iov);
        memcpy(copy, iov[0].iov_base, iov[0].iov_len);
        if (n > 1)
                memcpy(copy + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
        free(h->ring);
        *h = (History){.ring = copy, .size = size, .start = 0, .end = size, .dropped = h->dropped};
}
