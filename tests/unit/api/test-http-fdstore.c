/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-fdstore: connections from before a restart, asked again what they had asked. */

#include <fcntl.h>
#include <sys/socket.h>

#include "api/http-fdstore.h"
#include "base/fd.h"
#include "unit/api/http-world.h"

static void ask(HttpWorld *h, const Exec *e, const char *header)
{
        char request[256];

        snprintf(request, sizeof(request), "POST /exec/%s/wait HTTP/1.1\r\nHost: x\r\n%s\r\n", e->id,
                 header);
        http_connect(h, 0);
        http_send(h, request);
        world_settle(h->world);
        NEED(h->server->kept_budget.used == 1);
}

/* The connections that the next execd finds in the slots that systemd has. */
static void next_execd(HttpWorld *h, FdStore *store)
{
        world_take_stored(h->world, store);
        fdstore_open(store, h->world->manager.slots);
}

/* execd exits: for a restart the next one has the clients, and this one forgets them silently. Only the client can
 * check that. */
static void test_asked_again(bool close)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        FdStore store;
        Command command;

        http_start_detached(h, e, &command);
        ask(h, e, close ? "Connection: close\r\n" : "");
        http_fdstore_leave(h->server);
        CHECK(h->server->kept_budget.used == 0);
        connection_free(LIST_ENTRY(h->server->connections.last, HttpConnection, node));
        next_execd(h, &store);
        NEED(store.waits.n == 1);
        CHECK_TEXT("exec", store.waits.items[0].exec_id, e->id);
        CHECK(store.waits.items[0].close == close);
        http_fdstore_done(&store.waits, h->server);
        fdstore_done(&store);
        world_settle(h->world);
        CHECK(!http_is_answered(h) && e->watches.first && h->server->kept_budget.used == 1);

        command_report(&command, 3 << 8);
        command_done(&command);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "\"StatusCode\":3"));
        CHECK_TEXT("connection", http_header(h, "Connection"), close ? "close" : "");
        CHECK(h->server->kept_budget.used == 0);
}

/* An answered request is not asked again. */
static void test_answered(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        FdStore store;
        Command command;

        http_start_detached(h, e, &command);
        ask(h, e, "");
        command_report(&command, 0);
        command_done(&command);
        WORLD_UNTIL(h->world, http_is_answered(h));
        next_execd(h, &store);
        CHECK(store.waits.n == 0);
        fdstore_done(&store);
}

/* The exec has gone in the meantime; and a descriptor that is no client's is let go. */
static void test_gone(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();
        StoredWaits waits = {.items = calloc(2, sizeof(StoredWait)), .n = 2};
        int ends[2], no_socket = open("/dev/null", O_RDONLY | O_CLOEXEC);

        NEED(waits.items && no_socket >= 0 &&
             socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        fd_close(h->client);
        h->client = ends[0];
        http_next(h);
        waits.items[0] = (StoredWait){.fd = ends[1]};
        waits.items[1] = (StoredWait){.fd = no_socket};
        NEED(exec_make_id(waits.items[0].exec_id) >= 0 && exec_make_id(waits.items[1].exec_id) >= 0);
        http_fdstore_done(&waits, h->server);
        CHECK(!waits.items && waits.n == 0 && fcntl(no_socket, F_GETFD) < 0);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 404);
}

int main(void)
{
        test_asked_again(false);
        test_asked_again(true);
        test_answered();
        test_gone();
        return test_finish("http-fdstore");
}
