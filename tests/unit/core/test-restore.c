/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream-restore: a stream that is left and restored again and again, in the midst of its work, loses
 * nothing in either direction; a map that is not sound is refused. */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "core/stream-internal.h"
#include "unit/need.h"
#include "unit/test.h"

typedef struct World {
        sd_event *event;
        Stream *stream;
        int ended, gone;
} World;

static void on_output_end(void *userdata)
{
        ((World *) userdata)->ended++;
}

static void on_client_gone(void *userdata)
{
        ((World *) userdata)->gone++;
}

static const StreamEvents events = {.on_output_end = on_output_end, .on_client_gone = on_client_gone};

/* All that is ready; nothing here waits for a timer. */
static void turn(World *w)
{
        while (sd_event_run(w->event, 0) > 0)
                ;
}

/* An fd of its own, as the one that comes next has it. */
static int copy_of(int fd)
{
        return fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static Stream *stream_over(World *w, int out, int err, int in)
{
        Stream *s = stream_new(w->event, &events, w);

        NEED(s);
        if (out >= 0)
                NEED(stream_set_output(s, FRAME_STDOUT, out) >= 0);
        if (err >= 0)
                NEED(stream_set_output(s, FRAME_STDERR, err) >= 0);
        NEED(stream_set_input(s, in) >= 0);
        return s;
}

/* The parts of a stream that the next execd finds. */
static void find(const Stream *s, StreamFound *f, int clients[static STREAM_MAP_CLIENTS],
                 Slot *slots[static STREAM_MAP_CLIENTS])
{
        *f = (StreamFound){
                .map = copy_of(stream_map_fd(s)),
                .stage = {copy_of(s->stage[0]), copy_of(s->stage[1])},
                .clients = clients,
                .client_slots = slots,
                .n_clients = STREAM_MAP_CLIENTS,
        };
        for (size_t i = 0; i < STREAM_MAP_CLIENTS; i++) {
                clients[i] = -EBADF;
                slots[i] = NULL;
        }
        LIST_FOREACH (const StreamClient, c, &s->clients, node) {
                if (c->index < STREAM_MAP_CLIENTS)
                        clients[c->index] = copy_of(c->fd);
        }
}

static void hand_over(World *w)
{
        int clients[STREAM_MAP_CLIENTS];
        Slot *slots[STREAM_MAP_CLIENTS];
        Stream *old = w->stream;
        StreamFound f;

        find(old, &f, clients, slots);
        w->stream = stream_over(w, copy_of(stream_output_fd(old, FRAME_STDOUT)),
                                copy_of(stream_output_fd(old, FRAME_STDERR)), copy_of(old->input.fd));
        stream_leave(old, true);
        stream_free(old);
        if (f.map >= 0)
                NEED(stream_restore(w->stream, &f) >= 0);
        for (size_t i = 0; i < STREAM_MAP_CLIENTS; i++)
                NEED(clients[i] < 0);
        stream_begin(w->stream);
}

static int client(World *w, StreamClientOptions o)
{
        int pair[2];

        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
        o.fd = pair[0];
        NEED(stream_add_client(w->stream, &o) >= 0);
        return pair[1];
}

static uint8_t pattern(size_t i)
{
        return (uint8_t) (i * 7 + i / 251);
}

/* The frames that one client has got, parsed as they arrive. */
typedef struct Got {
        int fd;
        bool raw;
        uint8_t header[FRAME_HEADER_SIZE];
        size_t header_done;
        uint32_t left;
        size_t payload; /* of stdout */
} Got;

static void got_byte(Got *g, uint8_t byte)
{
        if (!g->raw && g->left == 0) {
                FrameType type;

                g->header[g->header_done++] = byte;
                if (g->header_done < sizeof(g->header))
                        return;
                g->header_done = 0;
                NEED(frame_header_read(g->header, &type, &g->left) >= 0);
                NEED(type == FRAME_STDOUT && g->left > 0);
                return;
        }
        NEED(byte == pattern(g->payload));
        g->payload++;
        if (!g->raw)
                g->left--;
}

static size_t got_some(Got *g, size_t most)
{
        static uint8_t buf[1 << 20];
        ssize_t n = read(g->fd, buf, MIN(most, sizeof(buf)));

        for (ssize_t i = 0; i < n; i++)
                got_byte(g, buf[i]);
        return n > 0 ? (size_t) n : 0;
}

static size_t put_some(int fd, size_t done, size_t total, size_t piece)
{
        uint8_t buf[64 * 1024];
        size_t size = MIN(MIN(piece, sizeof(buf)), total - done);
        ssize_t n;

        for (size_t i = 0; i < size; i++)
                buf[i] = pattern(done + i);
        n = size > 0 ? write(fd, buf, size) : 0;
        return n > 0 ? (size_t) n : 0;
}

/* The command writes `total` bytes and reads as many, while the stream is handed over every `every` turns.
 */
static void check_carry(const StreamClientOptions *options, size_t n_clients, size_t total, size_t piece,
                        size_t read_piece, unsigned every)
{
        World w = {0};
        Got got[3] = {0};
        int out[2], in[2];
        size_t written = 0, sent = 0, received = 0;
        bool moved = true;

        NEED(pipe2(out, O_CLOEXEC) >= 0 && pipe2(in, O_CLOEXEC) >= 0);
        (void) fcntl(out[0], F_SETPIPE_SZ, 1024 * 1024);
        NEED(fd_set_nonblock(out[1], true) >= 0 && fd_set_nonblock(in[0], true) >= 0);
        NEED(sd_event_new(&w.event) >= 0);
        w.stream = stream_new(w.event, &events, &w);
        NEED(w.stream);
        for (size_t i = 0; i < n_clients; i++)
                got[i] = (Got){.fd = client(&w, options[i]), .raw = options[i].raw};
        NEED(stream_set_output(w.stream, FRAME_STDOUT, out[0]) >= 0);
        NEED(stream_set_input(w.stream, in[1]) >= 0);
        stream_begin(w.stream);

        for (unsigned round = 1, idle = 0; idle < 20; round++) {
                size_t n;
                ssize_t k;
                uint8_t byte[4096];

                moved = false;
                n = put_some(out[1], written, total, piece);
                written += n;
                moved = moved || n > 0;
                n = put_some(got[0].fd, sent, total, piece);
                sent += n;
                moved = moved || n > 0;
                turn(&w);
                k = read(in[0], byte, sizeof(byte));
                for (ssize_t i = 0; i < k; i++)
                        NEED(byte[i] == pattern(received + (size_t) i));
                received += k > 0 ? (size_t) k : 0;
                moved = moved || k > 0;
                for (size_t i = 0; i < n_clients; i++)
                        moved = got_some(&got[i], read_piece) > 0 || moved;
                if (round % every == 0)
                        hand_over(&w);
                if (written == total && out[1] >= 0)
                        out[1] = fd_close(out[1]);
                if (w.ended > 0)
                        stream_finish(w.stream, false);
                idle = moved ? 0 : idle + 1;
        }
        for (size_t i = 0; i < n_clients; i++) {
                CHECK(got[i].payload == total && got[i].left == 0);
                fd_close(got[i].fd);
        }
        CHECK(w.ended > 0 && w.gone == 0);
        /* When the output had ended, the rest of the input was no longer needed. */
        CHECK(received <= sent);
        fd_close(out[1]);
        fd_close(in[0]);
        stream_free(w.stream);
        sd_event_unref(w.event);
}

static void test_carry(void)
{
        static const StreamClientOptions framed = {
                .want_stdout = true, .want_stderr = true, .primary = true, .writer = true};
        static const StreamClientOptions three[] = {
                {.want_stdout = true, .want_stderr = true, .primary = true, .writer = true},
                {.want_stdout = true},
                {.want_stdout = true, .raw = true},
        };
        static const size_t pieces[] = {777, 65536};

        for (size_t i = 0; i < ELEMENTSOF(pieces); i++) {
                check_carry(&framed, 1, 1 << 20, pieces[i], 1 << 20, 1);
                check_carry(&framed, 1, 1 << 20, pieces[i], 54321, 7);
                check_carry(&three[2], 1, 1 << 19, pieces[i], 12345, 3);
                check_carry(three, 3, 1 << 19, pieces[i], 12345, 2);
                check_carry(three, 3, 1 << 16, pieces[i], 321, 1);
        }
}

static void test_input_that_was_not_taken(void)
{
        World w = {0};
        uint8_t buf[200000];
        int in[2], c;
        size_t sent = 0, got = 0, n;
        ssize_t k;

        NEED(sd_event_new(&w.event) >= 0);
        NEED(pipe2(in, O_CLOEXEC | O_NONBLOCK) >= 0);
        w.stream = stream_new(w.event, &events, &w);
        NEED(w.stream);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .writer = true});
        NEED(stream_set_input(w.stream, in[1]) >= 0);
        stream_begin(w.stream);
        for (unsigned i = 0; i < 20; i++) {
                n = put_some(c, sent, sizeof(buf), 10000);
                sent += n;
                turn(&w);
        }
        shutdown(c, SHUT_WR);
        for (unsigned idle = 0; idle < 20;) {
                turn(&w);
                hand_over(&w);
                k = read(in[0], buf + got, MIN(sizeof(buf) - got, (size_t) 5000));
                if (k == 0)
                        break;
                idle = k > 0 ? 0 : idle + 1;
                got += k > 0 ? (size_t) k : 0;
        }
        CHECK(sent > 65536 && got == sent && k == 0);
        for (size_t i = 0; i < got; i++)
                NEED(buf[i] == pattern(i));
        fd_close(c);
        fd_close(in[0]);
        stream_free(w.stream);
        sd_event_unref(w.event);
}

