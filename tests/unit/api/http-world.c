/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/api/http-world.h"

#include <fcntl.h>
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

void http_connect_beside(HttpWorld *h, uid_t uid)
{
        Peer *peer = calloc(1, sizeof(Peer));
        int ends[2];

        NEED(peer && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        *peer = (Peer){.n_ref = 1, .uid = uid, .pid = 1, .pidfd = -EBADF, .loginuid = UINT32_MAX};
        fd_close(h->client);
        h->client = ends[0];
        NEED(connection_new(h->server, ends[1], peer, NULL) >= 0);
        http_next(h);
}

void http_connect(HttpWorld *h, uid_t uid)
{
        h->client = fd_close(h->client);
        world_settle(h->world);
        http_connect_beside(h, uid);
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
        /* A body may have bytes that are zero. */
        return strstr(h->answer, "\r\n\r\n") && (size_t) (h->answer + h->size - http_body(h)) >=
                                                        strtoul(http_header(h, "Content-Length"), NULL, 10);
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

void http_post(HttpWorld *h, const char *target, const char *body)
{
        char request[4096];

        http_next(h);
        snprintf(
                request, sizeof(request),
                "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                target, strlen(body), body);
        http_send(h, request);
}

static bool is_pending(const World *w, const char *call)
{
        return w->pending && sd_bus_message_is_method_call(w->pending, NULL, call) > 0;
}

void http_ask_spawner(HttpWorld *h, const char *method, const char *target, const char *call)
{
        char request[1024];

        http_connect(h, 0);
        snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, target);
        http_send(h, request);
        WORLD_UNTIL(h->world, is_pending(h->world, call));
}

void http_answer_container(HttpWorld *h, const char *state)
{
        World *w = h->world;
        ContainerInfo *c = world_container(w, "web", 7);

        free(c->state);
        c->state = strdup(state);
        c->leader_pidfd = fcntl(w->listener, F_DUPFD_CLOEXEC, 3);
        WORLD_UNTIL(w, is_pending(w, "GetContainer"));
        world_answer_container(w, c);
        container_info_unref(c);
}

Exec *http_create(HttpWorld *h, const char *body)
{
        /* Its socket takes a few records only. */
        while (*world_record(h->world))
                ;
        http_connect(h, 0);
        http_post(h, "/containers/web/exec", body);
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, http_is_answered(h));
        NEED(http_status(h) == 201);
        return LIST_ENTRY(h->world->manager.execs.last, Exec, node);
}

void http_await_start(HttpWorld *h)
{
        WORLD_UNTIL(h->world, is_pending(h->world, "Start") || is_pending(h->world, "GetContainer"));
        if (is_pending(h->world, "GetContainer"))
                http_answer_container(h, "running");
        WORLD_UNTIL(h->world, is_pending(h->world, "Start"));
}

void http_start_detached(HttpWorld *h, Exec *e, Command *ret)
{
        char target[128];

        snprintf(target, sizeof(target), "/exec/%s/start", e->id);
        http_connect(h, 0);
        http_post(h, target, "{\"Detach\":true}");
        http_await_start(h);
        world_answer_start(h->world, e, ret);
        WORLD_UNTIL(h->world, http_is_answered(h));
        NEED(http_status(h) == 200);
}
