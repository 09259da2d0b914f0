/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state that a stream writes into its map (core/stream-map), and the descriptors that it keeps in slots. */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "core/stream-internal.h"

/* The capacity of the stage, which is the same as of the command's pipes. The kernel allows it for some of them. */
#define STAGE_SIZE (1024 * 1024)

int stream_need_map(Stream *s)
{
        size_t size = s->output_ring.limit > 0 ? s->output_ring.limit : OUTPUT_RING_SIZE;
        int r;

        if (s->map)
                return 0;
        r = stream_map_new(size, &s->map, &s->map_fd);
        if (r < 0)
                return r;
        if (!s->output_ring.ring)
                output_ring_share(&s->output_ring, &s->map->output_ring, s->map->ring, size);
        stream_input_publish(s);
        return 0;
}

void stream_drop_map(Stream *s)
{
        s->map = stream_map_free(s->map);
        s->map_fd = fd_close(s->map_fd);
}

static uint32_t flags_of(const StreamClient *c)
{
        return (c->raw ? CLIENT_RAW : 0) | (c->want_stdout ? CLIENT_STDOUT : 0) |
               (c->want_stderr ? CLIENT_STDERR : 0) | (c->primary ? CLIENT_PRIMARY : 0) |
               (c->gated ? CLIENT_GATED : 0) | (c->input_eof ? CLIENT_INPUT_EOF : 0) |
               (c->output_dead ? CLIENT_OUTPUT_DEAD : 0) | (c->ended ? CLIENT_ENDED : 0) |
               (c->shut ? CLIENT_SHUT : 0) | (c->stream->input.writer == c ? CLIENT_WRITER : 0) |
               (c->early_lost && buf_length(&c->input) > 0 ? CLIENT_INPUT_LOST : 0);
}

ClientState *stream_client_state(StreamClient *c, ClientSend send)
{
        ClientMap *m = &c->stream->map->clients[c->index];
        ClientState *t = &m->states[!m->current];

        t->position = c->position;
        t->frame_left = c->frame_left;
        t->bulk_left = c->bulk_left;
        t->staged = c->stream->staged;
        t->bulk_tail = c->bulk_tail;
        t->bulk_header_left = (uint32_t) c->bulk_header_left;
        t->bulk_type = c->bulk_output ? c->bulk_output->type : 0;
        t->flags = flags_of(c);
        t->send = send;
        t->early = c->early_lost ? 0 : (uint32_t) buf_length(&c->input);
        memcpy(t->bulk_header, c->bulk_header, sizeof(t->bulk_header));
        t->message = (struct mmsghdr){.msg_hdr = {.msg_iov = t->iov}};
        return t;
}

void stream_client_commit(StreamClient *c)
{
        ClientMap *m = &c->stream->map->clients[c->index];

        stream_map_store32(&m->current, !m->current);
}

void stream_client_publish(StreamClient *c)
{
        if (c->index >= STREAM_MAP_CLIENTS)
                return;
        (void) stream_client_state(c, SEND_NOTHING);
        stream_client_commit(c);
}

ssize_t stream_client_send(StreamClient *c, ClientSend what, const struct iovec *iov, int n_iov, int flags)
{
        struct mmsghdr message = {0};
        struct mmsghdr *at = &message;
        struct iovec copy[2];

        memcpy(copy, iov, sizeof(*iov) * (size_t) n_iov);
        message.msg_hdr = (struct msghdr){.msg_iov = copy};
        if (c->index < STREAM_MAP_CLIENTS) {
                ClientState *t = stream_client_state(c, what);

                memcpy(t->iov, iov, sizeof(*iov) * (size_t) n_iov);
                at = &t->message;
                stream_client_commit(c);
        }
        at->msg_hdr.msg_iovlen = (size_t) n_iov;
        return sendmmsg(c->fd, at, 1, MSG_DONTWAIT | MSG_NOSIGNAL | flags) < 0 ? -1 : (ssize_t) at->msg_len;
}

void stream_client_take_index(StreamClient *c)
{
        Stream *s = c->stream;
        size_t early = buf_length(&c->input);

        for (unsigned i = 0; i < STREAM_MAP_CLIENTS && c->index == STREAM_MAP_CLIENTS; i++)
                if (!s->map->clients[i].used)
                        c->index = i;
        if (c->index >= STREAM_MAP_CLIENTS)
                return;
        /* Only the writer's counts, and there is one of them. */
        c->early_lost = early > sizeof(s->map->early) || s->input.writer != c;
        if (early > 0 && !c->early_lost)
                memcpy(s->map->early, buf_head(&c->input), early);
        stream_client_publish(c);
        stream_map_store32(&s->map->clients[c->index].used, 1);
}

