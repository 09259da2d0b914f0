/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-fdstore: connections from before a restart, asked again what they had asked. */

#include <fcntl.h>
#include <sys/socket.h>

#include "api/http-fdstore.h"
#include "base/fd.h"
#include "unit/api/http-world.h"

static void test_names(void)
{
        static const struct {
                const char *format; /* %s: the id of an exec */
                bool ours, close;
        } rows[] = {
                {HTTP_KEEP_NAME "%s-12345", true, false},
                {HTTP_KEEP_NAME_CLOSED "%s-1", true, true},
                {HTTP_KEEP_NAME "%s", true, false},
                {HTTP_KEEP_NAME "%.63s", false, false},
                {HTTP_KEEP_NAME "../%.61s", false, false},
                {"wait-%s", false, false},
                {HTTP_KEEP_NAME_CLOSED "%s-1234567890123456789012345", false, false},
        };
        char id[EXEC_ID_SIZE];

        NEED(exec_make_id(id) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                HttpFdStore store = {0};
                char name[256];

                snprintf(name, sizeof(name), rows[i].format, id);
                CHECK_ROW(rows[i].format, http_fdstore_add(&store, name, -EBADF) == rows[i].ours);
                CHECK_ROW(rows[i].format, store.n_waits == rows[i].ours);
                if (store.n_waits > 0) {
                        CHECK_TEXT(rows[i].format, store.waits[0].exec_id, id);
                        CHECK_TEXT(rows[i].format, store.waits[0].name, name);
                        CHECK_ROW(rows[i].format, store.waits[0].close == rows[i].close);
                }
                free(store.waits);
        }
}

/* A client's end and execd's, as systemd has it. */
static int make_client(int *ret_ours)
{
        int ends[2];

        NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        *ret_ours = ends[1];
        return ends[0];
}

/* Nobody but the client can tell that execd was restarted. */
static void test_asked_again(HttpWorld *h, bool close)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        HttpFdStore store = {0};
        char name[256];
        Command command;
        int ours;

        http_start_detached(h, e, &command);
        fd_close(h->client);
        h->client = make_client(&ours);
        http_next(h);
        snprintf(name, sizeof(name), "%s%s-1", close ? HTTP_KEEP_NAME_CLOSED : HTTP_KEEP_NAME, e->id);
        NEED(http_fdstore_add(&store, name, ours));
        http_fdstore_done(&store, h->server);
        CHECK(!store.waits && store.n_waits == 0);
        world_settle(h->world);
        CHECK(!http_is_answered(h) && e->watches.first);

        command_report(&command, 3 << 8);
        command_done(&command);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "\"StatusCode\":3"));
        CHECK_TEXT(name, http_header(h, "Connection"), close ? "close" : "");
}

/* The exec has gone in the meantime; and a descriptor that is no client's is let go. */
static void test_gone(HttpWorld *h)
{
        HttpFdStore store = {0};
        char id[EXEC_ID_SIZE], name[256];
        int ours, no_socket = open("/dev/null", O_RDONLY | O_CLOEXEC);

        NEED(exec_make_id(id) >= 0 && no_socket >= 0);
        fd_close(h->client);
        h->client = make_client(&ours);
        http_next(h);
        snprintf(name, sizeof(name), HTTP_KEEP_NAME "%s-1", id);
        NEED(http_fdstore_add(&store, name, ours) && http_fdstore_add(&store, name, no_socket));
        http_fdstore_done(&store, h->server);
        CHECK(fcntl(no_socket, F_GETFD) < 0);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 404);
}

/* execd leaves: for a restart the next one has the clients, and this one forgets them without a word. */
static void test_leave(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        char target[128], text[512];
        Command command;

        http_start_detached(h, e, &command);
        snprintf(target, sizeof(target), "/exec/%s/wait", e->id);
        http_connect(h, 0);
        http_post(h, target, "");
        world_settle(h->world);
        NEED(h->server->n_stored == 1);
        while (recv(h->world->notify, text, sizeof(text), MSG_DONTWAIT) > 0)
                ;
        fd_close(h->world->notify); /* a barrier that nobody reads is not waited for */
        h->world->notify = -EBADF;
        http_fdstore_leave(h->server);
        CHECK(h->server->n_stored == 0);
        h->client = fd_close(h->client);
        world_settle(h->world);
        command_done(&command);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_names();
        test_asked_again(h, false);
        test_asked_again(h, true);
        test_gone(h);
        test_leave(h);
        return test_finish("http-fdstore");
}
