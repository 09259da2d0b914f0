/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream on real pipes and sockets: nothing is lost, whatever the sizes and the pace. */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "unit/core/stream-world.h"

static uint8_t pattern(size_t i)
{
        return (uint8_t) (i * 7 + i / 251);
}

static bool is_at_end(int fd)
{
        char byte;

        return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

/* Writes `total` patterned bytes to stdout in pieces, reads them back framed in other pieces, and compares.
 */
static void check_carry(size_t total, size_t piece, size_t read_piece)
{
        World w;
        uint8_t *data = malloc(total), *raw = malloc(total * 2 + 4096);
        size_t written = 0, got = 0, at = 0, payload = 0;
        int c;

        NEED(data && raw);
        for (size_t i = 0; i < total; i++)
                data[i] = pattern(i);
        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .primary = true});
        world_pipes(&w);

        for (unsigned idle = 0; idle < 500 && !is_at_end(c);) {
                size_t before = written + got;
                ssize_t n = write(w.out[1], data + written, MIN(piece, total - written));

                if (n > 0)
                        written += (size_t) n;
                if (written == total && w.out[1] >= 0) {
                        w.out[1] = fd_close(w.out[1]);
                        w.err[1] = fd_close(w.err[1]);
                }
                if (idle == 0)
                        turn_now(&w);
                else
                        turn(&w);
                got += drain(c, raw + got, MIN(read_piece, total * 2 + 4096 - got));
                if (w.ended == 1)
                        stream_finish(w.stream, false), w.ended++;
                idle = before == written + got ? idle + 1 : 0;
        }

        while (at < got) {
                FrameType type;
                uint32_t size;

                NEED(got - at >= FRAME_HEADER_SIZE);
                NEED(frame_header_read(raw + at, &type, &size) >= 0);
                NEED(type == FRAME_STDOUT && size > 0);
                at += FRAME_HEADER_SIZE;
                NEED(got - at >= size);
                NEED(memcmp(raw + at, data + payload, size) == 0);
                at += size;
                payload += size;
        }
        NEED(payload == total);
        NEED(w.gone == 0);
        close(c);
        world_done(&w);
        free(data);
        free(raw);
}

static void test_carry(void)
{
        static const size_t totals[] = {0, 1, 4096, 65536, 131072, 131073, 1 << 20, 5 << 20};
        static const size_t pieces[] = {777, 65536, 1 << 20};

        for (size_t i = 0; i < ELEMENTSOF(totals); i++)
                for (size_t k = 0; k < ELEMENTSOF(pieces); k++) {
                        if (pieces[k] < 1000 && totals[i] > 1 << 20)
                                continue;
                        check_carry(totals[i], pieces[k], 1 << 20);
                        check_carry(totals[i], pieces[k], 12345);
                }
}

static void test_replay_after_bulk(void)
{
        static uint8_t data[1 << 20], raw[2 << 20];
        World w;
        size_t got = 0, n;
        int first, late;
        FrameType type;
        uint32_t size;

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = pattern(i);
        world_new(&w);
        first = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .primary = true});
        world_pipes(&w);
        NEED(write(w.out[1], data, sizeof(data)) == sizeof(data));
        do {
                turn(&w);
                n = drain(first, raw, sizeof(raw));
                got += n;
        } while (n > 0);
        NEED(got >= sizeof(data));

        late = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .replay = true});
        turn(&w);
        got = drain(late, raw, sizeof(raw));
        NEED(got >= OUTPUT_RING_REPLAY && got < OUTPUT_RING_SIZE);
        NEED(frame_header_read(raw, &type, &size) >= 0);
        NEED(got > 1000 && memcmp(raw + got - 1000, data + sizeof(data) - 1000, 1000) == 0);
        close(first);
        close(late);
        world_done(&w);
}

static void test_slow_client_holds_up_the_command(void)
{
        static uint8_t junk[64 * 1024];
        size_t taken = 0;
        World w;
        ssize_t n;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .primary = true});
        world_pipes(&w);
        for (unsigned idle = 0; idle < 20; idle++) {
                while ((n = write(w.out[1], junk, sizeof(junk))) > 0) {
                        taken += (size_t) n;
                        idle = 0;
                }
                turn(&w);
                NEED(taken < 4 << 20);
        }
        NEED(taken >= 1 << 20);
        close(c);
        turn(&w);
        NEED(w.gone == 1);
        /* No client reads any longer, so the command continues. */
        NEED(write(w.out[1], junk, sizeof(junk)) > 0);
        world_done(&w);
}

