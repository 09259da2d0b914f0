/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From one execd to the next: the parts of a stream that are kept in slots, how it is given up, and how it goes on
 * from its map. The map is ours, yet it is read with as little trust as if it were not: an execd of
 * another version or a fault may have written it. */

#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "core/stream-internal.h"

static StreamOutput *find_output(Stream *s, uint32_t type)
{
        for (size_t i = 0; i < s->n_outputs; i++)
                if (s->outputs[i].type == (FrameType) type && s->outputs[i].fd >= 0)
                        return &s->outputs[i];
        return NULL;
}

static size_t waiting_in(int fd)
{
        int n = 0;

        return fd >= 0 && ioctl(fd, FIONREAD, &n) >= 0 && n > 0 ? (size_t) n : 0;
}

/* A read that had been announced when execd died was done or was not. */
static void finish_read(Stream *s)
{
        const ReadIntent *r = &s->map->reading;
        const StreamOutput *o = find_output(s, r->type);
        OutputRing *h = &s->output_ring;
        struct iovec iov[2];
        int n;

        if (!o || r->position != h->end || r->size == 0 || r->size > h->size - FRAME_HEADER_SIZE ||
            h->size - (size_t) (h->end - h->start) < r->size + FRAME_HEADER_SIZE)
                return;
        n = output_ring_span(h, h->end + FRAME_HEADER_SIZE, r->size, iov);
        if (stream_map_was_read(s->map, iov, n, waiting_in(o->fd)))
                output_ring_commit(h, o->type, r->size);
}

static bool is_frame_boundary(const OutputRing *h, uint64_t position)
{
        uint64_t at = h->start;

        while (at < position && at < h->end) {
                FrameType type;
                uint32_t size = 0;

                output_ring_frame_at(h, at, &type, &size);
                at += FRAME_HEADER_SIZE + size;
        }
        return at == position;
}

/* Counts what was sent after the state had been written. */
static bool count_sent(Stream *s, ClientState *t)
{
        uint64_t sent = t->message.msg_len;

        switch (t->send) {
        case SEND_NOTHING:
                return true;
        case SEND_RING:
                if (sent > t->frame_left)
                        return false;
                t->position += sent;
                t->frame_left -= sent;
                return true;
        case SEND_BULK_HEADER:
                if (sent > t->bulk_header_left)
                        return false;
                t->bulk_header_left -= (uint32_t) sent;
                return true;
        case SEND_BULK:
                if (t->staged < s->staged || t->staged - s->staged > t->bulk_left)
                        return false;
                t->bulk_left -= t->staged - s->staged;
                return true;
        default:
                return false;
        }
}

/* The tail of a bulk transfer is read into the ring, which was empty before. */
static void count_tail(const Stream *s, ClientState *t)
{
        const OutputRing *h = &s->output_ring;

        if (t->bulk_tail == 0 || t->bulk_left > 0 || t->bulk_header_left > 0 ||
            h->end - h->start != FRAME_HEADER_SIZE + (uint64_t) t->bulk_tail || t->position != h->start)
                return;
        t->position += FRAME_HEADER_SIZE;
        t->frame_left = t->bulk_tail;
        t->bulk_tail = 0;
}

static bool is_sound(const Stream *s, const ClientState *t)
{
        const OutputRing *h = &s->output_ring;
        bool verbatim =
                (t->flags & (CLIENT_RAW | CLIENT_STDOUT | CLIENT_STDERR)) == (CLIENT_STDOUT | CLIENT_STDERR);

        /* A frame is dropped as a whole, although a client may still be within it: what it has not read is
         * there. */
        if (t->position > h->end || h->end - t->position > h->size || t->frame_left > h->end - t->position ||
            t->bulk_tail > OUTPUT_RING_REPLAY || t->bulk_left > INT32_MAX ||
            t->bulk_header_left > FRAME_HEADER_SIZE || t->early > sizeof(s->map->early))
                return false;
        return verbatim || is_frame_boundary(h, t->position + t->frame_left);
}

/* The data that a writer has sent and the command has not received. */
static void take_input(Stream *s, const ClientState *t, StreamClient *c)
{
        const StreamMap *m = s->map;
        size_t raw = m->receive.msg_len;

        buf_append(&c->input, m->early, t->early);
        if (m->received != m->input[m->input_current & 1].taken && raw <= sizeof(m->raw))
                buf_append(&c->input, m->raw, raw);
}

/* The fd is taken. */
static int restore_client(Stream *s, const ClientState *t, unsigned index, int fd, Slot *slot)
{
        StreamClient *c = calloc(1, sizeof(StreamClient));
        bool writer = (t->flags & CLIENT_WRITER) && !s->input.writer;

        if (!c) {
                fd_close(fd);
                slot_release(slot);
                return -ENOMEM;
        }
        *c = (StreamClient){
                .stream = s,
                .fd = fd,
                .uid = (uid_t) -1,
                .slot = slot,
                .index = index,
                .position = t->position,
                .frame_left = t->frame_left,
                .bulk_left = t->bulk_left,
                .bulk_tail = t->bulk_tail,
                .bulk_header_left = t->bulk_header_left,
                .raw = t->flags & CLIENT_RAW,
                .want_stdout = t->flags & CLIENT_STDOUT,
                .want_stderr = t->flags & CLIENT_STDERR,
                .primary = t->flags & CLIENT_PRIMARY,
                .gated = t->flags & CLIENT_GATED,
                .input_eof = t->flags & CLIENT_INPUT_EOF,
                .ended = t->flags & CLIENT_ENDED,
                .shut = t->flags & CLIENT_SHUT,
                /* Part of its input is missing: it must not go on as if it were not. */
                .output_dead = t->flags & (CLIENT_OUTPUT_DEAD | CLIENT_INPUT_LOST),
        };
        if ((t->flags & CLIENT_INPUT_LOST) && c->primary)
                s->map->cut = 1;
        memcpy(c->bulk_header, t->bulk_header, sizeof(c->bulk_header));
        if (stream_client_in_bulk(c)) {
                c->bulk_output = find_output(s, t->bulk_type);
                /* An announced frame cannot be completed. */
                if (!c->bulk_output || s->stage[0] < 0) {
                        c->output_dead = true;
                        s->map->cut = 1;
                }
        }
        if (writer)
                take_input(s, t, c);
        return stream_client_join(s, c, writer);
}

