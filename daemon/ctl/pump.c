/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * Whether a write may block is a property of the open file, which we share with others (the shell before us,
 * say). So a pipe or a terminal is opened anew; a socket is asked with each call. Regular files do not
 * block.
 */
void sink_open(Sink *s, int fd)
{
        char path[32];
        struct stat st;
        int own;

        *s = (Sink){.fd = fd};
        if (fstat(fd, &st) < 0)
                return;
        s->is_socket = S_ISSOCK(st.st_mode);
        if (!S_ISFIFO(st.st_mode) && !isatty(fd))
                return;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (own < 0)
                return; /* of another user: then a write may block */
        s->fd = own;
        s->owned = true;
}

void sink_done(Sink *s)
{
        if (s->owned)
                s->fd = fd_close(s->fd);
        s->owned = false;
}

static ssize_t sink_write(Sink *s, const void *data, size_t size)
{
        ssize_t n;

        n = s->is_socket ? send(s->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) : write(s->fd, data, size);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
                s->broken = true;
                return -1;
        }
        return MAX(n, 0);
}

/* Takes bytes of headers off the front of the buffer until there is something for a sink. */
static void pump_find_frame(Pump *p)
{
        while (p->framed && p->frame_left == 0 && p->size > 0) {
                size_t n = MIN(p->size, FRAME_HEADER_SIZE - p->header_size);
                FrameType type;

                memcpy(p->header + p->header_size, p->buffer + p->start, n);
                p->header_size += n;
                p->start += n;
                p->size -= n;
                if (p->header_size < FRAME_HEADER_SIZE)
                        return;
                p->header_size = 0;
                if (frame_header_read(p->header, &type, &p->frame_left) < 0) {
                        p->failed = p->at_end = true;
                        p->size = 0;
                        return;
                }
                p->target = p->out[type == FRAME_STDERR];
        }
        if (!p->framed)
                p->target = p->out[0];
}

static size_t pump_chunk(const Pump *p)
{
        return p->framed ? MIN(p->size, (size_t) p->frame_left) : p->size;
}

static void pump_flush(Pump *p)
{
        for (;;) {
                size_t chunk;
                ssize_t n;

                pump_find_frame(p);
                chunk = pump_chunk(p);
                if (chunk == 0)
                        break;
                n = sink_write(p->target, p->buffer + p->start, chunk);
                if (n < 0) {
                        p->at_end = p->done = true;
                        return;
                }
                if (n > 0)
                        p->last = p->buffer[p->start + (size_t) n - 1];
                p->start += (size_t) n;
                p->size -= (size_t) n;
                p->frame_left -= p->framed ? (uint32_t) n : 0;
                if ((size_t) n < chunk)
                        return;
        }
        p->start = 0;
}

void pump_finish(Pump *p)
{
        Sink *s = p->out[0];

        switch (p->end) {
        case PUMP_END_CTRL_D:
                /* Behind an unfinished line the first one only sends off the line. */
                if (p->last && p->last != '\n' && p->last != '\r') {
                        if (sink_write(s, "\x04", 1) == 0)
                                return; /* no room at the moment */
                        p->last = '\n';
                }
                if (sink_write(s, "\x04", 1) == 0)
                        return;
                break;
        case PUMP_END_CLOSE:
                sink_done(s);
                break;
        case PUMP_END_SHUTDOWN:
                (void) shutdown(s->fd, SHUT_WR);
                break;
        case PUMP_END_NOTHING:
                break;
        }
        p->done = true;
}

bool pump_wants(Pump *p, struct pollfd *ret)
{
        if (p->in < 0 || p->done)
                return false;
        if (p->size > 0 || p->at_end)
                *ret = (struct pollfd){.fd = (p->target ?: p->out[0])->fd, .events = POLLOUT};
        else
                *ret = (struct pollfd){.fd = p->in, .events = POLLIN};
        return true;
}

void pump_turn(Pump *p, short revents)
{
        if (revents == 0)
                return;
        if (p->size == 0 && !p->at_end) {
                ssize_t n = read(p->in, p->buffer, sizeof(p->buffer));

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                /* A terminal whose other end has gone, or a peer that closed without reading: an end. */
                p->failed = n < 0 && errno != EIO && errno != ECONNRESET;
                p->at_end = n <= 0;
                p->start = 0;
                p->size = (size_t) MAX(n, 0);
        }
        pump_flush(p);
        if (p->at_end && p->size == 0 && !p->done)
                pump_finish(p);
}
