/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-fdstore.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "api/http-connection.h"
#include "base/fd.h"
#include "base/log.h"

/* One name for all who wait for the same exec in the same way. */
#define NAME_KEPT    "wait-kept-"
#define NAME_CLOSED  "wait-closed-"
#define NAME_SIZE    (sizeof(NAME_CLOSED) + EXEC_ID_SIZE)
#define BARRIER_USEC (5 * USEC_PER_SEC)

static void wait_name(char name[static NAME_SIZE], const char *exec_id, bool close)
{
        snprintf(name, NAME_SIZE, "%s%.64s", close ? NAME_CLOSED : NAME_KEPT, exec_id);
}

/* The id behind the prefix, or NULL. */
static const char *id_behind(const char *name, const char *prefix)
{
        const char *id = name + strlen(prefix);

        return strncmp(name, prefix, strlen(prefix)) == 0 && exec_id_is_valid(id) ? id : NULL;
}

bool http_fdstore_add(HttpFdStore *h, const char *name, int fd)
{
        const char *kept = id_behind(name, NAME_KEPT), *closed = id_behind(name, NAME_CLOSED);
        HttpWait *more;

        if (!kept && !closed)
                return false;
        more = reallocarray(h->waits, h->n_waits + 1, sizeof(HttpWait));
        if (!more)
                return false;
        h->waits = more;
        h->waits[h->n_waits] = (HttpWait){.fd = fd, .close = !kept};
        strcpy(h->waits[h->n_waits].exec_id, kept ?: closed);
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
                char name[NAME_SIZE];
                int r;

                r = ask_again(s, w);
                if (r < 0)
                        log_errno(LOG_WARNING, r, "Failed to restore a client waiting for exec %.12s",
                                  w->exec_id);
                w->fd = fd_close(w->fd);
                wait_name(name, w->exec_id, w->close);
                (void) sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
        }
        h->waits = mfree(h->waits);
        h->n_waits = 0;
}

static bool connection_waits(const HttpConnection *c)
{
        const HttpExchange *x = &c->exchange;

        /* Data that the client has sent after its request would be lost. */
        return c->state == CONNECTION_HANDLING && x->waits && x->exec->persistence == EXEC_STORED &&
               !c->dead && !c->eof && buf_length(&c->in) == 0;
}

void http_fdstore_store(const HttpServer *s)
{
        size_t n = 0;

        if (shutdown_is_stop(s->manager->shutdown))
                return;
        LIST_FOREACH (const HttpConnection, c, &s->connections, node) {
                char name[NAME_SIZE], message[NAME_SIZE + 32];

                if (n >= HTTP_WAITS_MAX)
                        break;
                if (!connection_waits(c))
                        continue;
                wait_name(name, c->exchange.exec->id, c->close);
                snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
                if (sd_pid_notify_with_fds(0, false, message, &c->fd, 1) > 0)
                        n++;
        }
        if (n > 0)
                (void) sd_notify_barrier(false, BARRIER_USEC);
}
