/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times as clients read them, whatever the time zone of the daemon. */

#include "base/time.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "unit/test.h"

static const struct {
        uint64_t usec;
        const char *plain, *fraction;
} rows[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {1735689600 * USEC_PER_SEC, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000000Z"},
        {1735689600 * USEC_PER_SEC + 1, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000001Z"},
        {1709164800 * USEC_PER_SEC - 1, "2024-02-28T23:59:59Z", "2024-02-28T23:59:59.999999Z"},
        {1709164800 * USEC_PER_SEC, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"},
        {UINT64_C(4102444799) * USEC_PER_SEC, "2099-12-31T23:59:59Z", "2099-12-31T23:59:59.000000Z"},
};

int main(void)
{
        char buf[RFC3339_SIZE];
        uint64_t before, after;

        setenv("TZ", "Asia/Kathmandu", 1);
        tzset();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_TEXT(rows[i].plain, format_rfc3339(buf, rows[i].usec, 0), rows[i].plain);
                CHECK_TEXT(rows[i].plain, format_rfc3339(buf, rows[i].usec, 1), rows[i].fraction);
        }
        /* Far beyond any calendar it stays within its buffer. */
        CHECK(strlen(format_rfc3339(buf, UINT64_MAX, 1)) < RFC3339_SIZE);

        before = now_usec(CLOCK_MONOTONIC);
        after = now_usec(CLOCK_MONOTONIC);
        CHECK(before > 0 && after >= before);
        CHECK(now_usec(CLOCK_REALTIME) > UINT64_C(1700000000) * USEC_PER_SEC);
        return test_finish("time");
}
