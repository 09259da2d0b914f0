/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-gate: who knows of a Unix socket only, and who has been passed on by somebody. */

#include "api/http-gate.h"
#include "unit/test.h"

int main(void)
{
        static const char *const local[] = {"",       "localhost",          "LOCALHOST",
                                            "docker", "api.moby.localhost", "d"},
                                 *const others[] = {"localhost:2375", "example.org", "127.0.0.1", "x",
                                                    "localhost.example"};

        CHECK(http_host_is_local(NULL));
        for (size_t i = 0; i < ELEMENTSOF(local); i++)
                CHECK_ROW(local[i], http_host_is_local(local[i]));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                CHECK_ROW(others[i], !http_host_is_local(others[i]));
        return test_finish("http-gate");
}
