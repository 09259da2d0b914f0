/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-fdstore.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "api/http-connection.h"
#include "api/http-keep.h"
#include "base/fd.h"
#include "base/log.h"

#define BARRIER_USEC (5 * USEC_PER_SEC)

/* The id after the prefix, or false. */
static bool read_id(const char *name, const char *prefix, char ret[static EXEC_ID_SIZE])
{
        size_t n = strlen(prefix);

        if (strncmp(name, prefix, n) != 0)
                return false;
        snprintf(ret, EXEC_ID_SIZE, "%s", name + n);
        return exec_id_is_valid(ret);
}

bool http_fdstore_add(HttpFdStore *h, const char *name, int fd)
{
        char id[EXEC_ID_SIZE];
        bool is_kept = read_id(name, HTTP_KEEP_NAME, id);
        HttpWait *more;

        if ((!is_kept && !read_id(name, HTTP_KEEP_NAME_CLOSED, id)) || strlen(name) >= HTTP_KEEP_NAME_SIZE)
                return false;
        more = reallocarray(h->waits, h->n_waits + 1, sizeof(HttpWait));
        if (!more)
                return false;
        h->waits = more;
        h->waits[h->n_waits] = (HttpWait){.fd = fd, .close = !is_kept};
        strcpy(h->waits[h->n_waits].exec_id, id);
        strcpy(h->waits[h->n_waits].name, name);
        h->n_waits++;
        return true;
}

static int ask_again(HttpServer *s, HttpWait *w)
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

void http_fdstore_done(HttpFdStore *h, HttpServer *s)
{
        for (size_t i = 0; i < h->n_waits; i++) {
                HttpWait *w = &h->waits[i];
                int r;

                r = ask_again(s, w);
                if (r < 0)
                        log_errno(LOG_WARNING, r, "Failed to restore a client waiting for exec %.12s",
                                  w->exec_id);
                w->fd = fd_close(w->fd);
                http_keep_forget_name(w->name);
        }
        h->waits = mfree(h->waits);
        h->n_waits = 0;
}

void http_fdstore_leave(HttpServer *s)
{
        if (s->n_stored == 0)
                return;
        if (shutdown_is_stop(s->manager->shutdown))
                LIST_FOREACH (HttpConnection, c, &s->connections, node)
                        http_keep_forget(&c->exchange);
        /* Else each stays where it is, with the exec that it waits for. */
        LIST_FOREACH (HttpConnection, c, &s->connections, node)
                c->exchange.stored_as = mfree(c->exchange.stored_as);
        s->n_stored = 0;
        (void) sd_notify_barrier(false, BARRIER_USEC);
}
