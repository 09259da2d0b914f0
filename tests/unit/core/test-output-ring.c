/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ring of recent output, against a plain list of all output: the oldest is dropped, whole frames at a time,
 * and nothing that a reader has not seen when it asked for room first. */

#include <errno.h>
#include <stdlib.h>

#include "core/output-ring.h"
#include "unit/test.h"

#define FRAMES_MAX 4096

/* All that was written, headers included, by position. */
typedef struct Model {
        OutputRing output_ring;
        uint8_t *bytes; /* owned */
        size_t room;
        uint64_t starts[FRAMES_MAX]; /* of the frames */
        size_t n;
} Model;

static void model_done(Model *m)
{
        output_ring_done(&m->output_ring);
        free(m->bytes);
}

static int model_append(Model *m, FrameType type, size_t size)
{
        uint64_t at = m->output_ring.end;
        uint8_t *payload;
        int r;

        while (at + FRAME_HEADER_SIZE + size > m->room) {
                m->room = m->room ? 2 * m->room : 1024 * 1024;
                m->bytes = realloc(m->bytes, m->room);
        }
        frame_header_write(m->bytes + at, type, (uint32_t) size);
        payload = m->bytes + at + FRAME_HEADER_SIZE;
        for (size_t i = 0; i < size; i++)
                payload[i] = (uint8_t) ((at + i) * 7 + (at >> 9));
        r = output_ring_append(&m->output_ring, type, payload, size);
        if (r == 0)
                m->starts[m->n++] = at;
        return r;
}

static bool model_is_frame(const Model *m, uint64_t position)
{
        for (size_t i = m->n; i > 0; i--)
                if (m->starts[i - 1] == position)
                        return true;
        return position == m->output_ring.end;
}

/* Everything from the start to the end is what was written, in one piece and frame by frame. `base` is the
 * position in the model of position 0, which trimming moves. */
static void model_check(const Model *m, uint64_t base)
{
        const OutputRing *h = &m->output_ring;
        size_t size = (size_t) (h->end - h->start);
        struct iovec iov[2];
        uint64_t replay = output_ring_replay_position(h);
        int n;

        CHECK(size <= OUTPUT_RING_SIZE);
        CHECK(model_is_frame(m, base + h->start) && model_is_frame(m, base + replay));
        if (size == 0) {
                CHECK(replay == h->end);
                return;
        }
        n = output_ring_span(h, h->start, size, iov);
        CHECK(n == (iov[0].iov_len < size ? 2 : 1));
        CHECK(memcmp(iov[0].iov_base, m->bytes + base + h->start, iov[0].iov_len) == 0);
        if (n > 1) {
                CHECK(iov[0].iov_len + iov[1].iov_len == size);
                CHECK(memcmp(iov[1].iov_base, m->bytes + base + h->start + iov[0].iov_len, iov[1].iov_len) ==
                      0);
        }

        for (uint64_t at = h->start; at < h->end;) {
                FrameType type = FRAME_STDIN;
                uint32_t length = 0;

                output_ring_frame_at(h, at, &type, &length);
                CHECK(type == m->bytes[base + at] && model_is_frame(m, base + at));
                if (type == FRAME_STDIN)
                        return;
                at += FRAME_HEADER_SIZE + length;
                CHECK(at <= h->end);
        }

        /* As much is replayed as was promised, and no frame more than that takes. */
        CHECK(h->end - replay >= MIN((uint64_t) size, (uint64_t) OUTPUT_RING_REPLAY));
        if (replay > h->start) {
                FrameType type = FRAME_STDIN;
                uint32_t length = 0;

                output_ring_frame_at(h, replay, &type, &length);
                CHECK(h->end - (replay + FRAME_HEADER_SIZE + length) < OUTPUT_RING_REPLAY);
        }
}

static void test_empty(void)
{
        OutputRing h = {0};

        CHECK(output_ring_room(&h, 0) == OUTPUT_RING_SIZE - FRAME_HEADER_SIZE);
        CHECK(output_ring_replay_position(&h) == 0);
        output_ring_trim(&h);
        CHECK(!h.ring && !h.dropped);
        output_ring_done(&h);
        output_ring_done(&h);
}

/* Frames of every size, many times around the ring. */
static void test_sizes(void)
{
        static const size_t sizes[] = {
                1,   2,    7,     8,     9,     100,   1000, 4096,
                333, 8192, 32768, 12345, 65536, 30000, 0,    OUTPUT_RING_SIZE - FRAME_HEADER_SIZE};
        Model m = {0};

        for (size_t i = 0; i < 600; i++) {
                size_t size = sizes[(i * 5 + i / 7) % ELEMENTSOF(sizes)];

                CHECK(model_append(&m, i % 3 ? FRAME_STDOUT : FRAME_STDERR, size) == 0);
                model_check(&m, 0);
        }
        CHECK(m.output_ring.dropped);
        model_done(&m);
}

/* Nothing is dropped that need not be: the oldest frames go only when there is no room for the newest. */
static void test_dropping(void)
{
        enum { PAYLOAD = 1024 - FRAME_HEADER_SIZE, N = OUTPUT_RING_SIZE / 1024 };
        Model m = {0};

        for (size_t i = 0; i < N; i++)
                CHECK(model_append(&m, FRAME_STDOUT, PAYLOAD) == 0);
        CHECK(m.output_ring.start == 0 && m.output_ring.end == OUTPUT_RING_SIZE && !m.output_ring.dropped);
        CHECK(model_append(&m, FRAME_STDERR, 1) == 0);
        CHECK(m.output_ring.start == 1024 && m.output_ring.dropped);
        CHECK(model_append(&m, FRAME_STDERR, 1) == 0);
        CHECK(m.output_ring.start == 1024);
        model_check(&m, 0);
        model_done(&m);
}

