/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* base/decimal: numbers, numbers that are too large, and the rest after a number. */

#include "base/decimal.h"

#include <errno.h>

#include "base/cleanup.h"
#include "unit/test.h"

int main(void)
{
        static const struct {
                const char *text;
                uint64_t max;
                int r;
                uint64_t n;
        } rows[] = {
                {"0", 0, 0, 0},
                {"007", 7, 0, 7},
                {"8", 7, -ERANGE, 0},
                {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
                {"18446744073709551616", UINT64_MAX, -ERANGE, 0},
                {"4294967296", UINT32_MAX, -ERANGE, 0},
                {"99999999999999999999999", UINT64_MAX, -ERANGE, 0},
                {"99999999999999999999999x", UINT64_MAX, -EINVAL, 0},
                {"", 9, -EINVAL, 0},
                {"-1", 9, -EINVAL, 0},
                {"+1", 9, -EINVAL, 0},
                {" 1", 9, -EINVAL, 0},
                {"1 ", 9, -EINVAL, 0},
                {"1\n", 9, -EINVAL, 0},
                {"0x1", 99, -EINVAL, 0},
                {"1e1", 99, -EINVAL, 0},
        };
        const char *p = "12,34";
        uint64_t n;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                n = 4711;
                CHECK_ROW(rows[i].text, decimal_parse(rows[i].text, rows[i].max, &n) == rows[i].r);
                CHECK_ROW(rows[i].text, n == (rows[i].r < 0 ? 4711 : rows[i].n));
        }
        CHECK(decimal_read("123", 2, 99, &n) == 0 && n == 12);
        CHECK(decimal_read("123", 0, 99, &n) == -EINVAL);

        CHECK(decimal_take(&p, 99, &n) == 0 && n == 12 && *p == ',');
        CHECK(decimal_take(&p, 99, &n) == -EINVAL && *p == ',');
        p = "100;";
        CHECK(decimal_take(&p, 99, &n) == -ERANGE && *p == '1');
        return test_finish("decimal");
}
