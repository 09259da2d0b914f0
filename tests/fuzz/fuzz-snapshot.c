/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an earlier execd left of a stream: any bytes are refused, or make a stream that works, and that can
 * be handed over again. */

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "core/stream-snapshot.h"
#include "fuzz/fuzz.h"

#define CLIENTS 3

static void nothing(void *userdata)
{
}

static const StreamEvents events = {
        .on_output_end = nothing, .on_client_gone = nothing, .on_detached = nothing};

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

static void check_again(sd_event *event, const Stream *s)
{
        _cleanup_buf_ Buf b = BUF_INIT;
        int fds[STREAM_SNAPSHOT_CLIENTS_MAX], out[2], in[2];
        Stream *next = stream_over(event, out, in);
        size_t n = 0;

        PROMISE(stream_snapshot_write(s, &b, fds, &n) >= 0 && n <= CLIENTS);
        for (size_t i = 0; i < n; i++)
                fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        PROMISE(stream_snapshot_read(next, buf_head(&b), buf_length(&b), fds, n) >= 0);
        PROMISE(stream_count_clients(next) == n);
        stream_free(next);
        fd_close(out[1]);
        fd_close(in[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        sd_event *event = NULL;
        int out[2], in[2], mine[CLIENTS], theirs[CLIENTS];
        static uint8_t waste[1 << 16];
        Stream *s;

        PROMISE(sd_event_new(&event) >= 0);
        s = stream_over(event, out, in);
        for (size_t i = 0; i < CLIENTS; i++) {
                int pair[2];

                PROMISE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
                mine[i] = pair[0];
                theirs[i] = pair[1];
        }
        if (stream_snapshot_read(s, data, size, mine, CLIENTS) >= 0)
                check_again(event, s);
        else
                PROMISE(stream_count_clients(s) == 0 && !stream_snapshot_is_wanted(s));
        (void) signal(SIGPIPE, SIG_IGN); /* as execd does */
        PROMISE(write(out[1], "output", 6) == 6);
        (void) !write(theirs[0], "input", 5);
        stream_begin(s);
        some_turns(event);
        for (size_t i = 0; i < CLIENTS; i++)
                while (read(theirs[i], waste, sizeof(waste)) > 0)
                        ;
        out[1] = fd_close(out[1]);
        some_turns(event);
        check_again(event, s);
        stream_finish(s, false);
        some_turns(event);
        stream_free(s);
        for (size_t i = 0; i < CLIENTS; i++) {
                fd_close(mine[i]);
                fd_close(theirs[i]);
        }
        fd_close(in[0]);
        sd_event_unref(event);
        return 0;
}