/* More pieces than a turn has rounds, and nothing else that happens: the turn must come again by itself. */
static void test_no_stall(void)
{
        static uint8_t raw[4096];
        size_t got = 0;
        World w;
        int c;

        world_new(&w);
        world_pipes(&w);
        for (unsigned i = 0; i < 1000; i++) {
                NEED(write(w.out[1], "x", 1) == 1);
                NEED(sd_event_run(w.event, USEC_PER_SEC) > 0);
        }
        /* Without frames each piece is sent by itself. */
        c = client(&w, (StreamClientOptions){.raw = true, .want_stdout = true, .replay = true});
        for (unsigned i = 0; i < 200 && got < 1000; i++) {
                turn(&w);
                got += drain(c, raw, sizeof(raw));
        }
        NEED(got == 1000);
        close(c);
        world_done(&w);
}

static void test_drain_rest(void)
{
        uint8_t buf[64];
        World w;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .primary = true});
        world_pipes(&w);
        NEED(write(w.out[1], "abc", 3) == 3);
        stream_drain_rest(w.stream); /* the pipes stay open, as a descendant would hold them */
        turn(&w);
        NEED(w.ended == 1);
        stream_finish(w.stream, false);
        turn(&w);
        NEED(drain(c, buf, sizeof(buf)) == 3 + FRAME_HEADER_SIZE);
        NEED(read(c, buf, 1) == 0);
        close(c);
        world_done(&w);
}

/* The last output reaches a client that is slow to read, and one that must not be written to yet. */
static void test_finish_flushes(bool gate)
{
        static uint8_t data[60 * 1024], raw[2 * sizeof(data)];
        size_t got = 0, n;
        World w;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .gate = gate});
        world_pipes(&w);
        NEED(write(w.out[1], data, sizeof(data)) == sizeof(data));
        turn(&w);
        stream_inject(w.stream, "last words");
        stream_finish(w.stream, false);
        for (unsigned idle = 0; idle<40; idle = n> 0 ? 0 : idle + 1) {
                turn(&w);
                n = drain(c, raw + got, 1000);
                got += n;
        }
        NEED(got >= sizeof(data) + FRAME_HEADER_SIZE + 10);
        NEED(memcmp(raw + got - 10, "last words", 10) == 0);
        NEED(read(c, raw, 1) == 0);
        close(c);
        turn(&w);
        NEED(stream_count_clients(w.stream) == 0 && !stream_output_ring(w.stream)->ring);
        world_done(&w);
}

/* Whether so much comes within far fewer turns of the loop than a gate that nothing opens takes. */
static bool comes_soon(World *w, int fd, int size)
{
        int found = 0;

        for (unsigned i = 0; i < 100 && found < size; i++) {
                sd_event_run(w->event, 100 * USEC_PER_MSEC);
                NEED(ioctl(fd, FIONREAD, &found) == 0);
        }
        return found == size;
}

static void test_gate(void)
{
        uint8_t buf[64];
        World w;
        int c;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .gate = true});
        world_pipes(&w);
        NEED(write(w.out[1], "abc", 3) == 3);
        sd_event_run(w.event, 0);
        NEED(read(c, buf, sizeof(buf)) < 0); /* not at once */
        NEED(comes_soon(&w, c, 3 + FRAME_HEADER_SIZE));
        close(c);
        world_done(&w);
}

/* As long as the head is unread, no output comes after it; the gate opens in the end all the same. */
static void test_gate_behind_the_head(void)
{
        uint64_t end = now_usec(CLOCK_MONOTONIC) + 4 * USEC_PER_SEC;
        uint8_t buf[64];
        int pair[2];
        World w;

        world_new(&w);
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
        NEED(write(pair[0], "HEAD", 4) == 4);
        NEED(stream_add_client(w.stream, &(StreamClientOptions){
                                                 .fd = pair[0], .want_stdout = true, .gate = true}) >= 0);
        world_pipes(&w);
        NEED(write(w.out[1], "abc", 3) == 3);
        for (unsigned i = 0; i < 20; i++)
                turn(&w);
        /* A machine that was paused for so long proves nothing. */
        if (now_usec(CLOCK_MONOTONIC) < end)
                NEED(recv(pair[1], buf, sizeof(buf), MSG_PEEK) == 4);
        NEED(read(pair[1], buf, 4) == 4);
        NEED(comes_soon(&w, pair[1], 3 + FRAME_HEADER_SIZE));
        close(pair[1]);
        world_done(&w);
}

int main(void)
{
        signal(SIGPIPE, SIG_IGN);
        alarm(120);
        test_carry();
        test_replay_after_bulk();
        test_slow_client_holds_up_the_command();
        test_no_stall();
        test_drain_rest();
        test_finish_flushes(false);
        test_finish_flushes(true);
        test_gate();
        test_gate_behind_the_head();
        return 0;
}
