/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/api/http-world.h"

#include <strings.h>
#include <sys/socket.h>

#include "base/fd.h"

HttpWorld *http_world_new(void)
{
        HttpWorld *h = calloc(1, sizeof(HttpWorld));
        Manager *m;

        NEED(h);
        h->world = world_new();
        h->client = -EBADF;
        m = &h->world->manager;
        m->connections_budget = (Budget){.what = "connections",
                                         .key = "ConnectionsMax",
                                         .uid_key = "ConnectionsPerUserMax",
                                         .max = 64,
                                         .uid_max = 32};
        NEED(http_server_new(m, &h->server) >= 0);
        return h;
}

HttpWorld *http_world_free(HttpWorld *h)
{
        if (!h)
                return NULL;
        fd_close(h->client);
        http_server_free(h->server);
        budget_done(&h->world->manager.connections_budget);
        world_free(h->world);
        return mfree(h);
}

void http_connect(HttpWorld *h, uid_t uid)
{
        Peer *peer = calloc(1, sizeof(Peer));
        int ends[2];

        NEED(peer && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        *peer = (Peer){.n_ref = 1, .uid = uid, .pid = 1, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        fd_close(h->client);
        world_settle(h->world);
        h->client = ends[0];
        NEED(connection_new(h->server, ends[1], peer, NULL) >= 0);
        http_next(h);
}

void http_send(HttpWorld *h, const char *text)
{
        NEED(send(h->client, text, strlen(text), MSG_NOSIGNAL) == (ssize_t) strlen(text));
        world_settle(h->world);
}

const char *http_header(const HttpWorld *h, const char *name)
{
        static char value[1024];
        const char *end = strstr(h->answer, "\r\n\r\n");
        size_t n = strlen(name);

        for (const char *line = strstr(h->answer, "\r\n"); line && line < end; line = strstr(line, "\r\n")) {
                line += 2;
                if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
                        snprintf(value, sizeof(value), "%.*s", (int) strcspn(line + n + 2, "\r"),
                                 line + n + 2);
                        return value;
                }
        }
        return "";
}

const char *http_body(const HttpWorld *h)
{
        const char *end = strstr(h->answer, "\r\n\r\n");

        return end ? end + 4 : "";
}

bool http_is_answered(HttpWorld *h)
{
        ssize_t n;

        while ((n = recv(h->client, h->answer + h->size, sizeof(h->answer) - 1 - h->size, MSG_DONTWAIT)) > 0)
                h->size += (size_t) n;
        h->answer[h->size] = 0;
        return strstr(h->answer, "\r\n\r\n") &&
               strlen(http_body(h)) >= strtoul(http_header(h, "Content-Length"), NULL, 10);
}

unsigned http_status(const HttpWorld *h)
{
        return strncmp(h->answer, "HTTP/1.1 ", 9) == 0 ? (unsigned) strtoul(h->answer + 9, NULL, 10) : 0;
}

void http_next(HttpWorld *h)
{
        h->size = 0;
        h->answer[0] = 0;
}

unsigned http_ask(HttpWorld *h, const char *method, const char *target)
{
        char request[8192];

        http_connect(h, 0);
        NEED(snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, target) <
             (int) sizeof(request));
        http_send(h, request);
        if (strcmp(method, "HEAD") == 0)
                WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\r\n\r\n")));
        else
                WORLD_UNTIL(h->world, http_is_answered(h));
        return http_status(h);
}