void stream_client_drop_index(StreamClient *c)
{
        if (c->stream->map && c->index < STREAM_MAP_CLIENTS)
                stream_map_store32(&c->stream->map->clients[c->index].used, 0);
        c->index = STREAM_MAP_CLIENTS;
        c->slot = slot_release(c->slot);
}

static void publish_pending(Stream *s, const Buf *pending)
{
        StreamInput *in = &s->input;
        uint64_t next = !s->map->input_current;
        InputState *t = &s->map->input[next];
        size_t size = pending ? buf_length(pending) : 0;
        bool fits = size <= STREAM_MAP_PENDING;

        *t = (InputState){
                .taken = in->received,
                .pending = fits ? (uint32_t) size : 0,
                .matched = (uint32_t) in->scanner.matched,
                .flags = (in->was_set ? INPUT_SET : 0) | (in->at_end ? INPUT_AT_END : 0) |
                         (fits ? 0 : INPUT_LOST),
        };
        if (fits && size > 0)
                memcpy(s->map->pending[next], buf_head(pending), size);
        stream_map_store64(&s->map->input_current, next);
}

void stream_input_publish(Stream *s)
{
        if (s->map)
                publish_pending(s, &s->input.pending);
}

void stream_input_announce(Stream *s)
{
        if (s->map)
                publish_pending(s, NULL);
}

ssize_t stream_input_receive(Stream *s, StreamClient *c, uint8_t **ret)
{
        static uint8_t raw[STREAM_MAP_RAW];
        ssize_t n;

        if (!s->map) {
                *ret = raw;
                return recv(c->fd, raw, sizeof(raw), MSG_DONTWAIT);
        }
        *ret = s->map->raw;
        s->map->receive_iov = (struct iovec){s->map->raw, sizeof(s->map->raw)};
        s->map->receive = (struct mmsghdr){.msg_hdr = {.msg_iov = &s->map->receive_iov, .msg_iovlen = 1}};
        stream_map_store64(&s->map->received, s->input.received + 1);
        n = recvmmsg(c->fd, &s->map->receive, 1, MSG_DONTWAIT, NULL);
        s->input.received++;
        return n < 0 ? -1 : (ssize_t) s->map->receive.msg_len;
}

ssize_t stream_output_receive(StreamOutput *o, size_t size, size_t available)
{
        Stream *s = o->stream;
        struct iovec iov[2];
        ssize_t n;
        int n_iov;

        n_iov = output_ring_reserve(&s->output_ring, size, iov);
        if (n_iov < 0) {
                errno = -n_iov;
                return -1;
        }
        if (s->map)
                stream_map_announce(s->map, s->output_ring.end, o->type, iov, n_iov, size, available);
        n = readv(o->fd, iov, n_iov);
        if (n > 0)
                output_ring_commit(&s->output_ring, o->type, (size_t) n);
        return n;
}

void stream_keep_client(StreamClient *c)
{
        Stream *s = c->stream;

        if (s->pool && !c->slot && c->index < STREAM_MAP_CLIENTS)
                c->slot = keep_put(s->pool, s->id, &(KeepFd){KEEP_CLIENTS + c->index, c->fd}, 1, NULL);
}

int stream_need_stage(Stream *s)
{
        if (s->stage[0] >= 0)
                return 0;
        if (pipe2(s->stage, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        (void) fcntl(s->stage[1], F_SETPIPE_SZ, STAGE_SIZE);
        if (s->pool)
                s->stage_slot =
                        keep_put(s->pool, s->id,
                                 (KeepFd[]){{KEEP_STAGE_READ, s->stage[0]}, {KEEP_STAGE_WRITE, s->stage[1]}},
                                 2, NULL);
        return 0;
}

/* Data that is no longer sent to any client is still output. */
void stream_empty_stage(Stream *s, FrameType type)
{
        static uint8_t chunk[STREAM_CHUNK];

        while (s->staged > 0) {
                ssize_t n = read(s->stage[0], chunk, sizeof(chunk));

                if (n <= 0)
                        break;
                s->staged -= MIN(s->staged, (size_t) n);
                (void) output_ring_append(&s->output_ring, type, chunk, (size_t) n);
        }
        s->staged = 0;
}

void stream_drop_stage(Stream *s)
{
        s->stage[0] = fd_close(s->stage[0]);
        s->stage[1] = fd_close(s->stage[1]);
        s->staged = 0;
        s->stage_slot = slot_release(s->stage_slot);
}
