/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/stream-snapshot.h"

#include <string.h>

#include "base/fd.h"
#include "core/stream-internal.h"

/* Another layout is another magic. */
#define SNAPSHOT_MAGIC "execd s1"

enum {
        SNAPSHOT_DROPPED = 1 << 0,
        SNAPSHOT_INPUT_SET = 1 << 1,
        SNAPSHOT_INPUT_AT_END = 1 << 2,
};

/* Then the frames of the history, the pending input, and the clients. */
typedef struct SnapshotHead {
        char magic[8];
        uint64_t start, end; /* of the history */
        uint32_t pending;    /* bytes of input */
        uint32_t matched;    /* of the detach keys */
        uint32_t n_clients;
        uint32_t writer; /* which of the clients; n_clients: none */
        uint32_t flags;
        uint32_t zero;
} SnapshotHead;

enum {
        CLIENT_RAW = 1 << 0,
        CLIENT_STDOUT = 1 << 1,
        CLIENT_STDERR = 1 << 2,
        CLIENT_PRIMARY = 1 << 3,
        CLIENT_GATED = 1 << 4,
        CLIENT_INPUT_EOF = 1 << 5,
        CLIENT_OUTPUT_DEAD = 1 << 6,
        CLIENT_ENDED = 1 << 7,
        CLIENT_SHUT = 1 << 8,
};

/* Then what came with its request. */
typedef struct SnapshotClient {
        uint64_t position, frame_left, bulk_left;
        uint32_t bulk_tail;
        uint32_t input; /* bytes */
        uint32_t flags;
        uint16_t bulk_type;
        uint16_t bulk_header_left;
        uint8_t bulk_header[FRAME_HEADER_SIZE];
} SnapshotClient;

bool stream_snapshot_is_wanted(const Stream *s)
{
        return s->n_clients > 0 || s->history.end > s->history.start;
}

static void write_history(const History *h, Buf *b)
{
        struct iovec iov[2];
        int n;

        if (h->end == h->start)
                return;
        n = history_span(h, h->start, (size_t) (h->end - h->start), iov);
        for (int i = 0; i < n; i++)
                buf_append(b, iov[i].iov_base, iov[i].iov_len);
}

static uint32_t flags_of(const StreamClient *c)
{
        return (c->raw ? CLIENT_RAW : 0) | (c->want_stdout ? CLIENT_STDOUT : 0) |
               (c->want_stderr ? CLIENT_STDERR : 0) | (c->primary ? CLIENT_PRIMARY : 0) |
               (c->gated ? CLIENT_GATED : 0) | (c->input_eof ? CLIENT_INPUT_EOF : 0) |
               (c->output_dead ? CLIENT_OUTPUT_DEAD : 0) | (c->ended ? CLIENT_ENDED : 0) |
               (c->shut ? CLIENT_SHUT : 0);
}

static void write_client(const StreamClient *c, Buf *b)
{
        SnapshotClient record = {
                .position = c->position,
                .frame_left = c->frame_left,
                .bulk_left = c->bulk_left,
                .bulk_tail = c->bulk_tail,
                .input = (uint32_t) buf_length(&c->input),
                .flags = flags_of(c),
                .bulk_type = c->bulk_output ? c->bulk_output->type : 0,
                .bulk_header_left = (uint16_t) c->bulk_header_left,
        };

        memcpy(record.bulk_header, c->bulk_header, sizeof(record.bulk_header));
        buf_append(b, &record, sizeof(record));
        if (record.input > 0)
                buf_append(b, buf_head(&c->input), record.input);
}

