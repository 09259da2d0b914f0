/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/units.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "unit/test.h"

#define MINUTE (60 * USEC_PER_SEC)

static void test_sizes(void)
{
        static const struct {
                const char *text;
                int r;
                uint64_t bytes;
                const char *shown;
        } rows[] = {
                {"0", 0, 0, "0"},
                {"1", 0, 1, "1"},
                {"1000", 0, 1000, "1000"},
                {"1024", 0, 1024, "1K"},
                {"4096B", 0, 4096, "4K"},
                {"64M", 0, 64 * 1024 * 1024, "64M"},
                {"1.5G", 0, UINT64_C(1536) * 1024 * 1024, "1536M"},
                {"15E", 0, UINT64_C(15) << 60, "15E"},
                {"16E", -ERANGE, 0, NULL},
                {"1.5", -EINVAL, 0, NULL},
                {"64m", -EINVAL, 0, NULL},
                {"64MB", -EINVAL, 0, NULL},
                {"64 M", -EINVAL, 0, NULL},
                {"M", -EINVAL, 0, NULL},
                {"infinity", -EINVAL, 0, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[UNITS_TEXT_SIZE];
                uint64_t n = 0;

                CHECK_ROW(rows[i].text, units_parse_size(rows[i].text, &n) == rows[i].r);
                CHECK_ROW(rows[i].text, n == rows[i].bytes);
                if (rows[i].r == 0)
                        CHECK_TEXT(rows[i].text, units_format_size(text, n), rows[i].shown);
        }
}

static void test_spans(void)
{
        static const struct {
                const char *text;
                int r;
                uint64_t usec;
                const char *shown;
        } rows[] = {
                {"0", 0, 0, "0"},
                {"30", 0, 30 * USEC_PER_SEC, "30s"},
                {"90s", 0, 90 * USEC_PER_SEC, "1min 30s"},
                {"15min", 0, 15 * MINUTE, "15min"},
                {"1h 30min", 0, 90 * MINUTE, "1h 30min"},
                {"1h30min", 0, 90 * MINUTE, "1h 30min"},
                {"1.5h", 0, 90 * MINUTE, "1h 30min"},
                {"24h", 0, 24 * 60 * MINUTE, "1d"},
                {"7days", 0, 7 * 24 * 60 * MINUTE, "1w"},
                {"500ms", 0, 500 * USEC_PER_MSEC, "500ms"},
                {"1us", 0, 1, "1us"},
                {"infinity", 0, UNITS_INFINITY, "infinity"},
                {"", -EINVAL, 0, NULL},
                {"-5s", -EINVAL, 0, NULL},
                {"5 apples", -EINVAL, 0, NULL},
                {"18446744073709551615us", -ERANGE, 0, NULL},
                {"999999999999h", -ERANGE, 0, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[UNITS_TEXT_SIZE];
                uint64_t n = 0, again = 0;

                CHECK_ROW(rows[i].text, units_parse_span(rows[i].text, &n) == rows[i].r);
                CHECK_ROW(rows[i].text, n == rows[i].usec);
                if (rows[i].r < 0)
                        continue;
                CHECK_TEXT(rows[i].text, units_format_span(text, n), rows[i].shown);
                CHECK_ROW(rows[i].text, units_parse_span(text, &again) == 0 && again == n);
        }
}

static void test_booleans(void)
{
        static const char *const yes[] = {"yes", "Yes", "true", "on", "1", "y", "t"},
                                 *const no[] = {"no", "NO", "false", "off", "0", "n", "f"},
                                 *const neither[] = {"", "2", "yess", "ja", " yes"};
        bool b;

        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                CHECK_ROW(yes[i], units_parse_boolean(yes[i], &b) == 0 && b);
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                CHECK_ROW(no[i], units_parse_boolean(no[i], &b) == 0 && !b);
        for (size_t i = 0; i < ELEMENTSOF(neither); i++)
                CHECK_ROW(neither[i], units_parse_boolean(neither[i], &b) == -EINVAL);
}

/* The longest text that there can be. */
static void test_room(void)
{
        char text[UNITS_TEXT_SIZE];
        uint64_t n = 0;

        units_format_span(text, UINT64_MAX - 1);
        CHECK(units_parse_span(text, &n) == 0 && n == UINT64_MAX - 1);
        units_format_size(text, UINT64_MAX);
        CHECK(units_parse_size(text, &n) == 0 && n == UINT64_MAX);
}

int main(void)
{
        test_sizes();
        test_spans();
        test_booleans();
        test_room();
        return test_finish("units");
}
