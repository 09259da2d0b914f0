/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the writing client to the command's stdin or pty. */

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "core/stream-internal.h"

#define INPUT_SPLICE_MAX (1024 * 1024)
#define INPUT_CHUNK      4096

void stream_input_close(Stream *s)
{
        s->input.source = sd_event_source_disable_unref(s->input.source);
        s->input.fd = fd_close(s->input.fd);
        s->input.slot = slot_release(s->input.slot);
        buf_done(&s->input.pending);
        stream_input_publish(s);
}

/* True while something can be expected from this client and there is a place for it. */
bool stream_client_reads(const StreamClient *c)
{
        const Stream *s = c->stream;

        if (c->input_eof)
                return false;
        if (s->input.writer != c || c->ended || s->finished)
                return true; /* thrown away */
        if (s->input.fd < 0)
                return s->input.was_set; /* not before the command is there; later it is unused */
        return !s->input.blocked && buf_length(&s->input.pending) == 0;
}

uint32_t stream_input_wants(const Stream *s)
{
        const StreamInput *in = &s->input;

        if (in->fd < 0)
                return 0;
        return in->blocked || buf_length(&in->pending) > 0 ? EPOLLOUT : 0;
}

static bool client_hung_up(const StreamClient *c)
{
        struct pollfd p = {.fd = c->fd};

        return c->output_dead || (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP));
}

/* The writer has sent its last byte, or is gone. */
static void input_end(Stream *s)
{
        StreamClient *writer = s->input.writer;

        s->input.writer = NULL;
        if (!s->tty) {
                s->input.at_end = true;
                stream_input_publish(s);
                return;
        }
        if (!writer)
                return;
        /* On a tty the end of the input ends the client's stream, as with Docker: the command keeps its
         * terminal and is not hung up. A client that has closed altogether is gone, which is another matter.
         */
        if (client_hung_up(writer))
                writer->output_dead = true;
        else
                writer->ended = true;
}

/* Puts bytes to the command or, when it does not take all, aside. */
static void input_put(Stream *s, const void *data, size_t size)
{
        ssize_t n = 0;

        if (s->input.fd < 0 || size == 0) {
                stream_input_publish(s);
                return;
        }
        if (buf_length(&s->input.pending) == 0) {
                stream_input_announce(s);
                n = write(s->input.fd, data, size);
                if (n < 0 && errno != EAGAIN && errno != EINTR) {
                        stream_input_close(s);
                        return;
                }
                n = MAX(n, 0);
        }
        if ((size_t) n < size) {
                buf_append(&s->input.pending, (const char *) data + n, size - (size_t) n);
                s->input.blocked = true;
                stream_input_publish(s);
        }
}

/* Bytes of a client for a tty pass the scanner for the detach keys. */
static void input_scan(Stream *s, const void *data, size_t size)
{
        uint8_t out[INPUT_CHUNK + DETACH_KEYS_MAX];
        const uint8_t *in = data;

        while (size > 0) {
                size_t piece = MIN(size, (size_t) INPUT_CHUNK), n_out = 0;
                bool detached = false;

                detach_scanner_feed(&s->input.scanner, in, piece, out, &n_out, &detached);
                input_put(s, out, n_out);
                if (detached) {
                        StreamClient *writer = s->input.writer;

                        s->input.scanner.matched = 0;
                        s->input.writer = NULL;
                        if (writer)
                                writer->ended = true;
                        if (s->events.on_detached)
                                s->events.on_detached(s->userdata);
                        return;
                }
                in += piece;
                size -= piece;
        }
}

static void input_accept(Stream *s, const void *data, size_t size)
{
        if (s->tty)
                input_scan(s, data, size);
        else
                input_put(s, data, size);
}

/* Reads from a client whose bytes are not wanted, to notice its end. */
static bool client_discard(StreamClient *c)
{
        static uint8_t waste[64 * 1024];
        ssize_t n;

        if (c->dry)
                return false;
        n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);
        c->dry = n < (ssize_t) sizeof(waste);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0)
                c->input_eof = true;
        return true;
}

static bool input_read_copy(Stream *s, StreamClient *c)
{
        uint8_t *chunk;
        ssize_t n = stream_input_receive(s, c, &chunk);

        c->dry = n < STREAM_MAP_RAW;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0) {
                c->input_eof = true;
                input_end(s);
                return true;
        }
        input_accept(s, chunk, (size_t) n);
        return true;
}

static bool has_room(int pipe_fd)
{
        struct pollfd p = {.fd = pipe_fd, .events = POLLOUT};

        return poll(&p, 1, 0) > 0;
}

/* Socket to pipe without touching the bytes. */
static bool input_read_splice(Stream *s, StreamClient *c)
{
        ssize_t n;

        n = splice(c->fd, NULL, s->input.fd, NULL, INPUT_SPLICE_MAX, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n > 0)
                return true;
        if (n == 0) {
                c->input_eof = true;
                input_end(s);
                return true;
        }
        switch (errno) {
        case EAGAIN:
                /* Either side may be meant. FIONREAD of the client counts urgent bytes, which are not read. */
                if (has_room(s->input.fd))
                        c->dry = true;
                else
                        s->input.blocked = true;
                return false;
        case EINTR:
                return false;
        case EINVAL:
                /* The stdin was passed by a caller and is not a pipe. */
                return input_read_copy(s, c);
        default:
                /* The command has closed its stdin: the rest is thrown away. */
                stream_input_close(s);
                return true;
        }
}

static bool input_flush(Stream *s)
{
        StreamInput *in = &s->input;
        ssize_t n;

        if (in->fd < 0 || in->blocked || buf_length(&in->pending) == 0)
                return false;
        stream_input_announce(s);
        n = write(in->fd, buf_head(&in->pending), buf_length(&in->pending));
        if (n < 0) {
                stream_input_publish(s);
                if (errno == EAGAIN || errno == EINTR)
                        in->blocked = true;
                else
                        stream_input_close(s);
                return false;
        }
        buf_consume(&in->pending, (size_t) n);
        stream_input_publish(s);
        return true;
}

static bool input_from_writer(Stream *s)
{
        StreamClient *c = s->input.writer;

        if (!c || !stream_client_reads(c))
                return false;
        if (buf_length(&c->input) > 0) {
                _cleanup_buf_ Buf early = c->input;

                c->input = BUF_INIT;
                stream_client_publish(c);
                input_accept(s, buf_head(&early), buf_length(&early));
                return true;
        }
        if (s->input.fd < 0)
                return client_discard(c);
        if (c->dry)
                return false;
        return s->tty ? input_read_copy(s, c) : input_read_splice(s, c);
}

bool stream_input_pump(Stream *s)
{
        bool moved = input_flush(s);

        moved = input_from_writer(s) || moved;
        LIST_FOREACH (StreamClient, c, &s->clients, node) {
                if (c != s->input.writer && stream_client_reads(c))
                        moved = client_discard(c) || moved;
                /* A dead client that owes no more input can go. */
                if (c->output_dead &&
                    (c != s->input.writer || c->input_eof || (s->input.fd < 0 && s->input.was_set))) {
                        if (s->input.writer == c)
                                input_end(s);
                        c->gone = true;
                }
        }
        if (s->input.at_end && buf_length(&s->input.pending) == 0 && s->input.fd >= 0 && !s->tty)
                stream_input_close(s);
        return moved;
}
