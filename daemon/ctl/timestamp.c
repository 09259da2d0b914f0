/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/timestamp.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/time.h"
#include "wire/units.h"

#define TEXT_MAX 64

/* Removes `suffix` from the end of the text. */
static bool take_suffix(char *text, const char *suffix)
{
        size_t n = strlen(text), k = strlen(suffix);

        if (n <= k || strcmp(text + n - k, suffix) != 0)
                return false;
        text[n - k] = 0;
        return true;
}

static int parse_relative(char *text, uint64_t now, uint64_t *ret)
{
        bool ago = take_suffix(text, " ago"), back = ago || *text == '-';
        const char *span = *text == '-' || *text == '+' ? text + 1 : text;
        uint64_t usec;

        if (ago && span != text)
                return -EINVAL;
        if (units_parse_span(span, &usec) < 0 || usec == UNITS_INFINITY)
                return -EINVAL;
        if (!back && usec > UINT64_MAX / 2 - now)
                return -EINVAL;
        *ret = back ? now - MIN(now, usec) : now + usec;
        return 0;
}

static int from_tm(struct tm *tm, bool utc, uint64_t *ret)
{
        time_t t;

        tm->tm_isdst = -1;
        t = utc ? timegm(tm) : mktime(tm);
        if (t < 0)
                return -EINVAL;
        *ret = (uint64_t) t * USEC_PER_SEC;
        return 0;
}

/* Midnight, so many days before today. */
static int parse_day(int days_before, uint64_t now, uint64_t *ret)
{
        time_t t = (time_t) (now / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&t, &tm))
                return -EINVAL;
        tm.tm_mday -= days_before;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        return from_tm(&tm, false, ret);
}

static int parse_date(char *text, uint64_t now, uint64_t *ret)
{
        static const char *const formats[] = {
                "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                "%Y-%m-%d",          "%H:%M:%S",          "%H:%M",
        };
        bool utc = take_suffix(text, " UTC") || take_suffix(text, "Z");
        time_t t = (time_t) (now / USEC_PER_SEC);

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                struct tm tm;
                const char *end;

                if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
                        return -EINVAL;
                tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
                end = strptime(text, formats[i], &tm);
                if (end && !*end)
                        return from_tm(&tm, utc, ret);
        }
        return -EINVAL;
}

/* Seconds since 1970, with up to six digits after a point. */
static int parse_seconds(char *text, uint64_t *ret)
{
        uint64_t seconds, fraction = 0;
        char *point = strchr(text, '.');

        if (point) {
                size_t n = strlen(point + 1);

                *point = 0;
                if (n == 0 || n > 6 || decimal_parse(point + 1, USEC_PER_SEC - 1, &fraction) < 0)
                        return -EINVAL;
                for (; n < 6; n++)
                        fraction *= 10;
        }
        if (decimal_parse(text, UINT64_MAX / 2 / USEC_PER_SEC, &seconds) < 0)
                return -EINVAL;
        *ret = seconds * USEC_PER_SEC + fraction;
        return 0;
}

int timestamp_parse(const char *text, uint64_t now, uint64_t *ret)
{
        char copy[TEXT_MAX];

        if (!*text || strlen(text) >= sizeof(copy))
                return -EINVAL;
        strcpy(copy, text);
        if (strcmp(text, "now") == 0) {
                *ret = now;
                return 0;
        }
        if (strcmp(text, "today") == 0)
                return parse_day(0, now, ret);
        if (strcmp(text, "yesterday") == 0)
                return parse_day(1, now, ret);
        if (*text == '@')
                return parse_seconds(copy + 1, ret);
        if (*text == '-' || *text == '+' || strstr(text, " ago"))
                return parse_relative(copy, now, ret);
        return parse_date(copy, now, ret);
}
