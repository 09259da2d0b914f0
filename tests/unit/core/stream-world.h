/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A stream with the command's and the clients' ends of what it has. */

#include <fcntl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/time.h"
#include "core/stream.h"
#include "unit/need.h"

typedef struct World {
        sd_event *event;
        Stream *stream;
        int out[2], err[2], in[2]; /* pipes: [0] is read from */
        int ended, gone, detached;
} World;

static inline void on_output_end(void *userdata)
{
        ((World *) userdata)->ended++;
}

static inline void on_client_gone(void *userdata)
{
        ((World *) userdata)->gone++;
}

static inline void on_detached(void *userdata)
{
        ((World *) userdata)->detached++;
}

static const StreamEvents stream_world_events = {on_output_end, on_client_gone, on_detached, NULL};

/* Runs the event sources that are ready now. */
static inline void turn_now(World *w)
{
        while (sd_event_run(w->event, 0) > 0)
                ;
}

/* And what is so in a moment. */
static inline void turn(World *w)
{
        while (sd_event_run(w->event, 2000) > 0)
                ;
}

static inline void world_new(World *w)
{
        *w = (World){.in = {-1, -1}};
        NEED(sd_event_new(&w->event) >= 0);
        w->stream = stream_new(w->event, &stream_world_events, w);
        NEED(w->stream);
}

static inline void world_pipes(World *w)
{
        NEED(pipe2(w->out, O_CLOEXEC) >= 0 && pipe2(w->err, O_CLOEXEC) >= 0 && pipe2(w->in, O_CLOEXEC) >= 0);
        (void) fcntl(w->out[0], F_SETPIPE_SZ, 1024 * 1024);
        NEED(stream_set_output(w->stream, FRAME_STDOUT, w->out[0]) >= 0);
        NEED(stream_set_output(w->stream, FRAME_STDERR, w->err[0]) >= 0);
        NEED(stream_set_input(w->stream, w->in[1]) >= 0);
        NEED(fd_set_nonblock(w->out[1], true) >= 0);
        NEED(fd_set_nonblock(w->in[0], true) >= 0);
        stream_begin(w->stream);
}

static inline void world_done(World *w)
{
        stream_free(w->stream);
        sd_event_unref(w->event);
}

static inline int client(World *w, StreamClientOptions o)
{
        int pair[2];

        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
        o.fd = pair[0];
        NEED(stream_add_client(w->stream, &o) >= 0);
        return pair[1];
}

static inline size_t drain(int fd, uint8_t *buf, size_t size)
{
        size_t done = 0;
        ssize_t n;

        while (done < size && (n = read(fd, buf + done, size - done)) > 0)
                done += (size_t) n;
        return done;
}
