/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-events: earlier events with `since`, later ones until `until`, and only those that match a filter. */

#include <sys/socket.h>

#include "unit/api/http-world.h"

static void add_event_of(HttpWorld *h, const char *action, const char *name, const char *image)
{
        char text[64], of[64];
        char *attributes[] = {text, of, (char *) "role=web", NULL};

        snprintf(text, sizeof(text), "name=%s", name);
        snprintf(of, sizeof(of), "image=%s", image);
        event_log_add(h->world->manager.events, action, "0123456789ab", attributes);
}

static void add_event(HttpWorld *h, const char *action, const char *name)
{
        add_event_of(h, action, name, "registry/busybox:1.36");
}

/* The spawner has to know what there is before the head is sent. */
static void follow(HttpWorld *h, const char *arguments)
{
        char target[512];

        snprintf(target, sizeof(target), "/events%s", arguments);
        http_ask_spawner(h, "GET", target, "ListContainers");
        CHECK(!http_is_answered(h) && h->size == 0);
        world_answer_error(h->world, "Unavailable", "not now");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\r\n\r\n")));
}

static bool has_ended(HttpWorld *h)
{
        (void) http_is_answered(h);
        return strstr(h->answer, "0\r\n\r\n");
}

static void test_refused(HttpWorld *h)
{
        static const char *const wrong[] = {
                "?since=x",
                "?until=1x",
                "?since=-1",
                "?since=20&until=10",
                "?filters=%7B%22nosuch%22%3A%5B%5D%7D",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                char target[256];

                snprintf(target, sizeof(target), "/events%s", wrong[i]);
                CHECK_ROW(wrong[i], http_ask(h, "GET", target) == 400);
        }
}

static void test_past(HttpWorld *h)
{
        add_event(h, "exec_create: ls", "old");
        /* It ends by itself, once that moment has come. */
        follow(h, "?since=1&until=2");
        WORLD_UNTIL(h->world, has_ended(h));
        CHECK(!strstr(h->answer, "old"));
        follow(h, "?since=1.5");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "exec_create: ls")));
        CHECK(strstr(h->answer, "\"from\":\"registry/busybox:1.36\"") &&
              strstr(h->answer, "\"Attributes\":{\"name\":\"old\"") && !has_ended(h));
}

static void test_new(HttpWorld *h)
{
        follow(h, "");
        CHECK(!strstr(h->answer, "old"));
        add_event(h, "start", "new");
        WORLD_UNTIL(h->world, (http_is_answered(h), strstr(h->answer, "\"name\":\"new\"")));
        /* A client that leaves lets go of the spawner, too. */
        http_connect(h, 0);
        CHECK(h->world->manager.busy == 0);
}

static void test_filters(HttpWorld *h)
{
        static const struct {
                const char *filter;
                bool passes;
        } rows[] = {
                {"%22event%22%3A%5B%22exec_die%22%5D", true},
                {"%22event%22%3A%5B%22start%22%5D", false},
                {"%22type%22%3A%5B%22container%22%5D", true},
                {"%22type%22%3A%5B%22image%22%5D", false},
                {"%22image%22%3A%5B%22registry/busybox%22%5D", true},
                {"%22image%22%3A%5B%22busybox%22%5D", false},
                {"%22container%22%3A%5B%22some%22%5D", true},
                {"%22container%22%3A%5B%22so%22%5D", true},
                {"%22container%22%3A%5B%220123%22%5D", true},
                {"%22container%22%3A%5B%22ome%22%5D", false},
                {"%22container%22%3A%5B%22other%22%5D", false},
                {"%22label%22%3A%5B%22role=web%22%5D", true},
                {"%22label%22%3A%5B%22role=db%22%5D", false},
                {"%22volume%22%3A%5B%22v%22%5D", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char arguments[256];

                snprintf(arguments, sizeof(arguments), "?filters=%%7B%s%%7D", rows[i].filter);
                follow(h, arguments);
                add_event(h, "exec_die", "some");
                world_settle(h->world);
                (void) http_is_answered(h);
                CHECK_ROW(rows[i].filter, !!strstr(h->answer, "exec_die") == rows[i].passes);
        }
}

/* As Docker shows them: without its own registry, a tag and a digest. */
static void test_images(HttpWorld *h)
{
        static const char *const same[] = {"busybox", "busybox:1", "docker.io/library/busybox:1.36",
                                           "busybox@sha256:00", "docker.io/library/busybox"};
        static const char *const others[] = {"registry/busybox", "docker.io/my/busybox",
                                             "localhost:5000/busybox"};

        for (size_t i = 0; i < ELEMENTSOF(same) + ELEMENTSOF(others); i++) {
                const char *image = i < ELEMENTSOF(same) ? same[i] : others[i - ELEMENTSOF(same)];

                follow(h, "?filters=%7B%22image%22%3A%5B%22busybox%22%5D%7D");
                add_event_of(h, "exec_die", "some", image);
                world_settle(h->world);
                (void) http_is_answered(h);
                CHECK_ROW(image, !!strstr(h->answer, "exec_die") == (i < ELEMENTSOF(same)));
        }
}

/* A client that falls behind is disconnected without the last chunk, and no other client notices. */
static void test_slow(HttpWorld *h)
{
        ssize_t n;
        char byte;

        follow(h, "");
        for (unsigned i = 0; i <= EVENT_LOG_SIZE; i++)
                add_event(h, "start", "many");
        WORLD_UNTIL(h->world, h->server->n_connections == 0);
        (void) http_is_answered(h);
        CHECK(!has_ended(h));
        n = recv(h->client, &byte, 1, MSG_DONTWAIT);
        CHECK(n == 0);
        CHECK(http_ask(h, "GET", "/_ping") == 200);
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        test_refused(h);
        test_past(h);
        test_new(h);
        test_filters(h);
        test_images(h);
        test_slow(h);
        return test_finish("http-events");
}
