/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-server: clients that get a connection, and the one that is closed when there are too many. */

#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "unit/api/http-world.h"

static struct sockaddr_un address;

static void listen_at(HttpWorld *h)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sun_family = AF_UNIX;
        NEED(snprintf(address.sun_path, sizeof(address.sun_path), "%s/execd", h->world->dir) > 0);
        NEED(fd >= 0 && bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 && listen(fd, 64) == 0);
        NEED(http_server_listen(h->server, fd) >= 0);
}

static int connect_to(HttpWorld *h)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        NEED(fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0);
        world_settle(h->world);
        return fd;
}

/* Of one client; *ret_end: nothing more comes. */
static bool can_ping(HttpWorld *h, int fd)
{
        fd_close(h->client);
        h->client = fd;
        http_next(h);
        http_send(h, "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
        WORLD_UNTIL(h->world, http_is_answered(h));
        h->client = -EBADF;
        return http_status(h) == 200;
}

static bool is_closed(int fd)
{
        char byte;

        return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* A silent client gives way to a new one; one whose request is being served does not. */
static void test_gives_way(HttpWorld *h)
{
        Budget *b = &h->world->manager.connections_budget;
        int first, second, third;
        char text[1024] = "";

        b->max = b->uid_max = 2;
        first = connect_to(h);
        second = connect_to(h);
        CHECK(h->server->n_connections == 2);
        third = connect_to(h);
        CHECK(h->server->n_connections == 2 && is_closed(first) && !is_closed(second));

        NEED(send(second, "GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n", 42, 0) == 42);
        NEED(send(third, "GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n", 42, 0) == 42);
        world_settle(h->world);
        fd_close(first);
        first = connect_to(h);
        CHECK(recv(first, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
        CHECK(strstr(text, "HTTP/1.1 503 ") && strstr(text, "Retry-After: 1") &&
              strstr(text, "ConnectionsPerUserMax"));
        CHECK(is_closed(first) && !is_closed(second) && !is_closed(third));
        fd_close(first);
        fd_close(second);
        fd_close(third);
        WORLD_UNTIL(h->world, h->server->n_connections == 0);
        CHECK(b->used == 0);
        CHECK(can_ping(h, connect_to(h)));
}

/* The kernel does not let it be watched, here because it is watched already: the client gets an error. */
static void test_not_watched(HttpWorld *h)
{
        uint64_t n_before = h->world->manager.connections_budget.used;
        Peer *peer = calloc(1, sizeof(Peer));
        sd_event_source *other = NULL;
        char text[1024] = "";
        int ends[2];

        NEED(peer && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        *peer = (Peer){.n_ref = 1, .pid = 1, .pidfd = -EBADF};
        NEED(sd_event_add_io(h->world->event, &other, ends[1], 0, NULL, NULL) >= 0);
        CHECK(connection_new(h->server, ends[1], peer, NULL) == -EEXIST);
        sd_event_source_disable_unref(other);
        CHECK(h->server->n_connections == n_before && h->world->manager.connections_budget.used == n_before);
        CHECK(recv(ends[0], text, sizeof(text) - 1, MSG_DONTWAIT) > 0 && is_closed(ends[0]));
        CHECK(strstr(text, "HTTP/1.1 503 ") && strstr(text, "Retry-After: 1") &&
              strstr(text, "failed to watch the connection: File exists"));
        fd_close(ends[0]);
}

static void test_listeners(HttpWorld *h)
{
        int fd = -EBADF, r = 0;

        while (h->server->n_listeners < ELEMENTSOF(h->server->listeners))
                NEED(http_server_listen(h->server, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        r = http_server_listen(h->server, fd);
        CHECK(r == -E2BIG && fd_set_nonblock(fd, true) == -EBADF);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        listen_at(h);
        CHECK(can_ping(h, connect_to(h)));
        test_gives_way(h);
        test_not_watched(h);
        test_listeners(h);
        return test_finish("http-server");
}
