/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to api/http-*.c: one client's connection. */

#include "api/http-server.h"
#include "base/event-turn.h"
#include "base/list.h"
#include "wire/http-body.h"

typedef enum ConnectionState {
        CONNECTION_HEAD,      /* waiting for a request, or in its head */
        CONNECTION_BODY,      /* in its body */
        CONNECTION_HANDLING,  /* a handler has it */
        CONNECTION_STREAMING, /* the answer has begun and goes on */
        CONNECTION_REPLIED,   /* the answer is in `out` */
        CONNECTION_LINGERING, /* refused and shut down: further input is thrown away */
} ConnectionState;

struct HttpConnection {
        HttpServer *server; /* weak */
        ListNode node;
        int fd; /* owned */
        Peer *peer;
        sd_event_source *io, *timer;
        sd_event_source *step; /* while it has to go on without an event */
        sd_event_handler_t on_step;
        ConnectionState state;
        Buf in, out;
        Buf extra_headers; /* for the next answer */
        HttpRequest *request;
        HttpBody body;
        HttpExchange exchange;
        uint64_t charged; /* bytes of its buffers, to its uid */
        bool counted;     /* among the connections of its uid */
        bool busy;        /* counted with the manager */
        bool eof;         /* the client sends no more */
        bool blocked;     /* the socket takes no more for now */
        bool dry;         /* there was nothing more to read; epoll(7) reports more */
        bool close;       /* after `out` has been sent */
        bool refused;     /* in the middle of a request, of which more may be on its way */
        bool dead;        /* to be freed */
        bool hijacked;    /* the fd has another owner now */
        bool answering;   /* 100 Continue was sent */
};

struct HttpServer {
        Manager *manager; /* weak */
        List connections; /* oldest first */
        size_t n_connections;
        Budget kept_budget; /* connections in slots, which wait for an exec */
        uint64_t warned;    /* when, of a client that got no connection */
        int listen_fds[4];
        sd_event_source *listeners[4];
        size_t n_listeners;
        int reserve_fd;
        sd_event_source *accept_timer;
};

/* `received` counts as already sent by the client; NULL for nothing. */
int connection_new(HttpServer *s, int fd, Peer *peer, const char *received);
HttpConnection *connection_free(HttpConnection *c);
DEFINE_CLEANUP(HttpConnection, connection_free);

/* Does all that can be done now: read, hand over, send, the next request. May free the connection. */
void connection_process(HttpConnection *c);
/* Has it processed in a later turn of the loop. */
static inline void connection_step(HttpConnection *c)
{
        if (event_turn(c->server->manager->event, &c->step, c->on_step, c) < 0)
                c->dead = true;
}

/* http-charge.c: charges the memory that the buffers take, and gives back the memory that they no longer take. False if
 * there is no room for more; with `must`, charges it all the same, because the memory is in use. */
bool connection_charge(HttpConnection *c, bool must);
/* How many bytes an answer may have now. */
size_t connection_room(const HttpConnection *c);

/* http-reply.c: the head of an answer, and an error from before there was an exchange. */
void connection_put_head(HttpConnection *c, unsigned status, const char *content_type,
                         int64_t content_length);
void connection_refuse(HttpConnection *c, const HttpParseError *e);
void connection_refuse_busy(HttpConnection *c);
/* A whole answer, 503, to a client that gets no connection. */
void http_put_busy(Buf *out, const char *message);