/* A map with two frames and one client. */
static int make_map(StreamMap **ret)
{
        static const char frames[] = "\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\5wrong";
        StreamMap *m;
        int fd;

        NEED(stream_map_new(OUTPUT_RING_SIZE, &m, &fd) >= 0 && fd >= 0);
        m->output_ring = (OutputRingPositions){.start = 100, .end = 100 + sizeof(frames) - 1};
        memcpy(m->ring + 100, frames, sizeof(frames) - 1);
        m->clients[0].used = 1;
        *ret = m;
        return fd;
}

static int restore_from(World *w, int map, int *client)
{
        Slot *slot = NULL;
        StreamFound f = {.map = map,
                         .stage = {-EBADF, -EBADF},
                         .clients = client,
                         .client_slots = &slot,
                         .n_clients = 1};
        int r;

        w->stream = stream_over(w, -EBADF, -EBADF, -EBADF);
        r = stream_restore(w->stream, &f);
        fd_close(f.map);
        return r;
}

/* A socket that was full in the middle of a frame, and a send whose result is unknown. */
static void test_middle_of_a_frame(void)
{
        static const struct {
                uint64_t position, frame_left;
                uint32_t flags, sent;
                const char *rest;
                size_t n;
        } rows[] = {
                {107, 5, CLIENT_RAW | CLIENT_STDOUT, 0, NULL, 0},
                {110, 3, CLIENT_RAW | CLIENT_STDOUT, 0, "llo", 3},
                {110, 3, CLIENT_RAW | CLIENT_STDOUT, 2, "o", 1},
                {110, 3, CLIENT_RAW | CLIENT_STDOUT, 4, NULL, 0},
                {105, 8, CLIENT_STDOUT, 0, "\0\0\5hello", 8},
                {105, 8, CLIENT_STDOUT, 5, "llo", 3},
                {112, 1, CLIENT_STDOUT | CLIENT_STDERR, 0, "o\2\0\0\0\0\0\0\5wrong", 14},
                {112, 14, CLIENT_STDOUT | CLIENT_STDERR, 12, "ng", 2},
                {118, 8, CLIENT_STDERR, 0, "\0\0\5wrong", 8},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                StreamMap *m;
                World w = {0};
                char got[64];
                int pair[2], r, fd = make_map(&m);
                ssize_t n;

                m->clients[0].states[0] = (ClientState){
                        .position = rows[i].position,
                        .frame_left = rows[i].frame_left,
                        .flags = rows[i].flags,
                        .send = SEND_RING,
                        .message = {.msg_len = rows[i].sent},
                };
                NEED(sd_event_new(&w.event) >= 0);
                NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
                r = restore_from(&w, fd, pair);
                CHECK(r == (rows[i].rest ? 0 : -EBADMSG));
                if (rows[i].rest) {
                        stream_begin(w.stream);
                        turn(&w);
                        n = read(pair[1], got, sizeof(got));
                        CHECK(n == (ssize_t) rows[i].n && memcmp(got, rows[i].rest, rows[i].n) == 0);
                }
                fd_close(pair[0]);
                fd_close(pair[1]);
                stream_map_free(m);
                stream_free(w.stream);
                sd_event_unref(w.event);
        }
}

