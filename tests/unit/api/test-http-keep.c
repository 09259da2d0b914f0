/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-keep: whose connection systemd has too while it waits for the end of an exec, and until when. */

#include <sys/socket.h>

#include "api/http-keep.h"
#include "unit/api/http-world.h"

/* The next message to systemd that has this, or "". */
static const char *notified(HttpWorld *h, const char *what)
{
        static char text[512];
        ssize_t n;

        while ((n = recv(h->world->notify, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
                text[n] = 0;
                if (strstr(text, what))
                        return text;
        }
        return "";
}

static void wait_for(HttpWorld *h, const Exec *e, const char *header, const char *more)
{
        char request[512];

        snprintf(request, sizeof(request), "POST /exec/%s/wait HTTP/1.1\r\nHost: x\r\n%s\r\n%s", e->id,
                 header, more);
        http_connect(h, 0);
        http_send(h, request);
        world_settle(h->world);
}

static void test_kept(HttpWorld *h)
{
        static const struct {
                const char *header, *name;
        } rows[] = {{"", HTTP_KEEP_NAME}, {"Connection: close\r\n", HTTP_KEEP_NAME_CLOSED}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
                char name[256];
                Command command;

                /* Of one that does not run there is nothing to outlive. */
                wait_for(h, e, rows[i].header, "");
                CHECK_TEXT("created", notified(h, HTTP_KEEP_NAME), "");
                http_start_detached(h, e, &command);
                wait_for(h, e, rows[i].header, "");
                snprintf(name, sizeof(name), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s%s-", rows[i].name, e->id);
                CHECK_ROW(name, strncmp(notified(h, rows[i].name), name, strlen(name)) == 0);
                CHECK(h->server->n_stored == 1);

                command_report(&command, 0);
                command_done(&command);
                WORLD_UNTIL(h->world, http_is_answered(h));
                snprintf(name, sizeof(name), "FDNAME=%s%s-", rows[i].name, e->id);
                CHECK_ROW(name, strstr(notified(h, "FDSTOREREMOVE=1"), name));
                CHECK(h->server->n_stored == 0);
        }
}

/* A client that leaves is not kept on, and one that has sent more would lose that. */
static void test_not_kept(HttpWorld *h)
{
        Exec *e = http_create(h, "{\"Cmd\":[\"true\"]}");
        Command command;

        http_start_detached(h, e, &command);
        wait_for(h, e, "", "GET /_ping");
        CHECK_TEXT("pipelined", notified(h, HTTP_KEEP_NAME), "");
        wait_for(h, e, "", "");
        CHECK(*notified(h, HTTP_KEEP_NAME));
        http_connect(h, 0);
        CHECK(strstr(notified(h, "FDSTOREREMOVE=1"), e->id) && h->server->n_stored == 0);

        h->server->n_stored = HTTP_KEEP_MAX;
        wait_for(h, e, "", "");
        CHECK_TEXT("too many", notified(h, HTTP_KEEP_NAME), "");
        h->server->n_stored = 0;
        command_done(&command);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_kept(h);
        test_not_kept(h);
        return test_finish("http-keep");
}
