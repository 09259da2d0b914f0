/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log of a stream: a packet pipe that the monitor of the exec reads and sends to the journal. The output
 * of the command is read only if the pipe has room, so that a slow journal delays this command and no other.
 * Each packet is written with one call, so that none is ever truncated.
 */

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "core/stream-internal.h"
#include "wire/runner-spec.h"

_Static_assert(RUNNER_LOG_STDERR == FRAME_STDERR, "the runner is built without frame.h");
_Static_assert(STREAM_LOG_CHUNK + 1 <= PIPE_BUF, "a packet must be written at once");

void stream_log_close(Stream *s)
{
        s->log.source = sd_event_source_disable_unref(s->log.source);
        s->log.slot = slot_release(s->log.slot);
        s->log.fd = fd_close(s->log.fd);
        s->log.full = false;
}

void stream_log_keep(Stream *s)
{
        if (s->log.fd >= 0 && !s->log.slot)
                s->log.slot = keep_put(s->pool, s->id, &(KeepFd){KEEP_LOG, s->log.fd}, 1, NULL);
}

bool stream_log_has_room(Stream *s)
{
        struct pollfd p = {.fd = s->log.fd, .events = POLLOUT};

        if (s->log.fd < 0)
                return true;
        s->log.full = poll(&p, 1, 0) == 0;
        /* Its reader has gone, with the whole scope. */
        if (p.revents & POLLERR)
                stream_log_close(s);
        return !s->log.full;
}

void stream_log_write(Stream *s, FrameType type, const struct iovec *iov, int n_iov)
{
        uint8_t head = type;
        struct iovec packet[3] = {{&head, 1}};

        if (s->log.fd < 0)
                return;
        memcpy(packet + 1, iov, (size_t) n_iov * sizeof(*iov));
        if (writev(s->log.fd, packet, n_iov + 1) < 0)
                stream_log_close(s);
}