int stream_snapshot_write(const Stream *s, Buf *b, int ret_fds[static STREAM_SNAPSHOT_CLIENTS_MAX],
                          size_t *ret_n_fds)
{
        SnapshotHead head = {
                .start = s->history.start,
                .end = s->history.end,
                .pending = (uint32_t) buf_length(&s->input.pending),
                .matched = (uint32_t) s->input.scanner.matched,
                .n_clients = (uint32_t) MIN(s->n_clients, (size_t) STREAM_SNAPSHOT_CLIENTS_MAX),
                .flags = (s->history.dropped ? SNAPSHOT_DROPPED : 0) |
                         (s->input.was_set ? SNAPSHOT_INPUT_SET : 0) |
                         (s->input.at_end ? SNAPSHOT_INPUT_AT_END : 0),
        };
        size_t n = 0;

        memcpy(head.magic, SNAPSHOT_MAGIC, sizeof(head.magic));
        head.writer = head.n_clients;
        LIST_FOREACH_SAFE (node, &s->clients) {
                const StreamClient *c = LIST_ENTRY(node, StreamClient, node);

                if (n >= head.n_clients)
                        break;
                if (s->input.writer == c)
                        head.writer = (uint32_t) n;
                ret_fds[n++] = c->fd;
        }
        *ret_n_fds = n;

        buf_append(b, &head, sizeof(head));
        write_history(&s->history, b);
        if (head.pending > 0)
                buf_append(b, buf_head(&s->input.pending), head.pending);
        n = 0;
        LIST_FOREACH_SAFE (node, &s->clients)
                if (n++ < head.n_clients)
                        write_client(LIST_ENTRY(node, StreamClient, node), b);
        return buf_error(b);
}

typedef struct Reader {
        const uint8_t *at;
        size_t left;
} Reader;

/* The next bytes in place, or NULL when there are fewer. */
static const uint8_t *take(Reader *r, size_t size)
{
        const uint8_t *at = r->at;

        if (size > r->left)
                return NULL;
        r->at += size;
        r->left -= size;
        return at;
}

static int read_history(History *h, const SnapshotHead *head, Reader *r)
{
        Reader frames = {.left = (size_t) (head->end - head->start)};

        frames.at = take(r, frames.left);
        if (!frames.at)
                return -EBADMSG;
        h->start = h->end = head->start;
        h->limit = MAX(MAX(h->limit, (size_t) HISTORY_SIZE), frames.left);
        while (frames.left > 0) {
                const uint8_t *header = take(&frames, FRAME_HEADER_SIZE), *data;
                FrameType type;
                uint32_t size;
                int k;

                if (!header || frame_header_read(header, &type, &size) < 0)
                        return -EBADMSG;
                data = take(&frames, size);
                if (!data)
                        return -EBADMSG;
                k = history_append(h, type, data, size);
                if (k < 0)
                        return k;
        }
        h->dropped = head->flags & SNAPSHOT_DROPPED;
        return 0;
}

static bool is_frame_boundary(const History *h, uint64_t position)
{
        uint64_t at = h->start;

        while (at < position && at < h->end) {
                FrameType type;
                uint32_t size = 0;

                history_frame_at(h, at, &type, &size);
                at += FRAME_HEADER_SIZE + size;
        }
        return at == position;
}

static bool client_is_sound(const Stream *s, const SnapshotClient *record)
{
        const History *h = &s->history;
        bool verbatim = (record->flags & (CLIENT_RAW | CLIENT_STDOUT | CLIENT_STDERR)) ==
                        (CLIENT_STDOUT | CLIENT_STDERR);

        if (record->position < h->start || record->position > h->end ||
            record->frame_left > h->end - record->position || record->bulk_tail > HISTORY_REPLAY ||
            record->bulk_left > INT32_MAX || record->bulk_header_left > FRAME_HEADER_SIZE)
                return false;
        return verbatim || is_frame_boundary(h, record->position + record->frame_left);
}

static StreamOutput *find_output(Stream *s, uint16_t type)
{
        for (size_t i = 0; i < s->n_outputs; i++)
                if (s->outputs[i].type == (FrameType) type && s->outputs[i].fd >= 0)
                        return &s->outputs[i];
        return NULL;
}

