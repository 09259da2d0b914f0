/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command's stdout, stderr or pty: read into the history as fast as the clients take it. */

#include <sys/epoll.h>

#include "core/stream-internal.h"

void stream_output_close(StreamOutput *o)
{
        LIST_FOREACH_SAFE (n, &o->stream->clients) {
                StreamClient *c = LIST_ENTRY(n, StreamClient, node);

                /* A frame that was announced cannot be completed: this client cannot be served on. */
                if (c->bulk_output == o && (c->bulk_left > 0 || c->bulk_tail > 0))
                        c->output_dead = c->gone = true;
        }
        o->source = sd_event_source_disable_unref(o->source);
        o->rest = sd_event_source_disable_unref(o->rest);
        o->fd = fd_close(o->fd);
}

/* The client that is furthest behind sets the pace. */
static uint64_t slowest_position(const Stream *s)
{
        uint64_t position = s->history.end;

        LIST_FOREACH_SAFE (n, &s->clients) {
                const StreamClient *c = LIST_ENTRY(n, StreamClient, node);

                if (!c->output_dead && !c->ended)
                        position = MIN(position, c->position);
        }
        return position;
}

static bool output_in_bulk(const StreamOutput *o)
{
        LIST_FOREACH_SAFE (n, &o->stream->clients) {
                const StreamClient *c = LIST_ENTRY(n, StreamClient, node);

                if (stream_client_in_bulk(c))
                        return true;
        }
        return false;
}

static size_t output_room(const StreamOutput *o)
{
        size_t room;

        if (o->fd < 0 || output_in_bulk(o))
                return 0;
        room = history_room(&o->stream->history, slowest_position(o->stream));
        /* No crumbs: a frame is worth its header. */
        return room < STREAM_CHUNK / 4 ? 0 : MIN(room, (size_t) STREAM_CHUNK);
}

uint32_t stream_output_wants(const StreamOutput *o)
{
        return !o->resting && output_room(o) > 0 ? EPOLLIN : 0;
}

static int output_on_rested(sd_event_source *source, uint64_t usec, void *userdata)
{
        StreamOutput *o = userdata;

        o->resting = false;
        o->copied = 0;
        stream_turn(o->stream);
        return 0;
}

/* Whether to let the pipe fill; arms the timer that ends it. */
static bool output_rest(StreamOutput *o)
{
        int r;

        if (o->copied < STREAM_REST_AFTER)
                return false;
        if (!o->rest)
                r = sd_event_add_time_relative(o->stream->event, &o->rest, CLOCK_MONOTONIC, STREAM_REST_USEC,
                                               1, output_on_rested, o);
        else {
                r = sd_event_source_set_time_relative(o->rest, STREAM_REST_USEC);
                if (r >= 0)
                        r = sd_event_source_set_enabled(o->rest, SD_EVENT_ONESHOT);
        }
        o->resting = r >= 0;
        return o->resting;
}

bool stream_output_read(StreamOutput *o)
{
        static uint8_t chunk[STREAM_CHUNK]; /* the loop is single-threaded, and no call below re-enters */
        Stream *s = o->stream;
        size_t room = output_room(o);
        ssize_t n;

        if (room == 0)
                return false;
        if (o->limited && o->limit == 0) {
                stream_output_close(o);
                return true;
        }
        if (o->resting && !o->limited)
                return false;
        if (s->n_clients == 1 && !s->tty && !s->events.on_output) {
                if (stream_client_start_bulk(LIST_ENTRY(s->clients.first, StreamClient, node), o)) {
                        o->copied = STREAM_REST_AFTER;
                        return true;
                }
                if (!o->limited && output_rest(o))
                        return false;
        }
        if (o->limited)
                room = (size_t) MIN((uint64_t) room, o->limit);

        n = read(o->fd, chunk, room);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                o->copied = 0;
                return false;
        }
        /* A pty whose other side is closed answers EIO: that is its end. */
        if (n <= 0) {
                stream_output_close(o);
                return true;
        }
        o->copied += (size_t) n;
        if (o->limited)
                o->limit -= (uint64_t) n;
        if (history_append(&s->history, o->type, chunk, (size_t) n) < 0) {
                stream_output_close(o);
                return true;
        }
        if (s->events.on_output)
                s->events.on_output(s->userdata, o->type, chunk, (size_t) n);
        return true;
}
