/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's texts about what a control group uses. */

#include "base/cleanup.h"
#include "unit/need.h"
#include "wire/usage.h"

static void test_numbers(void)
{
        static const struct {
                const char *text;
                uint64_t value;
        } rows[] = {
                {"0\n", 0},
                {"4096\n", 4096},
                {"18446744073709551615\n", UINT64_MAX},
                {"18446744073709551616\n", USAGE_UNKNOWN},
                {"max\n", USAGE_UNKNOWN},
                {"-1\n", USAGE_UNKNOWN},
                {"12x\n", USAGE_UNKNOWN},
                {"", USAGE_UNKNOWN},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                NEED_ROW(rows[i].text, usage_parse_number(rows[i].text) == rows[i].value);
}

static void test_files(void)
{
        Usage u;

        usage_clear(&u);
        usage_parse_cpu(&u,
                        "usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_periods 7\nnr_throttled 3\n");
        NEED(u.values[USAGE_CPU_USEC] == 300 && u.values[USAGE_USER_USEC] == 200 &&
             u.values[USAGE_SYSTEM_USEC] == 100);
        NEED(u.values[USAGE_PERIODS] == 7 && u.values[USAGE_THROTTLED_PERIODS] == 3 &&
             u.values[USAGE_THROTTLED_USEC] == USAGE_UNKNOWN);
        usage_parse_memory(&u, "anon 1\nactive_file 2\ninactive_file 3\n");
        NEED(u.values[USAGE_INACTIVE_FILE] == 3);
        usage_parse_io(&u, "8:0 rbytes=10 wbytes=1 rios=1 wios=1 dbytes=7\n8:16 rbytes=5 wbytes=2 rios=1\n");
        NEED(u.values[USAGE_IO_READ] == 15 && u.values[USAGE_IO_WRITE] == 3);
        usage_parse_io(&u, "");
        NEED(u.values[USAGE_IO_READ] == 0 && u.values[USAGE_IO_WRITE] == 0);
}

int main(void)
{
        test_numbers();
        test_files();
        return 0;
}
