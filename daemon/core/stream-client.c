/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One client's side of a stream: its output, and its end. */

#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/time.h"
#include "core/stream-internal.h"

StreamClient *stream_client_free(StreamClient *c)
{
        Stream *s;

        if (!c)
                return NULL;
        s = c->stream;
        if (s->input.writer == c)
                s->input.writer = NULL;
        stream_client_drop_index(c);
        if (c->bulk_output)
                stream_empty_stage(s, c->bulk_output->type);
        list_remove(&s->clients, &c->node);
        s->n_clients--;
        c->source = sd_event_source_disable_unref(c->source);
        c->timer = sd_event_source_disable_unref(c->timer);
        fd_close(c->fd);
        buf_done(&c->input);
        return mfree(c);
}

static bool client_wants(const StreamClient *c, FrameType type)
{
        return type == FRAME_STDOUT ? c->want_stdout : c->want_stderr && !c->raw;
}

bool stream_client_in_bulk(const StreamClient *c)
{
        return !c->output_dead && (c->bulk_header_left > 0 || c->bulk_left > 0 || c->bulk_tail > 0);
}

/* Skips frames that this client does not want, and sets frame_left for the next one that it does. */
static void client_find_frame(StreamClient *c)
{
        const OutputRing *h = &c->stream->output_ring;

        /* The bytes of the ring are sent as they are, so frame boundaries need no attention. */
        if (!c->raw && c->want_stdout && c->want_stderr) {
                c->frame_left = h->end - c->position;
                return;
        }
        while (c->frame_left == 0 && c->position < h->end) {
                FrameType type;
                uint32_t size = 0;

                output_ring_frame_at(h, c->position, &type, &size);
                if (!client_wants(c, type)) {
                        c->position += FRAME_HEADER_SIZE + size;
                        continue;
                }
                c->frame_left = size;
                if (c->raw)
                        c->position += FRAME_HEADER_SIZE;
                else
                        c->frame_left += FRAME_HEADER_SIZE;
        }
}

/* Handles the result of a send; true to continue. */
static bool client_sent(StreamClient *c, ssize_t n)
{
        if (n > 0)
                return true;
        if (n < 0 && errno == EAGAIN)
                c->blocked = true;
        else if (n < 0 && errno != EINTR)
                c->output_dead = true;
        return false;
}

/* A frame that was announced cannot be completed: this client cannot be served on, in either direction. */
void stream_client_cut_off(StreamClient *c)
{
        c->output_dead = c->input_eof = true;
}

/* Ends the announced splice: the tail is copied, through the ring, where a later client finds it. */
static bool client_finish_bulk(StreamClient *c)
{
        StreamOutput *o = c->bulk_output;
        OutputRing *h = &c->stream->output_ring;
        ssize_t n = stream_output_receive(o, c->bulk_tail, c->bulk_tail);

        if (n < 0 && errno == EINTR)
                return false;
        c->bulk_output = NULL;
        /* Bytes that FIONREAD promised are not there: a process of the container has read them. */
        if (n != (ssize_t) c->bulk_tail) {
                stream_client_cut_off(c);
                return true;
        }
        c->position = h->end - (uint64_t) n;
        c->frame_left = (uint64_t) n;
        c->bulk_tail = 0;
        return true;
}

/* From the command's pipe to the stage, and from there to the socket: the difference is what is still in the
 * stage. */