/* A read was announced, and done or not. */
static void test_announced_read(void)
{
        for (unsigned done = 0; done < 2; done++) {
                struct iovec iov;
                StreamMap *m, *found;
                World w = {0};
                int out[2], fd = make_map(&m);
                Slot *slot = NULL;
                StreamFound f = {.map = fd,
                                 .stage = {-EBADF, -EBADF},
                                 .clients = &(int){-EBADF},
                                 .client_slots = &slot,
                                 .n_clients = 1};

                NEED(sd_event_new(&w.event) >= 0);
                NEED(pipe2(out, O_CLOEXEC | O_NONBLOCK) >= 0);
                NEED(write(out[1], "some more", 9) == 9);
                iov = (struct iovec){m->ring + m->output_ring.end + FRAME_HEADER_SIZE, 9};
                stream_map_announce(m, m->output_ring.end, FRAME_STDOUT, &iov, 1, 9, 9);
                if (done)
                        NEED(readv(out[0], &iov, 1) == 9);
                w.stream = stream_over(&w, out[0], -EBADF, -EBADF);
                CHECK(stream_restore(w.stream, &f) >= 0);
                found = m;
                CHECK(found->output_ring.end == 126 + (done ? 17 : 0));
                stream_begin(w.stream);
                turn(&w);
                CHECK(found->output_ring.end == 126 + 17);
                CHECK(memcmp(m->ring + 126, "\1\0\0\0\0\0\0\11some more", 17) == 0);
                fd_close(out[1]);
                stream_map_free(m);
                stream_free(w.stream);
                sd_event_unref(w.event);
        }
}

