/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-connection.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/http-fetch.h"
#include "api/http-route.h"
#include "base/fd.h"
#include "wire/units.h"

#define READ_SIZE (16 * 1024)

/* Pieces of input, or requests that follow each other, that one client has in a turn, before others have theirs. */
#define TURN_STEPS 8

/* How long a refused client may go on sending. */
#define LINGER_USEC (2 * USEC_PER_SEC)

static int connection_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static int connection_on_timer(sd_event_source *source, uint64_t usec, void *userdata);
static int connection_on_step(sd_event_source *source, void *userdata);

/* The client gets the reason if its socket takes it at once. The kernel counts what all processes with the number of a user
 * watch on the whole host, those in containers too. */
static void connection_turn_away(const HttpConnection *c, int r)
{
        _cleanup_buf_ Buf reply = BUF_INIT;
        char message[160];

        snprintf(message, sizeof(message), "failed to watch the connection: %s%s; try again", strerror(-r),
                 r == -ENOSPC ? " (the limit is fs.epoll.max_user_watches)" : "");
        http_put_busy(&reply, message);
        if (buf_error(&reply) >= 0)
                (void) send(c->fd, buf_head(&reply), buf_length(&reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int connection_new(HttpServer *s, int fd, Peer *peer, const char *received)
{
        _cleanup_(connection_freep) HttpConnection *c = calloc(1, sizeof(HttpConnection));
        sd_event *event = s->manager->event;
        int r;

        if (!c) {
                fd_close(fd);
                peer_unref(peer);
                return -ENOMEM;
        }
        c->server = s;
        c->fd = fd;
        c->peer = peer;
        c->on_step = connection_on_step;
        budget_force(&s->manager->connections_budget, peer_share(peer), 1);
        c->counted = true;
        list_append(&s->connections, &c->node);
        s->n_connections++;

        r = sd_event_add_io(event, &c->io, fd, EPOLLIN, connection_on_io, c);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC,
                                               s->manager->config.head_usec, USEC_PER_SEC / 10,
                                               connection_on_timer, c);
        if (r >= 0 && received) {
                buf_puts(&c->in, received);
                r = buf_error(&c->in);
                connection_step(c);
        }
        if (r < 0) {
                connection_turn_away(c, r);
                return r;
        }
        TAKE_PTR(c);
        return 0;
}

static void exchange_done(HttpExchange *x)
{
        if (x->task && x->task->done)
                x->task->done(x->task);
        free(x->task);
        http_fetch_free(x->fetch);
        x->authz = authz_free(x->authz);
        x->slot = sd_bus_slot_unref(x->slot);
        x->timer = sd_event_source_disable_unref(x->timer);
        exec_unwatch(&x->watch);
        exec_lookup_free(x->lookup);
        x->exec = exec_unref(x->exec);
        x->container = container_info_unref(x->container);
        free(x->path);
        free(x->name);
        *x = (HttpExchange){0};
}

/* The request is over: nothing of it is kept. */
static void connection_reset(HttpConnection *c)
{
        exchange_done(&c->exchange);
        c->request = http_request_free(c->request);
        http_body_done(&c->body);
        buf_done(&c->extra_headers);
        c->answering = false;
        if (c->busy) {
                c->busy = false;
                manager_busy_end(c->server->manager);
        }
}

HttpConnection *connection_free(HttpConnection *c)
{
        if (!c)
                return NULL;
        connection_reset(c);
        c->io = sd_event_source_disable_unref(c->io);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->step = sd_event_source_disable_unref(c->step);
        if (c->counted)
                budget_give(&c->server->manager->connections_budget, peer_share(c->peer), 1);
        list_remove(&c->server->connections, &c->node);
        c->server->n_connections--;
        if (!c->hijacked)
                fd_close(c->fd);
        buf_done(&c->in);
        buf_done(&c->out);
        (void) connection_charge(c, true);
        peer_unref(c->peer);
        return mfree(c);
}

static void connection_arm(HttpConnection *c, uint64_t usec)
{
        if (usec != UNITS_INFINITY)
                (void) sd_event_source_set_time_relative(c->timer, usec);
        (void) sd_event_source_set_enabled(c->timer,
                                           usec != UNITS_INFINITY ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int connection_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        static const HttpParseError late = {408, "the request did not arrive in time"};
        HttpConnection *c = userdata;

        if (c->state == CONNECTION_HEAD && buf_length(&c->in) == 0) {
                connection_free(c); /* an idle connection, which the client may open again */
                return 0;
        }
        if (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY)
                connection_refuse(c, &late);
        else
                c->dead = true; /* it does not take its answer */
        connection_process(c);
        return 0;
}

static int connection_on_step(sd_event_source *source, void *userdata)
{
        connection_process(userdata);
        return 0;
}

static int connection_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        HttpConnection *c = userdata;

        c->blocked = c->dry = false;
        /* No client reads an answer. A complete request that was sent before is still processed, though. */
        if ((revents & (EPOLLHUP | EPOLLERR)) && c->state != CONNECTION_HEAD && c->state != CONNECTION_BODY)
                c->dead = true;
        connection_process(c);
        return 0;
}

static bool connection_wants_input(const HttpConnection *c)
{
        /* Requests that follow each other wait in the socket: a head that is longer is refused, and a body is taken
         * as it comes. */
        return !c->eof && (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY) &&
               buf_length(&c->in) < HTTP_HEAD_MAX;
}

/* Reads all available bytes. True when there were some. */
static bool connection_read(HttpConnection *c)
{
        static char data[READ_SIZE]; /* only the bytes received are kept */
        ssize_t n;

        if (c->dry || !connection_wants_input(c))
                return false;
        n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
        c->dry = n != (ssize_t) sizeof(data);
        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        c->dead = true;
                return false;
        }
        if (n == 0) {
                c->eof = true;
                return true;
        }
        if (c->state == CONNECTION_HEAD && buf_length(&c->in) == 0)
                connection_arm(c, c->server->manager->config.head_usec);
        buf_append(&c->in, data, (size_t) n);
        if (buf_error(&c->in) < 0)
                c->dead = true;
        else if (!connection_charge(c, false))
                connection_refuse_busy(c);
        return true;
}

static bool connection_send(HttpConnection *c)
{
        ssize_t n;

        if (c->blocked || buf_length(&c->out) == 0)
                return false;
        n = send(c->fd, buf_head(&c->out), buf_length(&c->out), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
                if (errno == EAGAIN)
                        c->blocked = true;
                else if (errno != EINTR)
                        c->dead = true;
                return false;
        }
        buf_consume(&c->out, (size_t) n);
        return true;
}

static void connection_dispatch(HttpConnection *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        c->state = CONNECTION_HANDLING;
        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        c->exchange = (HttpExchange){
                .connection = c,
                .manager = c->server->manager,
                .peer = c->peer,
                .request = c->request,
                .head_only = strcasecmp(c->request->method, "HEAD") == 0,
                .body = c->body.data.data ? buf_head(&c->body.data) : "",
                .body_size = buf_length(&c->body.data),
        };
        if (authz_check_origin(c->server->manager, c->peer, &refusal) < 0)
                http_reply_refusal(&c->exchange, &refusal);
        else
                http_route(&c->exchange);
}

static bool connection_parse_head(HttpConnection *c)
{
        HttpParseError error = {0};
        ssize_t n;

        if (buf_length(&c->in) == 0)
                return false;
        /* Once a request has begun, execd does not leave. */
        if (!c->busy)
                manager_busy_begin(c->server->manager);
        c->busy = true;
        n = http_request_parse(buf_head(&c->in), buf_length(&c->in), &c->request, &error);
        if (n < 0) {
                connection_refuse(c, &error);
                return true;
        }
        if (n == 0)
                return false;
        buf_consume(&c->in, (size_t) n);
        c->close = !c->request->keep_alive;
        if (!c->request->chunked && c->request->content_length > EXEC_BODY_MAX) {
                connection_refuse(c, &(HttpParseError){413, "the body exceeds the limit of 4 MiB"});
                return true;
        }
        http_body_init(&c->body, c->request, EXEC_BODY_MAX);
        c->state = CONNECTION_BODY;
        connection_arm(c, c->server->manager->config.body_usec);
        return true;
}

static bool connection_parse_body(HttpConnection *c)
{
        HttpParseError error = {0};
        ssize_t n;

        if (!c->body.done) {
                if (c->request->expect_continue && !c->answering && buf_length(&c->in) == 0) {
                        c->answering = true;
                        buf_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
                }
                n = http_body_feed(&c->body, c->in.data ? buf_head(&c->in) : "", buf_length(&c->in), &error);
                if (n < 0) {
                        connection_refuse(c, &error);
                        return true;
                }
                buf_consume(&c->in, (size_t) n);
                if (!connection_charge(c, false)) {
                        connection_refuse_busy(c);
                        return true;
                }
        }
        if (!c->body.done)
                return false;
        connection_dispatch(c);
        return true;
}

/* A client that is still sending would not get to read why it was refused if we closed on it. */
static bool connection_linger(HttpConnection *c)
{
        static char waste[READ_SIZE];
        ssize_t n;

        if (c->state != CONNECTION_LINGERING) {
                c->state = CONNECTION_LINGERING;
                shutdown(c->fd, SHUT_WR);
                buf_done(&c->in);
                connection_arm(c, LINGER_USEC);
        }
        n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                c->dead = true;
        return n > 0;
}

/* The answer has been sent whole: the connection is ready for the next request, or done. */
static bool connection_finish_reply(HttpConnection *c)
{
        if (buf_length(&c->out) > 0)
                return false;
        if (c->refused && !c->eof)
                return connection_linger(c);
        if (c->close || (c->eof && buf_length(&c->in) == 0)) {
                c->dead = true;
                return false;
        }
        connection_reset(c);
        c->state = CONNECTION_HEAD;
        connection_arm(c, buf_length(&c->in) > 0 ? c->server->manager->config.head_usec
                                                 : c->server->manager->config.idle_usec);
        return true;
}

static bool connection_advance(HttpConnection *c)
{
        switch (c->state) {
        case CONNECTION_HEAD:
                return connection_parse_head(c);
        case CONNECTION_BODY:
                return connection_parse_body(c);
        case CONNECTION_REPLIED:
                return connection_finish_reply(c);
        case CONNECTION_LINGERING:
                return connection_linger(c);
        default:
                return false;
        }
}

static void connection_update(HttpConnection *c)
{
        uint32_t wants = 0;

        if (connection_wants_input(c) || c->state == CONNECTION_LINGERING)
                wants |= EPOLLIN;
        if (c->blocked)
                wants |= EPOLLOUT;
        (void) sd_event_source_set_io_events(c->io, wants);
        if ((c->state == CONNECTION_REPLIED || c->exchange.body) && c->blocked)
                connection_arm(c, c->server->manager->config.body_usec);
}

/* True when there was a piece. Nothing is made for a client that has not taken the one before. */
static bool connection_feed(HttpConnection *c)
{
        if (c->state != CONNECTION_STREAMING || !c->exchange.feed || buf_length(&c->out) > 0)
                return false;
        c->exchange.feed(&c->exchange);
        return buf_length(&c->out) > 0;
}

void connection_process(HttpConnection *c)
{
        bool moved = true;

        (void) sd_event_source_set_enabled(c->step, SD_EVENT_OFF);
        for (unsigned i = 0; i < TURN_STEPS && moved && !c->dead && !c->hijacked; i++) {
                moved = connection_read(c);
                moved = connection_advance(c) || moved;
                if (c->hijacked)
                        break;
                moved = connection_send(c) || moved;
        }
        /* One piece of a file or a stream in a turn: others have theirs in between. */
        if (!c->dead && !c->hijacked && (connection_feed(c) || moved))
                connection_step(c);
        /* A client that is done and has nothing under way is let go. */
        if (c->eof && (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY) &&
            buf_length(&c->out) == 0)
                c->dead = true;
        if (c->dead || c->hijacked || buf_error(&c->out) < 0) {
                connection_free(c);
                return;
        }
        (void) connection_charge(c, true);
        connection_update(c);
}