static int restore_clients(Stream *s, StreamFound *f)
{
        for (unsigned i = 0; i < MIN(f->n_clients, (size_t) STREAM_MAP_CLIENTS); i++) {
                ClientMap *m = &s->map->clients[i];
                ClientState t = m->states[m->current & 1];
                int r;

                if (!m->used)
                        continue;
                if (f->clients[i] < 0) {
                        if (t.flags & CLIENT_PRIMARY)
                                s->map->cut = 1;
                        m->used = 0;
                        continue;
                }
                if (!count_sent(s, &t))
                        return -EBADMSG;
                count_tail(s, &t);
                if (!is_sound(s, &t))
                        return -EBADMSG;
                r = restore_client(s, &t, i, TAKE_FD(f->clients[i]), TAKE_PTR(f->client_slots[i]));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int restore_input(Stream *s)
{
        StreamInput *in = &s->input;
        uint64_t current = s->map->input_current & 1;
        InputState t = s->map->input[current];

        if (t.pending > STREAM_MAP_PENDING || t.matched >= DETACH_KEYS_MAX)
                return -EBADMSG;
        in->received = t.taken;
        if (in->fd >= 0) {
                buf_append(&in->pending, s->map->pending[current], t.pending);
                in->at_end = t.flags & (INPUT_AT_END | INPUT_LOST);
        }
        if (t.flags & INPUT_SET)
                in->was_set = true;
        if (s->tty && t.matched < in->keys.n_keys)
                in->scanner.matched = t.matched;
        return buf_error(&in->pending);
}

static int restore(Stream *s, StreamFound *f)
{
        int r;

        if (f->map < 0)
                return -EBADMSG;
        r = stream_map_open(f->map, &s->map);
        if (r < 0)
                return r;
        s->map_fd = TAKE_FD(f->map);
        r = output_ring_resume(&s->output_ring, &s->map->output_ring, s->map->ring,
                               (size_t) s->map->ring_size);
        if (r < 0)
                return r;
        s->stage[0] = TAKE_FD(f->stage[0]);
        s->stage[1] = TAKE_FD(f->stage[1]);
        s->stage_slot = TAKE_PTR(f->stage_slot);
        s->staged = waiting_in(s->stage[0]);
        finish_read(s);
        r = restore_input(s);
        if (r >= 0)
                r = restore_clients(s, f);
        if (r < 0)
                return r;
        /* From now on, the writer has the input that was received; if there is none, it is lost. */
        s->input.received = s->map->received;
        if (s->staged > 0 && !LIST_FIND(StreamClient, c, &s->clients, node, stream_client_in_bulk(c)))
                stream_empty_stage(s, FRAME_STDOUT);
        stream_input_publish(s);
        LIST_FOREACH (StreamClient, entry, &s->clients, node)
                stream_client_publish(entry);
        stream_output_tell(s);
        return 0;
}

bool stream_was_cut(const Stream *s)
{
        return s->map && s->map->cut;
}

int stream_restore(Stream *s, StreamFound *f)
{
        int r = restore(s, f);

        s->input.slot = TAKE_PTR(f->stdin_slot);
        if (r >= 0)
                return 0;
        LIST_FOREACH (StreamClient, entry, &s->clients, node)
                stream_client_free(entry);
        output_ring_done(&s->output_ring);
        s->output_ring.dropped = true;
        stream_drop_stage(s);
        stream_drop_map(s);
        buf_done(&s->input.pending);
        s->input.at_end = true;
        return r;
}

void stream_keep(Stream *s, SlotPool *pool, const char *id)
{
        s->pool = pool;
        s->id = id;
        if (s->map_fd < 0)
                return;
        if (!s->tty && s->input.fd >= 0 && !s->input.slot)
                s->input.slot = keep_put(pool, id, &(KeepFd){KEEP_STDIN, s->input.fd}, 1, NULL);
        stream_log_keep(s);
        LIST_FOREACH (StreamClient, entry, &s->clients, node)
                stream_keep_client(entry);
}

void stream_leave(Stream *s, bool with_clients)
{
        LIST_FOREACH (StreamClient, c, &s->clients, node) {
                if (with_clients) {
                        c->slot = slot_leave(c->slot);
                        c->index = STREAM_MAP_CLIENTS;
                        c->bulk_output = NULL;
                } else
                        stream_client_free(c);
        }
        if (s->map && !with_clients)
                s->map->cut = 1;
        s->input.slot = slot_leave(s->input.slot);
        s->log.slot = slot_leave(s->log.slot);
        s->stage_slot = slot_leave(s->stage_slot);
        if (s->output_ring.shared)
                output_ring_done(&s->output_ring);
        stream_drop_map(s);
}