/* The client that started the exec has disconnected: other clients that ask get the end. */
static void test_cut(void)
{
        for (unsigned primary = 0; primary < 2; primary++) {
                World w = {0};
                StreamMap *m;
                int none = -EBADF, fd = make_map(&m);

                m->clients[0].states[0] = (ClientState){.position = 100,
                                                        .flags = CLIENT_STDOUT | CLIENT_STDERR |
                                                                 (primary ? CLIENT_PRIMARY : 0)};
                NEED(sd_event_new(&w.event) >= 0);
                CHECK(restore_from(&w, copy_of(fd), &none) == 0);
                CHECK(stream_was_cut(w.stream) == (primary == 1) && stream_count_clients(w.stream) == 0);
                stream_free(w.stream);
                CHECK(restore_from(&w, fd, &none) == 0);
                CHECK(stream_was_cut(w.stream) == (primary == 1));
                stream_free(w.stream);
                stream_map_free(m);
                sd_event_unref(w.event);
        }
}

/* A map with some byte changed makes a stream that works, or is refused. */
static int try(int fd)
{
        World w = {0};
        int pair[2], r;

        NEED(sd_event_new(&w.event) >= 0);
        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
        r = restore_from(&w, copy_of(fd), pair);
        CHECK(r >= 0 || stream_count_clients(w.stream) == 0);
        stream_begin(w.stream);
        turn(&w);
        stream_finish(w.stream, false);
        turn(&w);
        fd_close(pair[0]);
        fd_close(pair[1]);
        stream_free(w.stream);
        sd_event_unref(w.event);
        return r;
}

static void test_refusals(void)
{
        StreamMap *m;
        size_t head = offsetof(StreamMap, clients) + sizeof(ClientMap);
        int fd = make_map(&m);
        _cleanup_free_ uint8_t *good = malloc(head);

        m->clients[0].states[0] =
                (ClientState){.position = 100, .frame_left = 26, .flags = CLIENT_STDOUT | CLIENT_STDERR};
        NEED(good);
        memcpy(good, m, head);
        CHECK(try(fd) == 0);
        for (size_t i = 0; i < head; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        int r;

                        memcpy(m, good, head);
                        memcpy(m->ring + 100, "\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\5wrong", 26);
                        ((uint8_t *) m)[i] ^= (uint8_t) (1U << bit);
                        r = try(fd);
                        CHECK(r == 0 || r == -EBADMSG);
                }
        memcpy(m, good, head);
        NEED(ftruncate(fd, 100) >= 0);
        CHECK(try(fd) == -EBADMSG);
        NEED(ftruncate(fd, 0) >= 0);
        CHECK(try(fd) == -EBADMSG);
        CHECK(try(-EBADF) == -EBADMSG);
        fd_close(fd);
}

int main(void)
{
        test_carry();
        test_input_that_was_not_taken();
        test_middle_of_a_frame();
        test_announced_read();
        test_cut();
        test_refusals();
        return test_finish("restore");
}
