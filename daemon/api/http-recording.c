/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers that are files: read piece by piece as the client takes them, never held whole. */

#include <sys/stat.h>

#include "api/http-authz.h"
#include "api/http-connection.h"
#include "api/http-need.h"
#include "api/http-route.h"
#include "core/exec-access.h"
#include "core/exec-recording.h"

#define PIECE          (128 * 1024)

#define TYPE_RECORDING "application/x-asciicast"

bool connection_feed_file(HttpConnection *c)
{
        size_t size = (size_t) MIN(c->file_left, (uint64_t) PIECE);
        ssize_t n = 0;
        char *p;

        if (buf_length(&c->out) > 0)
                return false;
        p = size > 0 ? buf_reserve(&c->out, size) : NULL;
        if (p)
                n = read(c->file_fd, p, size);
        if (n < 0 && errno == EINTR)
                return true;
        if (n > 0) {
                buf_commit(&c->out, (size_t) n);
                c->file_left -= (uint64_t) n;
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
                return true;
        }
        /* The file is shorter than announced. The client notices it only by the end of the connection. */
        if (c->file_left > 0)
                c->dead = true;
        c->file_fd = fd_close(c->file_fd);
        c->state = CONNECTION_REPLIED;
        return true;
}

/* The fd is taken. Data that is appended to the file later is not sent. */
static void reply_file(HttpExchange *x, const char *content_type, int fd)
{
        HttpConnection *c = x->connection;
        struct stat st;

        if (fstat(fd, &st) < 0) {
                fd_close(fd);
                http_reply_error(x, 500, "failed to read the recording");
                return;
        }
        connection_put_head(c, 200, content_type, st.st_size);
        c->file_fd = fd;
        c->file_left = (uint64_t) st.st_size;
        c->state = CONNECTION_STREAMING;
        (void) sd_event_source_set_enabled(c->step, SD_EVENT_ONESHOT);
}

static void recording_run(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        int fd;

        if (exec_recording_open(x->exec, &fd, &refusal) < 0)
                http_reply_refusal(x, &refusal);
        else if (exec_access_replay(x->exec, x->peer, "from its recording", &refusal) < 0) {
                fd_close(fd);
                http_reply_refusal(x, &refusal);
        } else
                reply_file(x, TYPE_RECORDING, fd);
}

void http_get_recording(HttpExchange *x)
{
        if (http_need_exec(x))
                http_authorize_exec(x, AUTHZ_REPLAY, "replay", recording_run);
}
