/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command's stdout, stderr or pty: read into the ring as fast as the clients take it. */

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "core/stream-internal.h"

void stream_output_close(StreamOutput *o)
{
        LIST_FOREACH (StreamClient, c, &o->stream->clients, node) {
                if (c->bulk_output == o && (c->bulk_left > 0 || c->bulk_tail > 0))
                        stream_client_cut_off(c);
        }
        o->source = sd_event_source_disable_unref(o->source);
        o->rest = sd_event_source_disable_unref(o->rest);
        o->fd = fd_close(o->fd);
}

/* The slowest client sets the pace. */
static uint64_t slowest_position(const Stream *s)
{
        uint64_t position = s->output_ring.end;

        LIST_FOREACH (const StreamClient, c, &s->clients, node) {
                if (!c->output_dead && !c->ended)
                        position = MIN(position, c->position);
        }
        return position;
}

static size_t output_room(const StreamOutput *o)
{
        size_t room;

        if (o->fd < 0 ||
            LIST_FIND(const StreamClient, c, &o->stream->clients, node, stream_client_in_bulk(c)))
                return 0;
        room = output_ring_room(&o->stream->output_ring, slowest_position(o->stream));
        /* No crumbs: a frame is worth its header. */
        return room < STREAM_CHUNK / 4 ? 0 : MIN(room, (size_t) STREAM_CHUNK);
}

uint32_t stream_output_wants(const StreamOutput *o)
{
        const Stream *s = o->stream;

        return !o->resting && !s->log.full && !s->observer_full && output_room(o) > 0 ? EPOLLIN : 0;
}

static int output_on_rested(sd_event_source *source, uint64_t usec, void *userdata)
{
        StreamOutput *o = userdata;

        o->resting = false;
        o->copied = 0;
        o->stream->turn(o->stream);
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

/* How many bytes are waiting: 0 at the end, or -errno (-EAGAIN when there are none yet). */
static ssize_t output_waiting(const StreamOutput *o)
{
        struct pollfd p = {.fd = o->fd, .events = POLLIN};
        int n = 0;

        if (ioctl(o->fd, FIONREAD, &n) < 0)
                return -errno;
        if (n > 0)
                return n;
        if (poll(&p, 1, 0) < 0)
                return -errno;
        if (!(p.revents & POLLIN))
                return p.revents ? 0 : -EAGAIN;
        if (ioctl(o->fd, FIONREAD, &n) < 0)
                return -errno;
        return n > 0 ? n : -EAGAIN;
}

/* True if the observer takes all that may be read now. */
static bool observer_has_room(Stream *s)
{
        s->observer_full = s->events.on_output && s->events.has_room && !s->events.has_room(s->userdata);
        return !s->observer_full;
}

/* Passes the newest frame, or the first one that they have not seen, to the observers of the stream and to
 * the log. */
void stream_output_tell(Stream *s)
{
        const OutputRing *h = &s->output_ring;

        if (!s->map)
                return;
        if (!s->events.on_output && s->log.fd < 0)
                stream_map_store64(&s->map->observed, h->end);
        for (uint64_t at = MAX(s->map->observed, h->start);
             at < h->end && stream_log_has_room(s) && observer_has_room(s);) {
                struct iovec iov[2];
                FrameType type;
                uint32_t size = 0;
                int n;

                output_ring_frame_at(h, at, &type, &size);
                n = output_ring_span(h, at + FRAME_HEADER_SIZE, size, iov);
                stream_log_write(s, type, iov, n);
                for (int i = 0; i < n && s->events.on_output; i++)
                        s->events.on_output(s->userdata, type, iov[i].iov_base, iov[i].iov_len);
                at += FRAME_HEADER_SIZE + size;
                stream_map_store64(&s->map->observed, at);
        }
}

/* The log and the observers take more, and have all that was read before. */
static bool output_is_told(Stream *s)
{
        if (s->log.fd < 0 && !s->events.on_output)
                return true;
        /* Read by an execd that has crashed. */
        if (s->map && s->map->observed < s->output_ring.end)
                stream_output_tell(s);
        return stream_log_has_room(s) && observer_has_room(s);
}

/* As read(2). A terminal that was read empty has no more until epoll(7) says so; a pipe may fill as fast as it is
 * read. */
static ssize_t output_take(StreamOutput *o, size_t room, ssize_t waiting)
{
        ssize_t n;

        if (waiting <= 0) {
                o->dry = waiting == -EAGAIN;
                errno = (int) -waiting;
                return waiting < 0 ? -1 : 0;
        }
        n = stream_output_receive(o, MIN(room, (size_t) waiting), (size_t) waiting);
        o->dry = o->stream->tty && n == waiting;
        return n;
}

bool stream_output_read(StreamOutput *o)
{
        Stream *s = o->stream;
        ssize_t waiting, n;
        size_t room;

        if (o->fd < 0 || (o->dry && !o->limited))
                return false;
        s->log.full = s->observer_full = false;
        room = output_room(o);

        if (room == 0)
                return false;
        if (o->limited && o->limit == 0) {
                stream_output_close(o);
                return true;
        }
        if (o->resting && !o->limited)
                return false;
        if (!output_is_told(s))
                return false;
        waiting = output_waiting(o);
        if (s->log.fd >= 0)
                room = MIN(room, (size_t) STREAM_LOG_CHUNK);
        else if (s->n_clients == 1 && !s->tty && !s->events.on_output) {
                StreamClient *c = LIST_ENTRY(s->clients.first, StreamClient, node);

                if (waiting > 0 && stream_client_start_bulk(c, o, (size_t) waiting)) {
                        o->copied = STREAM_REST_AFTER;
                        return true;
                }
                if (!o->limited && output_rest(o))
                        return false;
        }
        if (o->limited)
                room = (size_t) MIN((uint64_t) room, o->limit);

        n = output_take(o, room, waiting);
        if (n < 0 && ((errno == EAGAIN && !o->limited) || errno == EINTR)) {
                o->copied = 0;
                return false;
        }
        /* A pty whose other side is closed answers EIO: that is its end. So it is when bytes that were there at the
         * end of the command are not: another process has read them, or a terminal was flushed. */
        if (n <= 0) {
                stream_output_close(o);
                return true;
        }
        o->copied += (size_t) n;
        if (o->limited)
                o->limit -= (uint64_t) n;
        stream_output_tell(s);
        return true;
}