static void test_too_large(void)
{
        Model m = {0};
        uint64_t start, end;

        CHECK(model_append(&m, FRAME_STDOUT, 10) == 0);
        start = m.output_ring.start;
        end = m.output_ring.end;
        CHECK(model_append(&m, FRAME_STDOUT, OUTPUT_RING_SIZE - FRAME_HEADER_SIZE + 1) == -E2BIG);
        CHECK(m.output_ring.start == start && m.output_ring.end == end && !m.output_ring.dropped);
        model_check(&m, 0);
        CHECK(model_append(&m, FRAME_STDOUT, OUTPUT_RING_SIZE - FRAME_HEADER_SIZE) == 0);
        CHECK(m.output_ring.start == end);
        model_check(&m, 0);
        model_done(&m);
}

/* A reader who never reads: as long as its room is asked for, it loses nothing. */
static void test_room(void)
{
        Model m = {0};
        uint64_t reader;

        for (size_t i = 0; i < 40; i++)
                CHECK(model_append(&m, FRAME_STDOUT, 5000) == 0);
        reader = m.output_ring.end;
        for (size_t i = 0;; i++) {
                size_t room = output_ring_room(&m.output_ring, reader);

                CHECK(i < 1000);
                if (room == 0 || i >= 1000)
                        break;
                CHECK(model_append(&m, FRAME_STDERR, MIN(room, (size_t) 3001)) == 0);
                CHECK(m.output_ring.start <= reader);
        }
        CHECK(m.output_ring.end - reader >= OUTPUT_RING_SIZE - FRAME_HEADER_SIZE);
        CHECK(m.output_ring.end - reader <= OUTPUT_RING_SIZE);
        model_check(&m, 0);

        /* Reading gives room again. */
        CHECK(output_ring_room(&m.output_ring, m.output_ring.end) == OUTPUT_RING_SIZE - FRAME_HEADER_SIZE);
        CHECK(output_ring_room(&m.output_ring, m.output_ring.end - 100) ==
              OUTPUT_RING_SIZE - FRAME_HEADER_SIZE - 100);
        model_done(&m);
}

/* A larger ring, of which the same share is replayed. */
static void test_limit(void)
{
        Model m = {.output_ring = {.limit = 4 * OUTPUT_RING_SIZE}};

        for (size_t i = 0; i < 100; i++)
                CHECK(model_append(&m, FRAME_STDOUT, 5000) == 0);
        CHECK(m.output_ring.start == 0 && !m.output_ring.dropped &&
              m.output_ring.size == 4 * OUTPUT_RING_SIZE);
        CHECK(m.output_ring.end - output_ring_replay_position(&m.output_ring) >= 4 * OUTPUT_RING_REPLAY);
        CHECK(m.output_ring.end - output_ring_replay_position(&m.output_ring) <=
              4 * OUTPUT_RING_REPLAY + 5008);
        CHECK(output_ring_room(&m.output_ring, m.output_ring.end) ==
              4 * OUTPUT_RING_SIZE - FRAME_HEADER_SIZE);
        for (size_t i = 0; i < 100; i++)
                CHECK(model_append(&m, FRAME_STDERR, 5000) == 0);
        CHECK(m.output_ring.dropped &&
              m.output_ring.end - m.output_ring.start > 4 * OUTPUT_RING_SIZE - 5008);
        model_done(&m);
}

static void test_clear(void)
{
        Model m = {0};
        uint64_t end;

        CHECK(model_append(&m, FRAME_STDOUT, 77) == 0);
        end = m.output_ring.end;
        output_ring_clear(&m.output_ring);
        CHECK(m.output_ring.start == end && m.output_ring.end == end && m.output_ring.dropped);
        CHECK(output_ring_replay_position(&m.output_ring) == end);
        CHECK(model_append(&m, FRAME_STDERR, 99) == 0);
        CHECK(m.output_ring.start == end);
        model_check(&m, 0);
        model_done(&m);
}

static void test_trim(size_t n, size_t size, bool dropped)
{
        Model m = {0};
        uint64_t base, kept;

        for (size_t i = 0; i < n; i++)
                CHECK(model_append(&m, FRAME_STDOUT, size) == 0);
        base = m.output_ring.start;
        kept = m.output_ring.end - m.output_ring.start;
        output_ring_trim(&m.output_ring);
        CHECK(m.output_ring.start == 0 && m.output_ring.end == kept && m.output_ring.size == kept);
        CHECK(m.output_ring.dropped == dropped);
        /* Positions begin anew, and the end is the start of no frame of the model's. */
        m.starts[m.n++] = base + kept;
        model_check(&m, base);
        CHECK(model_append(&m, FRAME_STDOUT, (size_t) kept) == -E2BIG);
        model_done(&m);
}

int main(void)
{
        test_empty();
        test_sizes();
        test_dropping();
        test_too_large();
        test_room();
        test_clear();
        test_limit();
        test_trim(3, 100, false);
        test_trim(50, 5000, true);
        return test_finish("history");
}
