/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ring of recent output: frames of sizes and types taken from the input, and between them acts of
 * readers. The content of the ring is the end of all input, frame by frame and byte by byte. */

#include "base/buf.h"
#include "core/output-ring.h"
#include "fuzz/fuzz.h"

#define WRITES_MAX 64
#define FRAME_MAX  (64 * 1024)

/* Byte `i` of all payload and headers that were ever written, so that no copy has to be kept. */
static uint8_t payload_byte(uint64_t i)
{
        return (uint8_t) (i * 31 + (i >> 8));
}

static void check_frame(const OutputRing *h, uint64_t position, uint32_t length)
{
        struct iovec iov[2];
        uint64_t at = position + FRAME_HEADER_SIZE;
        int n = length > 0 ? output_ring_span(h, at, length, iov) : 0;
        size_t total = 0;

        for (int i = 0; i < n; i++) {
                const uint8_t *p = iov[i].iov_base;

                PROMISE(p >= h->ring && p + iov[i].iov_len <= h->ring + h->size);
                /* The ends of each piece; in between is one memcpy. */
                PROMISE(p[0] == payload_byte(at + total));
                PROMISE(p[iov[i].iov_len - 1] == payload_byte(at + total + iov[i].iov_len - 1));
                total += iov[i].iov_len;
        }
        PROMISE(total == length);
}

static void check_history(const OutputRing *h)
{
        uint64_t replay = output_ring_replay_position(h), at = h->start;
        bool seen = replay == h->end;

        PROMISE(h->end - h->start <= OUTPUT_RING_SIZE && h->start <= replay && replay <= h->end);
        while (at < h->end) {
                FrameType type = FRAME_STDIN;
                uint32_t length = 0;

                seen = seen || at == replay;
                output_ring_frame_at(h, at, &type, &length);
                PROMISE(type == FRAME_STDOUT || type == FRAME_STDERR);
                PROMISE(h->end - at >= FRAME_HEADER_SIZE + (uint64_t) length);
                check_frame(h, at, length);
                at += FRAME_HEADER_SIZE + length;
        }
        PROMISE(at == h->end && seen);
        PROMISE(h->end - replay >= MIN(h->end - h->start, (uint64_t) OUTPUT_RING_REPLAY));
}

static void append(OutputRing *h, FrameType type, size_t n)
{
        _cleanup_free_ uint8_t *data = malloc(n);
        uint64_t end = h->end;
        int r;

        for (size_t i = 0; i < n; i++)
                data[i] = payload_byte(end + FRAME_HEADER_SIZE + i);
        r = output_ring_append(h, type, data, n);
        PROMISE(r == 0 && h->end == end + FRAME_HEADER_SIZE + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        _cleanup_(output_ring_done) OutputRing h = {0};
        uint64_t reader = 0;

        for (size_t i = 0; i < WRITES_MAX && in.size > 0; i++) {
                uint8_t what = fuzz_byte(&in);
                size_t n = (size_t) fuzz_byte(&in) << (what >> 4);
                FrameType type = what & 1 ? FRAME_STDOUT : FRAME_STDERR;

                switch (what & 6) {
                case 0: /* a reader that has seen nothing since `reader` must lose nothing */
                        if (reader < h.start)
                                reader = h.start;
                        n = MIN(n, output_ring_room(&h, reader));
                        if (n == 0)
                                break;
                        append(&h, type, n);
                        PROMISE(h.start <= reader);
                        break;
                case 2:
                        reader = h.end;
                        break;
                case 4:
                        append(&h, type, MIN(n, (size_t) FRAME_MAX));
                        break;
                default:
                        if (n % 8 == 0) {
                                output_ring_clear(&h);
                                PROMISE(h.start == h.end && h.dropped);
                        }
                }
                check_history(&h);
        }
        output_ring_trim(&h);
        PROMISE(h.size == h.end - h.start);
        return 0;
}
