/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "api/http-connection.h"

void http_keep_forget_name(const char *name)
{
        (void) sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void http_keep(HttpExchange *x)
{
        HttpConnection *c = x->connection;
        HttpServer *s = c->server;
        char message[HTTP_KEEP_NAME_SIZE + 32];

        /* Data that the client has sent after its request would be lost. */
        if (x->stored_as || s->n_stored >= HTTP_KEEP_MAX || buf_length(&c->in) > 0)
                return;
        if (asprintf(&x->stored_as, "%s%s-%" PRIu64, c->close ? HTTP_KEEP_NAME_CLOSED : HTTP_KEEP_NAME,
                     x->exec->id, now_usec(CLOCK_MONOTONIC)) < 0) {
                x->stored_as = NULL;
                return;
        }
        snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", x->stored_as);
        if (sd_pid_notify_with_fds(0, false, message, &c->fd, 1) > 0)
                s->n_stored++;
        else
                x->stored_as = mfree(x->stored_as);
}

void http_keep_forget(HttpExchange *x)
{
        if (!x->stored_as)
                return;
        http_keep_forget_name(x->stored_as);
        x->stored_as = mfree(x->stored_as);
        x->connection->server->n_stored--;
}
