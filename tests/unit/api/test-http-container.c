/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-container: the calls to the spawner, and how its refusals come back. */

#include <sys/socket.h>

#include "base/fd.h"
#include "unit/api/http-world.h"
#include "wire/spawner-protocol.h"

static void test_inspect(HttpWorld *h)
{
        http_ask_spawner(h, "GET", "/containers/web/json", "GetContainer");
        http_answer_container(h, "running");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200 && strstr(http_body(h), "\"Name\":\"/web\"") &&
              strstr(http_body(h), "\"ExecIDs\":null"));

        http_ask_spawner(h, "GET", "/containers/x/json", "GetContainer");
        world_answer_error(h->world, "NoSuchContainer", "No such container: x");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 404 && strstr(http_body(h), "No such container: x"));
}

static void test_arguments(HttpWorld *h)
{
        static const char *const wrong[] = {
                "/containers/json?limit=x",
                "/containers/json?filters=%7B%22nosuch%22%3A%5B%5D%7D",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                CHECK_ROW(wrong[i], http_ask(h, "GET", wrong[i]) == 400);
}

/* A client that leaves before the answer: the answer is dropped. */
static void test_gone(HttpWorld *h)
{
        http_ask_spawner(h, "GET", "/containers/json", "ListContainers");
        http_connect(h, 0);
        world_answer_error(h->world, "Internal", "too late");
        world_settle(h->world);
        CHECK(h->server->n_connections == 1 && h->world->manager.busy == 0);
}

static void answer_list(World *w, unsigned n)
{
        sd_bus_message *m = NULL;

        NEED(w->pending && sd_bus_message_new_method_return(w->pending, &m) >= 0);
        NEED(sd_bus_message_open_container(m, 'a', CONTAINER_SIGNATURE) >= 0);
        for (unsigned i = 0; i < n; i++) {
                ContainerInfo *c = world_container(w, "web", 7);
                char id[65], name[32];

                snprintf(id, sizeof(id), "%064x", i);
                snprintf(name, sizeof(name), "web%u", i);
                NEED(sd_bus_message_append(m, CONTAINER_SIGNATURE, id, name, c->kind, c->state, c->image,
                                           c->unit, c->slice, c->leader, c->leader_start, c->leader_uid,
                                           c->created_usec, c->started_usec, 0, "", c->user, c->working_dir,
                                           0, c->confined) >= 0);
                container_info_unref(c);
        }
        NEED(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
        sd_bus_message_unref(m);
        w->pending = sd_bus_message_unref(w->pending);
}

/* Many containers are compared with an expression. Others are served meanwhile, and the list is whole. */
static void test_long_list(HttpWorld *h)
{
        static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
        unsigned n_found = 0;
        int busy;
        char c;

        http_ask_spawner(h, "GET", "/containers/json?filters=%7B%22name%22%3A%5B%22web.*%22%5D%7D",
                         "ListContainers");
        busy = h->client;
        h->client = -EBADF;
        http_connect_beside(h, 0);
        answer_list(h->world, 100);
        for (unsigned i = 0; i < 5; i++) {
                http_next(h);
                NEED(send(h->client, ping, strlen(ping), MSG_NOSIGNAL) == (ssize_t) strlen(ping));
                while (!http_is_answered(h))
                        NEED(sd_event_run(h->world->event, USEC_PER_SEC) > 0);
        }
        CHECK(recv(busy, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0);
        fd_close(h->client);
        h->client = busy;
        http_next(h);
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 200);
        for (const char *p = h->answer; (p = strstr(p, "\"Names\":[\"/web")); p++)
                n_found++;
        CHECK(n_found == 100);
}

/* A client that leaves while its list is made. */
static void test_gone_in_the_middle(HttpWorld *h)
{
        http_ask_spawner(h, "GET", "/containers/json", "ListContainers");
        answer_list(h->world, 100);
        CHECK(sd_event_run(h->world->event, USEC_PER_SEC) > 0);
        http_connect(h, 0);
        CHECK(h->server->n_connections == 1 && h->world->manager.busy == 0);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_inspect(h);
        test_arguments(h);
        test_gone(h);
        test_long_list(h);
        test_gone_in_the_middle(h);
        return test_finish("http-container");
}
