/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The map of a stream that an earlier execd has left: a sound map with any bytes changed is refused, or makes
 * a stream that works, and that can be left and restored again. The input is a list of changes: where, in
 * two bytes, and the new byte. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "core/stream-internal.h"
#include "fuzz/fuzz.h"

#define CLIENTS 3

static void nothing(void *userdata)
{
}

static void nothing_of(void *userdata, FrameType type, const void *data, size_t size)
{
}

static const StreamEvents events = {.on_output_end = nothing,
                                    .on_client_gone = nothing,
                                    .on_detached = nothing,
                                    .on_output = nothing_of};

static Stream *stream_over(sd_event *event, int out[2], int in[2])
{
        Stream *s = stream_new(event, &events, NULL);

        PROMISE(s && pipe2(out, O_CLOEXEC | O_NONBLOCK) >= 0 && pipe2(in, O_CLOEXEC | O_NONBLOCK) >= 0);
        PROMISE(stream_set_output(s, FRAME_STDOUT, out[0]) >= 0);
        PROMISE(stream_set_input(s, in[1]) >= 0);
        return s;
}

static void some_turns(sd_event *event)
{
        for (unsigned i = 0; i < 20 && sd_event_run(event, 0) > 0; i++)
                ;
}

static int restore(Stream *s, int map, const int stage[2], const int *fds, size_t n)
{
        Slot *slots[STREAM_MAP_CLIENTS] = {0};
        int clients[STREAM_MAP_CLIENTS], r;
        StreamFound f = {
                .map = fcntl(map, F_DUPFD_CLOEXEC, 3),
                .stage = {fcntl(stage[0], F_DUPFD_CLOEXEC, 3), fcntl(stage[1], F_DUPFD_CLOEXEC, 3)},
                .clients = clients,
                .client_slots = slots,
                .n_clients = n,
        };

        for (size_t i = 0; i < n; i++)
                clients[i] = fds[i] < 0 ? -EBADF : fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        r = stream_restore(s, &f);
        for (size_t i = 0; i < n; i++)
                fd_close(clients[i]);
        fd_close(f.map);
        fd_close(f.stage[0]);
        fd_close(f.stage[1]);
        return r;
}

/* The map that such a stream leaves is sound. */
static void check_again(sd_event *event, const Stream *s, const int stage[2])
{
        int fds[STREAM_MAP_CLIENTS], out[2], in[2];
        Stream *next;

        if (stream_map_fd(s) < 0)
                return;
        for (size_t i = 0; i < STREAM_MAP_CLIENTS; i++)
                fds[i] = -EBADF;
        LIST_FOREACH (const StreamClient, c, &s->clients, node) {
                fds[c->index] = c->fd;
        }
        next = stream_over(event, out, in);
        PROMISE(restore(next, stream_map_fd(s), stage, fds, STREAM_MAP_CLIENTS) >= 0);
        PROMISE(stream_count_clients(next) == stream_count_clients(s));
        stream_leave(next, true);
        stream_free(next);
        fd_close(out[1]);
        fd_close(in[0]);
}

/* Two frames, pending input, and clients of each kind. */
static StreamMap *make_map(int *ret_fd)
{
        static const char frames[] = "\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\5wrong";
        StreamMap *m;

        PROMISE(stream_map_new(OUTPUT_RING_SIZE, &m, ret_fd) >= 0 && *ret_fd >= 0);
        memcpy(m->ring, frames, sizeof(frames) - 1);
        m->output_ring.end = sizeof(frames) - 1;
        m->input[0] = (InputState){.pending = 4, .flags = INPUT_SET};
        m->received = 1;
        m->receive.msg_len = 3;
        m->reading = (ReadIntent){
                .position = m->output_ring.end, .available = 6, .size = 6, .type = FRAME_STDOUT};
        for (size_t i = 0; i < CLIENTS; i++)
                m->clients[i] = (ClientMap){
                        .used = 1,
                        .states[0] = {.position = i == 1 ? 8 : 0,
                                      .frame_left = i == 1 ? 5 : 0,
                                      .flags = i == 0 ? CLIENT_STDOUT | CLIENT_STDERR | CLIENT_WRITER |
                                                                CLIENT_PRIMARY
                                               : i == 1 ? CLIENT_RAW | CLIENT_STDOUT
                                                        : CLIENT_STDERR,
                                      .early = i == 0 ? 2 : 0},
                };
        return m;
}

static void change(StreamMap *m, const uint8_t *data, size_t size)
{
        size_t head = offsetof(StreamMap, clients) + CLIENTS * sizeof(ClientMap);

        for (; size >= 3; data += 3, size -= 3) {
                size_t at = (size_t) (data[0] << 8 | data[1]);

                if (at < head)
                        ((uint8_t *) m)[at] = data[2];
                else if (at - head < 64)
                        m->ring[at - head] = data[2];
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        sd_event *event = NULL;
        int out[2], in[2], stage[2], mine[CLIENTS], theirs[CLIENTS], map;
        static uint8_t waste[1 << 16];
        StreamMap *m;
        Stream *s;

        (void) signal(SIGPIPE, SIG_IGN); /* as execd does */
        PROMISE(sd_event_new(&event) >= 0);
        m = make_map(&map);
        change(m, data, size);
        s = stream_over(event, out, in);
        PROMISE(pipe2(stage, O_CLOEXEC | O_NONBLOCK) >= 0);
        for (size_t i = 0; i < CLIENTS; i++) {
                int pair[2];

                PROMISE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
                mine[i] = pair[0];
                theirs[i] = pair[1];
        }
        PROMISE(write(out[1], "output", 6) == 6);
        (void) !write(theirs[0], "input", 5);
        if (restore(s, map, stage, mine, CLIENTS) >= 0)
                check_again(event, s, stage);
        else
                PROMISE(stream_count_clients(s) == 0 &&
                        stream_output_ring(s)->end == stream_output_ring(s)->start);
        stream_begin(s);
        some_turns(event);
        for (size_t i = 0; i < CLIENTS; i++)
                while (recv(theirs[i], waste, sizeof(waste), MSG_DONTWAIT) > 0)
                        ;
        out[1] = fd_close(out[1]);
        some_turns(event);
        check_again(event, s, stage);
        stream_finish(s, false);
        some_turns(event);
        stream_free(s);
        (void) munmap(m, sizeof(StreamMap) + OUTPUT_RING_SIZE);
        fd_close(map);
        fd_close(stage[0]);
        fd_close(stage[1]);
        for (size_t i = 0; i < CLIENTS; i++) {
                fd_close(mine[i]);
                fd_close(theirs[i]);
        }
        fd_close(in[0]);
        sd_event_unref(event);
        return 0;
}