static bool client_splice(StreamClient *c)
{
        Stream *s = c->stream;
        ssize_t n;

        if (s->staged == 0) {
                stream_client_publish(c);
                n = splice(c->bulk_output->fd, NULL, s->stage[1], NULL, c->bulk_left,
                           SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
                if (n < 0 && errno == EINTR)
                        return false;
                /* The stage is empty, so that it is the command's pipe that has nothing, as in
                 * client_finish_bulk(). */
                if (n <= 0) {
                        stream_client_cut_off(c);
                        return true;
                }
                s->staged = (size_t) n;
        }
        if (c->index < STREAM_MAP_CLIENTS) {
                (void) stream_client_state(c, SEND_BULK);
                stream_client_commit(c);
        }
        n = splice(s->stage[0], NULL, c->fd, NULL, s->staged, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (!client_sent(c, n))
                return false;
        s->staged -= (size_t) n;
        c->bulk_left -= (uint64_t) n;
        return true;
}

static bool client_write_bulk(StreamClient *c)
{
        if (c->bulk_header_left > 0) {
                struct iovec iov = {.iov_base = c->bulk_header + FRAME_HEADER_SIZE - c->bulk_header_left,
                                    .iov_len = c->bulk_header_left};
                ssize_t n = stream_client_send(c, SEND_BULK_HEADER, &iov, 1, MSG_MORE);

                if (!client_sent(c, n))
                        return false;
                c->bulk_header_left -= (size_t) n;
                return true;
        }
        if (c->bulk_left > 0)
                return client_splice(c);
        return client_finish_bulk(c);
}

bool stream_client_start_bulk(StreamClient *c, StreamOutput *o, size_t waiting)
{
        Stream *s = c->stream;

        if (waiting < STREAM_BULK_MIN || s->tty || c->gated || c->output_dead || c->ended || c->blocked ||
            c->position != s->output_ring.end || !client_wants(c, o->type))
                return false;
        if (stream_need_stage(s) < 0)
                return false;
        if (o->limited) {
                waiting = (size_t) MIN((uint64_t) waiting, o->limit);
                if (waiting < STREAM_BULK_MIN)
                        return false;
                o->limit -= waiting;
        }

        /* All that a later client is to see again will be in the tail. */
        output_ring_clear(&s->output_ring);
        c->bulk_output = o;
        c->bulk_tail = (uint32_t) MIN(output_ring_replay(&s->output_ring), (size_t) OUTPUT_RING_REPLAY);
        c->bulk_left = (uint64_t) waiting - c->bulk_tail;
        if (!c->raw) {
                frame_header_write(c->bulk_header, o->type, (uint32_t) waiting);
                c->bulk_header_left = FRAME_HEADER_SIZE;
        }
        return true;
}

static bool client_write_ring(StreamClient *c)
{
        const OutputRing *h = &c->stream->output_ring;
        struct iovec iov[2];
        ssize_t n;
        int n_iov;

        client_find_frame(c);
        if (c->frame_left == 0)
                return false;
        n_iov = output_ring_span(h, c->position, c->frame_left, iov);
        n = stream_client_send(c, SEND_RING, iov, n_iov, 0);
        if (!client_sent(c, n))
                return false;
        c->position += (uint64_t) n;
        c->frame_left -= (uint64_t) n;
        return true;
}

static int client_on_linger(sd_event_source *source, uint64_t usec, void *userdata)
{
        StreamClient *c = userdata;
        Stream *s = c->stream;

        c->gone = true;
        s->turn(s);
        return 0;
}

static void client_arm(StreamClient *c, uint64_t usec, sd_event_time_handler_t handler)
{
        if (c->timer) {
                (void) sd_event_source_set_time_relative(c->timer, usec);
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
                return;
        }
        if (sd_event_add_time_relative(c->stream->event, &c->timer, CLOCK_MONOTONIC, usec, 10, handler, c) <
            0)
                c->gone = true;
}

/* Flushed: shuts the connection down for writing, and waits until the client closes it, so that it reads an
 * orderly end and not a reset for bytes of its own that were not read. */
static bool client_shut_down(StreamClient *c)
{
        shutdown(c->fd, SHUT_WR);
        c->shut = true;
        c->timer = sd_event_source_disable_unref(c->timer);
        client_arm(c, STREAM_LINGER_USEC, client_on_linger);
        return true;
}

bool stream_client_write(StreamClient *c)
{
        Stream *s = c->stream;

        if (c->shut && c->input_eof)
                c->gone = true;
        if (c->output_dead || c->gone || c->shut)
                return false;
        /* Its stream was ended early: it no longer delays anything, so the ring keeps nothing for it.
         */
        if (c->ended)
                return client_shut_down(c);
        if (c->gated || c->blocked)
                return false;
        if (stream_client_in_bulk(c))
                return client_write_bulk(c);
        if (client_write_ring(c))
                return true;
        if (c->blocked || c->output_dead)
                return false;
        if (s->finished)
                return client_shut_down(c);
        return false;
}

/* There is something to do for it as soon as its socket takes bytes. That it is not known to be full does
 * not mean that all was sent: a turn ends after so many rounds, whatever is left. */
static bool client_has_work(const StreamClient *c)
{
        const Stream *s = c->stream;

        if (c->output_dead || c->shut || c->gated)
                return false;
        return c->ended || s->finished || stream_client_in_bulk(c) || c->position != s->output_ring.end;
}

void stream_client_update(StreamClient *c)
{
        uint32_t wants = 0;
        bool reads = stream_client_reads(c) && buf_length(&c->input) == 0;

        if (reads)
                wants |= EPOLLIN;
        if (client_has_work(c))
                wants |= EPOLLOUT;
        (void) sd_event_source_set_io_events(c->source, wants);
        /* Hang-up is always reported, so a dead client is only watched for input that is still welcome. */
        (void) sd_event_source_set_enabled(c->source, c->output_dead && !reads ? SD_EVENT_OFF : SD_EVENT_ON);
}

/* The client has read the response head when nothing is left in its socket. */
static int client_on_gate(sd_event_source *source, uint64_t usec, void *userdata)
{
        StreamClient *c = userdata;
        Stream *s = c->stream;
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        int unread = 0;

        if (c->gate_opened == 0) {
                (void) ioctl(c->fd, SIOCOUTQ, &unread);
                if (unread == 0)
                        c->gate_opened = now;
        }
        if ((c->gate_opened > 0 && now >= c->gate_opened + c->gate_after) || now >= c->gate_deadline) {
                c->gated = false;
                c->timer = sd_event_source_disable_unref(c->timer);
                s->turn(s);
                return 0;
        }
        c->gate_poll = MIN(2 * c->gate_poll, (uint64_t) STREAM_GATE_POLL_MAX);
        if (now + STREAM_GATE_MAX_USEC > c->gate_deadline + 100 * USEC_PER_MSEC)
                c->gate_poll = STREAM_GATE_POLL_SLOW;
        client_arm(c, c->gate_opened > 0 ? c->gate_after : c->gate_poll, NULL);
        return 0;
}

int stream_client_join(Stream *s, StreamClient *c, bool writer)
{
        int r;

        list_append(&s->clients, &c->node);
        s->n_clients++;
        r = stream_need_map(s);
        if (r < 0) {
                stream_client_free(c);
                return r;
        }
        if (writer && !s->input.writer)
                s->input.writer = c;

        (void) setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &(int){STREAM_SEND_BUFFER}, sizeof(int));
        r = fd_set_nonblock(c->fd, true);
        if (r >= 0)
                r = sd_event_add_io(s->event, &c->source, c->fd, 0, s->on_io, s);
        if (r < 0) {
                stream_client_free(c);
                return r;
        }
        if (c->shut)
                client_arm(c, STREAM_LINGER_USEC, client_on_linger);
        else if (c->gated) {
                c->gate_deadline = now_usec(CLOCK_MONOTONIC) + STREAM_GATE_MAX_USEC;
                c->gate_poll = STREAM_GATE_POLL_USEC;
                c->gate_after = MAX(c->gate_after, (uint64_t) STREAM_GATE_AFTER_USEC);
                client_arm(c, c->gate_poll, client_on_gate);
        }
        stream_client_take_index(c);
        stream_keep_client(c);
        return 0;
}

/* Of a client from before a restart the socket still says whose it is, but one of a pair, which came over the
 * bus, has execd's own name on it. */
static StreamClientInfo client_info(const StreamClient *c)
{
        StreamClientInfo info = {c->uid, c->pid, c == c->stream->input.writer};
        struct ucred credentials;
        socklen_t size = sizeof(credentials);

        if (c->uid == (uid_t) -1 && getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) >= 0 &&
            credentials.uid != geteuid()) {
                info.uid = credentials.uid;
                info.pid = credentials.pid;
        }
        return info;
}

size_t stream_list_clients(const Stream *s, StreamClientInfo *ret, size_t max)
{
        size_t n = 0;

        LIST_FOREACH (const StreamClient, c, &s->clients, node) {
                if (n >= max)
                        break;
                if (!c->ended && !c->gone && !c->output_dead)
                        ret[n++] = client_info(c);
        }
        return n;
}
