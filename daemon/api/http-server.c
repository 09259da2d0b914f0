/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/http-connection.h"
#include "base/fd.h"
#include "base/log.h"

/* How long accepting pauses when there are no fds left. */
#define ACCEPT_PAUSE_USEC (100 * USEC_PER_MSEC)
/* Connections taken in one go, so that those already here are served between. */
#define ACCEPT_BATCH 64

int http_server_new(Manager *m, HttpServer **ret)
{
        HttpServer *s = calloc(1, sizeof(HttpServer));

        if (!s)
                return -ENOMEM;
        s->manager = m;
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        *ret = s;
        return 0;
}

HttpServer *http_server_free(HttpServer *s)
{
        if (!s)
                return NULL;
        LIST_FOREACH_SAFE (n, &s->connections)
                connection_free(LIST_ENTRY(n, HttpConnection, node));
        for (size_t i = 0; i < s->n_listeners; i++) {
                sd_event_source_disable_unref(s->listeners[i]);
                fd_close(s->listen_fds[i]);
        }
        sd_event_source_disable_unref(s->accept_timer);
        fd_close(s->reserve_fd);
        return mfree(s);
}

/* Makes room by dropping the connection that has been waiting longest without a complete request: a slow or
 * silent client gives way to one that has something to say. */
static bool server_make_room(HttpServer *s, uid_t uid)
{
        LIST_FOREACH_SAFE (n, &s->connections) {
                HttpConnection *c = LIST_ENTRY(n, HttpConnection, node);

                if (c->peer->uid != uid || (c->state != CONNECTION_HEAD && c->state != CONNECTION_BODY))
                        continue;
                connection_free(c);
                return true;
        }
        return false;
}

static size_t server_count_uid(const HttpServer *s, uid_t uid)
{
        size_t count = 0;

        LIST_FOREACH_SAFE (n, &s->connections)
                count += LIST_ENTRY(n, HttpConnection, node)->peer->uid == uid;
        return count;
}

static void server_take(HttpServer *s, int fd)
{
        const ManagerConfig *config = &s->manager->config;
        _cleanup_(peer_unrefp) Peer *peer = NULL;
        int r;

        r = peer_new_from_socket(fd, &peer);
        if (r < 0) {
                log_errno(LOG_WARNING, r, "Cannot tell who is connecting");
                fd_close(fd);
                return;
        }
        if ((s->n_connections >= config->connections_max ||
             (s->n_connections >= config->connections_per_uid_max &&
              server_count_uid(s, peer->uid) >= config->connections_per_uid_max)) &&
            !server_make_room(s, peer->uid)) {
                log_warning("Uid %u has too many connections, one more is refused", (unsigned) peer->uid);
                fd_close(fd);
                return;
        }
        r = connection_new(s, fd, TAKE_PTR(peer), NULL);
        if (r < 0)
                log_errno(LOG_WARNING, r, "Cannot take a connection");
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
                        log_errno(LOG_WARNING, errno, "Cannot accept a connection");
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