static int restore_client(Stream *s, const SnapshotClient *record, const uint8_t *input, int fd, bool writer)
{
        StreamClient *c = calloc(1, sizeof(StreamClient));
        uint32_t flags = record->flags;

        if (!c) {
                fd_close(fd);
                return -ENOMEM;
        }
        *c = (StreamClient){
                .stream = s,
                .fd = fd,
                .position = record->position,
                .frame_left = record->frame_left,
                .bulk_left = record->bulk_left,
                .bulk_tail = record->bulk_tail,
                .bulk_header_left = record->bulk_header_left,
                .raw = flags & CLIENT_RAW,
                .want_stdout = flags & CLIENT_STDOUT,
                .want_stderr = flags & CLIENT_STDERR,
                .primary = flags & CLIENT_PRIMARY,
                .gated = flags & CLIENT_GATED,
                .input_eof = flags & CLIENT_INPUT_EOF,
                .output_dead = flags & CLIENT_OUTPUT_DEAD,
                .ended = flags & CLIENT_ENDED,
                .shut = flags & CLIENT_SHUT,
        };
        memcpy(c->bulk_header, record->bulk_header, sizeof(c->bulk_header));
        if (stream_client_in_bulk(c)) {
                c->bulk_output = find_output(s, record->bulk_type);
                /* An announced frame cannot be completed. */
                if (!c->bulk_output)
                        c->output_dead = true;
        }
        buf_append(&c->input, input, record->input);
        return stream_client_join(s, c, writer);
}

static int read_clients(Stream *s, const SnapshotHead *head, Reader *r, int *fds, size_t n_fds)
{
        for (uint32_t i = 0; i < head->n_clients; i++) {
                const uint8_t *bytes = take(r, sizeof(SnapshotClient)), *input;
                SnapshotClient record;
                int k;

                if (!bytes)
                        return -EBADMSG;
                memcpy(&record, bytes, sizeof(record));
                input = take(r, record.input);
                if (!input || !client_is_sound(s, &record))
                        return -EBADMSG;
                if (i >= n_fds || fds[i] < 0)
                        continue;
                k = restore_client(s, &record, input, TAKE_FD(fds[i]), i == head->writer);
                if (k < 0)
                        return k;
        }
        return r->left == 0 ? 0 : -EBADMSG;
}

static int read_all(Stream *s, Reader *r, int *fds, size_t n_fds)
{
        const uint8_t *bytes = take(r, sizeof(SnapshotHead));
        SnapshotHead head;
        int k;

        if (!bytes)
                return -EBADMSG;
        memcpy(&head, bytes, sizeof(head));
        if (memcmp(head.magic, SNAPSHOT_MAGIC, sizeof(head.magic)) != 0 || head.end < head.start ||
            head.end > INT64_MAX || head.n_clients > STREAM_SNAPSHOT_CLIENTS_MAX ||
            head.matched >= DETACH_KEYS_MAX)
                return -EBADMSG;
        k = read_history(&s->history, &head, r);
        if (k < 0)
                return k;
        bytes = take(r, head.pending);
        if (!bytes)
                return -EBADMSG;
        if (s->input.fd >= 0) {
                buf_append(&s->input.pending, bytes, head.pending);
                s->input.at_end = head.flags & SNAPSHOT_INPUT_AT_END;
        }
        if (head.flags & SNAPSHOT_INPUT_SET)
                s->input.was_set = true;
        if (s->tty && head.matched < s->input.keys.n_keys)
                s->input.scanner.matched = head.matched;
        return read_clients(s, &head, r, fds, n_fds);
}

int stream_snapshot_read(Stream *s, const void *data, size_t size, int *fds, size_t n_fds)
{
        Reader r = {.at = data, .left = size};
        int k = read_all(s, &r, fds, n_fds);

        if (k >= 0)
                k = buf_error(&s->input.pending);
        if (k < 0) {
                LIST_FOREACH_SAFE (n, &s->clients)
                        stream_client_free(LIST_ENTRY(n, StreamClient, node));
                history_clear(&s->history);
                buf_done(&s->input.pending);
                s->input.at_end = true;
        }
        return k;
}
