/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-server: who gets a connection, and who gives way when there are too many. */

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
        test_listeners(h);
        return test_finish("http-server");
}
