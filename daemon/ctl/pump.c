/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

static bool is_null_device(const struct stat *st)
{
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/*
 * Whether a write may block is a property of the open file, which we share with others (the shell before us,
 * say). So a pipe or a terminal is opened anew; a socket is asked with each call, and so is a pipe by
 * splice(2). Regular files do not block.
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
        s->tells_end = S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode);
        s->can_splice = S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || is_null_device(&st);
        if (!S_ISFIFO(st.st_mode) && !isatty(fd))
                return;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (own < 0)
                return; /* of another user: then a write may block */
        s->fd = own;
        s->owned = true;
}

void sink_take(Sink *s, int fd)
{
        *s = (Sink){.fd = fd, .owned = true, .tells_end = true};
}

void sink_done(Sink *s)
{
        if (s->owned)
                s->fd = fd_close(s->fd);
        s->owned = false;
}

static void sink_break(Sink *s, int error, bool lost)
{
        s->broken = true;
        s->lost = s->lost || lost;
        s->error = error == EPIPE || error == ECONNRESET ? 0 : error;
}

static ssize_t sink_write(Sink *s, const void *data, size_t size)
{
        ssize_t n;

        n = s->is_socket ? send(s->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) : write(s->fd, data, size);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
                sink_break(s, errno, true);
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
                        p->bad = p->at_end = true;
                        p->size = 0;
                        return;
                }
                p->target = p->out[type == FRAME_STDERR];
        }
        if (!p->framed)
                p->target = p->out[0];
}

static void pump_paid(Pump *p, size_t n)
{
        p->owed -= MIN(p->owed, (uint64_t) n);
}

static void pump_flush(Pump *p)
{
        p->held = false;
        for (;;) {
                size_t chunk;
                ssize_t n;

                pump_find_frame(p);
                chunk = p->framed ? MIN(p->size, (size_t) p->frame_left) : p->size;
                if (chunk == 0)
                        break;
                n = sink_write(p->target, p->buffer + p->start, chunk);
                if (n < 0) {
                        pump_close(p);
                        return;
                }
                if (n > 0)
                        p->last = p->buffer[p->start + (size_t) n - 1];
                p->start += (size_t) n;
                p->size -= (size_t) n;
                p->frame_left -= p->framed ? (uint32_t) n : 0;
                pump_paid(p, (size_t) n);
                if ((size_t) n < chunk) {
                        p->held = true;
                        return;
                }
        }
        p->start = 0;
}

void pump_close(Pump *p)
{
        if (p->owned)
                p->in = fd_close(p->in);
        p->owned = false;
        p->at_end = p->done = true;
        p->held = false;
        p->size = 0;
        p->owed = 0;
}

void pump_finish(Pump *p)
{
        Sink *s = p->out[0];

        switch (p->end) {
        case PUMP_END_CTRL_D:
                /* After an unfinished line, the first one only ends the line. */
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
        pump_close(p);
}

uint64_t pump_available(const Pump *p)
{
        int n = 0;

        if (p->in >= 0 && !p->at_end && ioctl(p->in, FIONREAD, &n) < 0)
                n = 0;
        return p->size + (uint64_t) MAX(n, 0);
}

size_t pump_wants(Pump *p, struct pollfd ret[static 2])
{
        const Sink *s = p->target ?: p->out[0];

        if (p->in < 0 || p->done)
                return 0;
        if (p->held || p->size > 0 || p->at_end) {
                ret[0] = (struct pollfd){.fd = s->fd, .events = POLLOUT};
                return 1;
        }
        ret[0] = (struct pollfd){.fd = p->in, .events = POLLIN};
        if (!s->tells_end || p->framed)
                return 1;
        ret[1] = (struct pollfd){.fd = s->fd};
        return 2;
}

static void pump_read(Pump *p)
{
        ssize_t n = read(p->in, p->buffer, sizeof(p->buffer));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        /* A terminal whose other end has gone, or a peer that closed without reading: an end. */
        if (n < 0 && errno != ECONNRESET && !(errno == EIO && isatty(p->in)))
                p->error = errno;
        p->at_end = n <= 0;
        p->start = 0;
        p->size = (size_t) MAX(n, 0);
}

static bool has_input(const Pump *p)
{
        struct pollfd in = {.fd = p->in, .events = POLLIN};

        return poll(&in, 1, 0) > 0;
}

/* False where bytes have to be copied. */
static bool pump_splice(Pump *p)
{
        Sink *s = p->out[0];
        ssize_t n;

        if (!p->may_splice || !s->can_splice || p->size > 0 || p->at_end)
                return false;
        n = splice(p->in, NULL, s->fd, NULL, PUMP_PIPE_SIZE, SPLICE_F_NONBLOCK);
        p->held = false;
        if (n > 0)
                pump_paid(p, (size_t) n);
        else if (n == 0)
                p->at_end = true;
        else if (errno == EAGAIN)
                p->held = has_input(p); /* bytes or the end, and no room for them */
        else if (errno == EINVAL || errno == ENOSYS) {
                /* As for a file that is open for appending. */
                s->can_splice = false;
                return false;
        } else if (errno != EINTR) {
                sink_break(s, errno, true);
                pump_close(p);
        }
        return true;
}

/* The reader of the output has exited: the command has to notice with its next write, and not with the one
 * after.
 */
static bool reader_has_left(const Pump *p, const struct pollfd *fds, size_t n)
{
        const Sink *s = p->target ?: p->out[0];

        for (size_t i = 0; i < n; i++)
                if (fds[i].fd == s->fd && s->tells_end && fds[i].revents & (POLLERR | POLLHUP))
                        return true;
        return false;
}

void pump_turn(Pump *p, const struct pollfd *fds, size_t n)
{
        Sink *s = p->target ?: p->out[0];

        if (reader_has_left(p, fds, n)) {
                sink_break(s, 0, pump_available(p) > 0);
                pump_close(p);
                return;
        }
        if (n == 0 || fds[0].revents == 0)
                return;
        if (!pump_splice(p)) {
                if (p->size == 0 && !p->at_end)
                        pump_read(p);
                pump_flush(p);
        }
        if (p->at_end && p->size == 0 && !p->done)
                pump_finish(p);
}
