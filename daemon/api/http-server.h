/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * HTTP/1.1 over the listening sockets that systemd hands us. A connection reads one request at a time,
 * whole, and gives it to the router as an HttpExchange; the handler answers at once or later. Nothing here
 * knows what a container is.
 *
 * A handler never sees its connection freed under it: replies only queue, and the connection does its work
 * (sending, closing, the next pipelined request) from the loop.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "core/authz.h"
#include "core/exec-lookup.h"
#include "core/manager.h"
#include "wire/http-request.h"

typedef struct HttpServer HttpServer;
typedef struct HttpConnection HttpConnection;
typedef struct HttpExchange HttpExchange;
typedef struct HttpTask HttpTask;
typedef struct HttpFetch HttpFetch;

/* A step of a handler. It answers, now or later, or returns -errno: then the refusal is the answer, and without one
 * an internal error. */
typedef int (*HttpStep)(HttpExchange *x, Refusal *reterr);

/* The first member of the structure that a handler keeps until the answer. */
struct HttpTask {
        void (*done)(HttpTask *t); /* releases what is in it; may be NULL */
};

/* Makes the task of an exchange, filled with zeros: an object of the handler's own type, or NULL. */
#define HTTP_TASK_NEW(x, type)                      \
        ({                                          \
                type *t_ = calloc(1, sizeof(type)); \
                                                    \
                (x)->task = t_ ? &t_->task : NULL;  \
                t_;                                 \
        })
#define HTTP_TASK(x, type) LIST_ENTRY((x)->task, type, task)

struct HttpExchange {
        HttpConnection *connection; /* weak: it owns the exchange */
        Manager *manager;           /* weak */
        Peer *peer;                 /* weak */
        HttpRequest *request;       /* weak */
        char *path;                 /* decoded, cleaned, without the version */
        char *name;                 /* the text that matches the wildcard of the route */
        unsigned version;           /* major * 1000 + minor; the newest when the path has none */
        bool head_only;             /* HEAD: no body is sent */
        const char *body;
        size_t body_size;

        /* The pending work of a handler that answers later; canceled if the client disconnects first. */
        sd_bus_slot *slot;
        sd_event_source *timer;
        ExecWatch watch;
        Exec *exec; /* a reference */
        ExecLookup *lookup;
        Authz *authz;
        HttpStep authorized; /* the next step, once it is allowed */
        HttpStep found;      /* the next step, once its exec or container is found */
        AuthzAction action;  /* the act on its exec, once that is found */
        const char *verb;
        bool may_see_all;
        Slot *kept;               /* has its connection; NULL: none does (http-keep.h) */
        ContainerInfo *container; /* a reference */
        HttpTask *task;           /* owned: other data of the handler */
        HttpFetch *fetch;         /* owned: reads the answer from a disk (http-fetch.h) */
        /* Writes the next piece of an endless answer. Called when everything before it has been sent. */
        void (*feed)(HttpExchange *x);
};

int http_server_new(Manager *m, HttpServer **ret);
HttpServer *http_server_free(HttpServer *s);
DEFINE_CLEANUP(HttpServer, http_server_free);
int http_server_listen(HttpServer *s, int fd); /* fd is taken */

/* An answer, once for each exchange. NULL content_type: none is sent. */
void http_reply(HttpExchange *x, unsigned status, const char *content_type, const void *body, size_t size);
void http_reply_empty(HttpExchange *x, unsigned status);
void http_reply_json(HttpExchange *x, unsigned status, struct json_object *object); /* object is taken */

void http_reply_error(HttpExchange *x, unsigned status, const char *message);
/* Answers with a refusal; one of kind NONE is a fault, which the client sees as an internal error. */
void http_reply_refusal(HttpExchange *x, const Refusal *refusal);

/* Does the next step of a handler, or the first one. */
void http_step(HttpExchange *x, HttpStep step);

/* How many bytes an answer may have at most; a longer one is replaced by 503. */
size_t http_room(const HttpExchange *x);

/* One more header for the answer that follows: "Name: value". */
void http_add_header(HttpExchange *x, const char *line);

/* An answer without an end: chunked, until http_stream_end() or the client goes. */
void http_stream_begin(HttpExchange *x, const char *content_type);
void http_stream_write(HttpExchange *x, const void *data, size_t size);
void http_stream_end(HttpExchange *x);
/* There may be something to feed. */
void http_stream_wake(HttpExchange *x);
/* Cuts it off, so that the client sees that this was not the end. */
void http_stream_abort(HttpExchange *x);

/* Takes the socket away from HTTP: after the head, which is sent here, its bytes belong to a stream.
 * *ret_input gets the bytes that the client has sent after its request. The exchange is over with this call.
 * */
int http_hijack(HttpExchange *x, const char *content_type, int *ret_fd, Buf *ret_input);

/* The query parameter, or NULL if there is none. 0, or a refusal for a bad escape. */
int http_query(HttpExchange *x, const char *name, char **ret, Refusal *reterr);
/* A flag as Docker reads it: "", "0", "no", "false" and "none" in any case are false, all else is true. */
int http_query_flag(HttpExchange *x, const char *name, bool absent, bool *ret, Refusal *reterr);
