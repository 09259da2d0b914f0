/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-system: ping, version, and what is said of the host. */

#include "unit/api/http-world.h"

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        CHECK(http_ask(h, "HEAD", "/_ping") == 200);
        CHECK_TEXT("no body", http_body(h), "");
        CHECK_TEXT("type", http_header(h, "Content-Type"), "text/plain; charset=utf-8");
        CHECK_TEXT("version", http_header(h, "Api-Version"), "1.51");
        CHECK(http_ask(h, "GET", "/version") == 200);
        CHECK(strstr(http_body(h), "\"ApiVersion\":\"1.51\"") &&
              strstr(http_body(h), "\"MinAPIVersion\":\"1.24\""));

        http_connect(h, 0);
        http_send(h, "GET /info HTTP/1.1\r\nHost: x\r\n\r\n");
        WORLD_UNTIL(h->world, world_was_called(h->world, "ListContainers"));
        world_answer_error(h->world, "Unavailable", "the spawner is away");
        WORLD_UNTIL(h->world, http_is_answered(h));
        CHECK(http_status(h) == 503 && strstr(http_body(h), "the spawner is away"));
        return test_finish("http-system");
}
