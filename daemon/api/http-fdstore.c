/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-fdstore.h"

#include <stdio.h>

#include "api/http-connection.h"
#include "base/fd.h"
#include "base/log.h"

static int ask_again(HttpServer *s, StoredWait *w)
{
        char request[EXEC_ID_SIZE + 96];
        Peer *peer;
        int r;

        r = peer_new_from_socket(w->fd, &peer);
        if (r < 0)
                return r;
        snprintf(request, sizeof(request), "POST /exec/%s/wait HTTP/1.1\r\nHost: execd\r\n%s\r\n",
                 w->exec_id, w->close ? "Connection: close\r\n" : "");
        return connection_new(s, TAKE_FD(w->fd), peer, request);
}

void http_fdstore_done(StoredWaits *waits, HttpServer *s)
{
        for (size_t i = 0; i < waits->n; i++) {
                StoredWait *w = &waits->items[i];
                int r = ask_again(s, w);

                if (r < 0)
                        log_errno(LOG_WARNING, r, "Failed to restore a client waiting for exec %.12s",
                                  w->exec_id);
        }
        stored_waits_done(waits);
}

void http_fdstore_leave(HttpServer *s)
{
        bool is_stop = shutdown_is_stop(s->manager->shutdown);

        LIST_FOREACH (HttpConnection, c, &s->connections, node) {
                if (is_stop)
                        http_keep_forget(&c->exchange);
                else
                        http_keep_leave(&c->exchange);
        }
}
