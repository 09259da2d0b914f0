/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream-output and stream-client: a process of the container can read the pipe that the command writes to, and
 * bytes that execd has seen there, or has announced to a client, are gone. They are not waited for. */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "core/stream-internal.h"
#include "unit/core/stream-world.h"
#include "unit/test.h"

#define WRITTEN (1024 * 1024)
#define STAGE   (64 * 1024)

static uint8_t bytes[WRITTEN];

/* As a process that opens its own /proc/self/fd/1. Returns how many it has got. */
static size_t steal(int pipe_fd, size_t most)
{
        static uint8_t stolen[WRITTEN];
        size_t done = 0;
        ssize_t n;

        NEED(most <= sizeof(stolen));
        while (done < most && (n = read(pipe_fd, stolen + done, most - done)) > 0)
                done += (size_t) n;
        return done;
}

/* Reads what comes until the end of the stream; false if that does not come while there is something to do for
 * execd, or would be. */
static bool reads_to_its_end(World *w, int fd, size_t *ret_size)
{
        for (unsigned i = 0; i < 2000; i++) {
                ssize_t n;

                while ((n = read(fd, bytes, sizeof(bytes))) > 0)
                        *ret_size += (size_t) n;
                if (n == 0)
                        return true;
                (void) sd_event_run(w->event, USEC_PER_MSEC);
        }
        return false;
}

static bool is_closed(int pipe_fd)
{
        struct pollfd p = {.fd = pipe_fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static const struct {
        const char *name;
        size_t left; /* bytes that are not stolen, at most */
        bool raw, closed, late;
} thefts[] = {
        {"all that is in the pipe"},
        {"all of it, and the pipe is closed", .closed = true},
        {"all but some of it", .left = 1000},
        {"all but some of it, and the pipe is closed", .left = 1000, .closed = true},
        {"all but more than the tail", .left = OUTPUT_RING_REPLAY + 1000},
        {"all of the tail", .late = true},
        {"all of the tail, and the pipe is closed", .late = true, .closed = true},
        {"all of the tail but some", .left = 1000, .late = true},
        {"without frames", .raw = true},
        {"without frames, all of the tail", .raw = true, .late = true},
        {"without frames, and the pipe is closed", .raw = true, .closed = true},
};

static size_t waiting_in(int pipe_fd)
{
        int n = 0;

        NEED(ioctl(pipe_fd, FIONREAD, &n) == 0);
        return (size_t) n;
}

/* The client is cut off, with its input; the command goes on. */
static void test_bulk(void)
{
        for (size_t i = 0; i < ELEMENTSOF(thefts); i++) {
                const char *row = thefts[i].name;
                const StreamClient *first;
                size_t got = 0;
                int c, thief;
                World w;

                world_new(&w);
                c = client(&w, (StreamClientOptions){.want_stdout = true,
                                                     .want_stderr = !thefts[i].raw,
                                                     .raw = thefts[i].raw,
                                                     .primary = true,
                                                     .writer = true});
                first = LIST_ENTRY(w.stream->clients.first, StreamClient, node);
                NEED(setsockopt(first->fd, SOL_SOCKET, SO_SNDBUF, &(int){STAGE}, sizeof(int)) == 0);
                world_pipes(&w);
                /* As for a user who has many pipes already. */
                NEED(stream_need_stage(w.stream) >= 0 &&
                     fcntl(w.stream->stage[1], F_SETPIPE_SZ, STAGE) == STAGE);
                NEED_ROW(row, write(w.out[1], bytes, WRITTEN) == WRITTEN);
                turn_now(&w);
                NEED_ROW(row, waiting_in(w.out[0]) > OUTPUT_RING_REPLAY + 2000);
                for (unsigned k = 0; thefts[i].late && waiting_in(w.out[0]) > OUTPUT_RING_REPLAY; k++) {
                        NEED_ROW(row, k < 10000);
                        got += drain(c, bytes, 1024);
                        turn_now(&w);
                }
                thief = fcntl(w.out[0], F_DUPFD_CLOEXEC, 3);
                NEED_ROW(row, steal(thief, waiting_in(thief) - thefts[i].left) > 0);
                fd_close(thief);
                if (thefts[i].closed) {
                        w.out[1] = fd_close(w.out[1]);
                        w.err[1] = fd_close(w.err[1]);
                }
                CHECK_ROW(row, reads_to_its_end(&w, c, &got));
                for (unsigned k = 0; k < 100 && w.ended < thefts[i].closed; k++)
                        (void) sd_event_run(w.event, 100 * USEC_PER_MSEC);
                CHECK_ROW(row, got < WRITTEN && w.gone == (thefts[i].closed ? w.gone : 1));
                CHECK_ROW(row, stream_count_clients(w.stream) == 0 && !stream_has_writer(w.stream));
                CHECK_ROW(row, is_closed(w.in[0]));
                CHECK_ROW(row, w.ended == thefts[i].closed);
                fd_close(c);
                world_done(&w);
        }
}

/* The command has ended, and another process holds its pipe: only the content at that moment is delivered. */
static void test_rest(void)
{
        size_t got = 0;
        int c, thief;
        World w;

        world_new(&w);
        c = client(&w, (StreamClientOptions){.want_stdout = true, .want_stderr = true, .gate = true});
        world_pipes(&w);
        NEED(write(w.out[1], bytes, WRITTEN) == WRITTEN);
        /* Without a client that reads, the ring is full, and the rest is in the pipe. */
        (void) sd_event_run(w.event, 0);
        stream_drain_rest(w.stream);
        thief = fcntl(w.out[0], F_DUPFD_CLOEXEC, 3);
        NEED(steal(thief, WRITTEN) > 0 && w.ended == 0);
        fd_close(thief);
        for (unsigned i = 0; i < 2000 && w.ended == 0; i++) {
                (void) sd_event_run(w.event, USEC_PER_MSEC);
                (void) drain(c, bytes, sizeof(bytes));
        }
        CHECK(w.ended == 1);
        stream_finish(w.stream, false);
        CHECK(reads_to_its_end(&w, c, &got));
        fd_close(c);
        world_done(&w);
}

int main(void)
{
        signal(SIGPIPE, SIG_IGN);
        alarm(120);
        test_bulk();
        test_rest();
        return test_finish("stream-output");
}
