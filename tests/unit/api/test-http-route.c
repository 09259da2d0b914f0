/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-route: which path with which method is what, in which versions. */

#include "unit/api/http-world.h"

static const struct {
        const char *method, *target;
        unsigned status;
        const char *text; /* in the body */
} rows[] = {
        {"GET", "/_ping", 200, "OK"},
        {"GET", "/v1.24/_ping", 200, "OK"},
        {"GET", "/v1.51/_ping", 200, "OK"},
        {"GET", "/v1.041/_ping", 200, "OK"},
        {"GET", "/v1.23/_ping", 400, "is too old"},
        {"GET", "/v1.52/_ping", 400, "is too new"},
        {"GET", "/v2.0/_ping", 400, "is too new"},
        {"GET", "/V1.41/_ping", 404, "page not found"},
        {"GET", "/v/_ping", 404, "page not found"},
        {"GET", "/_ping/", 404, "page not found"},
        {"get", "/_ping", 404, "page not found"},
        {"PUT", "/_ping", 404, "page not found"},
        {"GET", "/", 404, "page not found"},
        {"GET", "/nosuch", 404, "page not found"},
        {"GET", "/containers", 404, "page not found"},
        {"GET", "/containers/web/exec", 404, "page not found"},
        {"POST", "/containers/web/exec/", 404, "page not found"},
        {"POST", "/containers/a%0Ab/exec", 404, "page not found"},
        {"HEAD", "/version", 404, NULL},
        {"POST", "/containers/web/stop", 501, "not a container engine"},
        {"DELETE", "/containers/web", 501, "not a container engine"},
        {"HEAD", "/containers/web/archive", 501, NULL},
        {"GET", "/images/json", 501, "not a container engine"},
        {"GET", "/networks", 501, "not a container engine"},
        {"GET", "/networks/x/y", 501, "not a container engine"},
        {"GET", "/networksx", 404, "page not found"},
        {"GET", "/v1.41/volumes", 501, "not a container engine"},
        {"GET", "/v4.3.1/libpod/info", 501, "Podman"},
        {"GET", "/libpod/info", 501, "Podman"},
        {"GET", "/a/../_ping", 301, ""},
        {"GET", "//_ping", 301, ""},
        {"GET", "/%ff", 400, "not UTF-8"},
        {"OPTIONS", "/nosuch", 200, ""},
        {"POST", "/exec/x/kill?a=%zz", 400, "invalid URL escape"},
};

static void test_redirect(HttpWorld *h)
{
        CHECK(http_ask(h, "GET", "/v1.41//containers/./json?a=b%20c") == 301);
        CHECK_TEXT("redirect", http_header(h, "Location"), "/v1.41/containers/json?a=b%20c");
        CHECK(http_ask(h, "GET", "//a%0d%0ab%20%25") == 301);
        CHECK_TEXT("what a header must not have", http_header(h, "Location"), "/a%0D%0Ab%20%25");
}

int main(void)
{
        _cleanup_(http_world_freep) HttpWorld *h = http_world_new();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_ROW(rows[i].target, http_ask(h, rows[i].method, rows[i].target) == rows[i].status);
                CHECK_ROW(rows[i].target, !rows[i].text || strstr(http_body(h), rows[i].text));
        }
        test_redirect(h);
        return test_finish("http-route");
}
