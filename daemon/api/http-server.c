/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/http-connection.h"
#include "api/http-keep.h"
#include "base/fd.h"
#include "base/log.h"

/* How long accepting pauses when there are no fds left. */
#define ACCEPT_PAUSE_USEC (100 * USEC_PER_MSEC)
/* Connections taken in one go, so that those already here are served between. */
#define ACCEPT_BATCH 64
#define WARN_USEC    (10 * USEC_PER_SEC)

int http_server_new(Manager *m, HttpServer **ret)
{
        HttpServer *s = calloc(1, sizeof(HttpServer));

        if (!s)
                return -ENOMEM;
        s->manager = m;
        s->kept_budget =
                (Budget){.what = "waiting clients", .max = HTTP_KEEP_MAX, .uid_max = HTTP_KEEP_PER_UID_MAX};
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        *ret = s;
        return 0;
}

HttpServer *http_server_free(HttpServer *s)
{
        if (!s)
                return NULL;
        LIST_FOREACH (HttpConnection, h, &s->connections, node)
                connection_free(h);
        for (size_t i = 0; i < s->n_listeners; i++) {
                sd_event_source_disable_unref(s->listeners[i]);
                fd_close(s->listen_fds[i]);
        }
        sd_event_source_disable_unref(s->accept_timer);
        fd_close(s->reserve_fd);
        budget_done(&s->kept_budget);
        return mfree(s);
}

/* Makes room by dropping the connection that has been waiting longest without a complete request: a slow or
 * silent client gives way to one that has something to say. */
static bool server_make_room(HttpServer *s, uid_t uid)
{
        LIST_FOREACH (HttpConnection, c, &s->connections, node) {
                if (peer_share(c->peer) != uid ||
                    (c->state != CONNECTION_HEAD && c->state != CONNECTION_BODY))
                        continue;
                connection_free(c);
                return true;
        }
        return false;
}

/* A rejected client gets the answer if its socket takes it at once. Its request is not read. */
static void server_turn_away(HttpServer *s, int fd, const Peer *peer)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_buf_ Buf reply = BUF_INIT;

        (void) budget_refuse(&s->manager->connections_budget, peer_share(peer), REFUSAL_BUSY, &refusal);
        http_put_busy(&reply, refusal.message ?: "too many connections");
        if (buf_error(&reply) >= 0)
                (void) send(fd, buf_head(&reply), buf_length(&reply), MSG_DONTWAIT | MSG_NOSIGNAL);
        fd_close(fd);
}

/* Now and then: how often is up to the client. */
static bool server_may_warn(HttpServer *s)
{
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        if (s->warned > 0 && now < s->warned + WARN_USEC)
                return false;
        s->warned = now;
        return true;
}

static void server_take(HttpServer *s, int fd)
{
        Budget *budget = &s->manager->connections_budget;
        _cleanup_(peer_unrefp) Peer *peer = NULL;
        int r;

        r = peer_new_from_socket(fd, &peer);
        if (r < 0) {
                if (server_may_warn(s))
                        log_errno(LOG_WARNING, r, "Failed to identify a client");
                fd_close(fd);
                return;
        }
        if (budget_room(budget, peer_share(peer)) == 0 && !server_make_room(s, peer_share(peer))) {
                if (server_may_warn(s))
                        log_warning("Refused a connection of uid %u: too many connections",
                                    (unsigned) peer->uid);
                server_turn_away(s, fd, peer);
                return;
        }
        r = connection_new(s, fd, TAKE_PTR(peer), NULL);
        if (r < 0 && server_may_warn(s))
                log_errno(LOG_WARNING, r, "Failed to set up a connection");
        /* A client that has just connected is about to send a request: the idle time begins anew. */
        manager_busy_begin(s->manager);
        manager_busy_end(s->manager);
}

static int server_on_accept_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        HttpServer *s = userdata;

        for (size_t i = 0; i < s->n_listeners; i++)
                (void) sd_event_source_set_enabled(s->listeners[i], SD_EVENT_ON);
        return 0;
}

/* Out of fds: one client is turned away with the reserve, so that it learns, and accepting pauses. */
static void server_shed(HttpServer *s, int listener)
{
        s->reserve_fd = fd_close(s->reserve_fd);
        fd_close(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (size_t i = 0; i < s->n_listeners; i++)
                (void) sd_event_source_set_enabled(s->listeners[i], SD_EVENT_OFF);
        (void) sd_event_source_set_time_relative(s->accept_timer, ACCEPT_PAUSE_USEC);
        (void) sd_event_source_set_enabled(s->accept_timer, SD_EVENT_ONESHOT);
}

static int server_on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        HttpServer *s = userdata;

        for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client >= 0) {
                        server_take(s, client);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE)
                        server_shed(s, fd);
                else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        log_errno(LOG_WARNING, errno, "Failed to accept a connection");
                break;
        }
        return 0;
}

int http_server_listen(HttpServer *s, int fd)
{
        int r;

        if (s->n_listeners >= ELEMENTSOF(s->listeners)) {
                fd_close(fd);
                return -E2BIG;
        }
        r = fd_set_nonblock(fd, true);
        if (r >= 0 && !s->accept_timer) {
                r = sd_event_add_time_relative(s->manager->event, &s->accept_timer, CLOCK_MONOTONIC, 0, 0,
                                               server_on_accept_again, s);
                if (r >= 0)
                        r = sd_event_source_set_enabled(s->accept_timer, SD_EVENT_OFF);
        }
        if (r >= 0)
                r = sd_event_add_io(s->manager->event, &s->listeners[s->n_listeners], fd, EPOLLIN,
                                    server_on_accept, s);
        if (r < 0) {
                fd_close(fd);
                return r;
        }
        s->listen_fds[s->n_listeners++] = fd;
        return 0;
}
