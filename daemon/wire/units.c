/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/time.h"

int units_scale(uint64_t whole, const char *fraction, size_t n_fraction, uint64_t unit, uint64_t *ret)
{
        uint64_t nano = 0, value, part;

        for (size_t i = 0; i < 9; i++)
                nano = nano * 10 + (i < n_fraction ? (uint64_t) (fraction[i] - '0') : 0);
        part = (uint64_t) ((unsigned __int128) nano * unit / 1000000000u);
        if (__builtin_mul_overflow(whole, unit, &value) || __builtin_add_overflow(value, part, &value))
                return -ERANGE;
        *ret = value;
        return 0;
}

int units_take_decimal(const char **p, uint64_t *ret_whole, const char **ret_fraction, size_t *ret_n)
{
        int r;

        r = decimal_take(p, UINT64_MAX, ret_whole);
        if (r < 0)
                return r;
        *ret_fraction = *p;
        *ret_n = 0;
        if (**p != '.')
                return 0;
        *ret_fraction = ++*p;
        *p += strspn(*p, "0123456789");
        *ret_n = (size_t) (*p - *ret_fraction);
        return *ret_n > 0 ? 0 : -EINVAL;
}

int units_parse_size(const char *text, uint64_t *ret)
{
        static const char suffixes[] = "BKMGTPE";
        const char *p = text, *fraction, *suffix;
        uint64_t whole, unit = 1;
        size_t n_fraction;
        int r;

        r = units_take_decimal(&p, &whole, &fraction, &n_fraction);
        if (r < 0)
                return r;
        if (*p) {
                suffix = strchr(suffixes, *p);
                if (!suffix || p[1])
                        return -EINVAL;
                unit = UINT64_C(1) << 10 * (suffix - suffixes);
        }
        if (unit == 1 && n_fraction > 0)
                return -EINVAL;
        return units_scale(whole, fraction, n_fraction, unit, ret);
}

static uint64_t time_unit(const char *unit, size_t n)
{
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                {"seconds", USEC_PER_SEC},
                {"second", USEC_PER_SEC},
                {"sec", USEC_PER_SEC},
                {"s", USEC_PER_SEC},
                {"minutes", 60 * USEC_PER_SEC},
                {"minute", 60 * USEC_PER_SEC},
                {"min", 60 * USEC_PER_SEC},
                {"m", 60 * USEC_PER_SEC},
                {"months", 2629800 * USEC_PER_SEC},
                {"month", 2629800 * USEC_PER_SEC},
                {"M", 2629800 * USEC_PER_SEC},
                {"msec", USEC_PER_MSEC},
                {"ms", USEC_PER_MSEC},
                {"hours", 3600 * USEC_PER_SEC},
                {"hour", 3600 * USEC_PER_SEC},
                {"hr", 3600 * USEC_PER_SEC},
                {"h", 3600 * USEC_PER_SEC},
                {"days", 86400 * USEC_PER_SEC},
                {"day", 86400 * USEC_PER_SEC},
                {"d", 86400 * USEC_PER_SEC},
                {"weeks", 604800 * USEC_PER_SEC},
                {"week", 604800 * USEC_PER_SEC},
                {"w", 604800 * USEC_PER_SEC},
                {"years", 31557600 * USEC_PER_SEC},
                {"year", 31557600 * USEC_PER_SEC},
                {"y", 31557600 * USEC_PER_SEC},
                {"usec", 1},
                {"us", 1},
                {"\xc2\xb5s", 1}, /* micro sign */
                {"\xce\xbcs", 1}, /* Greek mu */
        };

        if (n == 0)
                return USEC_PER_SEC;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && memcmp(units[i].name, unit, n) == 0)
                        return units[i].usec;
        return 0;
}

int units_parse_span(const char *text, uint64_t *ret)
{
        const char *p = text;
        uint64_t sum = 0;

        if (strcmp(text, "infinity") == 0) {
                *ret = UNITS_INFINITY;
                return 0;
        }

        do {
                uint64_t whole, term, unit;
                const char *fraction;
                size_t n_fraction, n;
                int r;

                r = units_take_decimal(&p, &whole, &fraction, &n_fraction);
                if (r < 0)
                        return r;
                p += strspn(p, " ");
                n = strcspn(p, " 0123456789.");
                unit = time_unit(p, n);
                if (unit == 0)
                        return -EINVAL;
                p += n;
                p += strspn(p, " ");
                r = units_scale(whole, fraction, n_fraction, unit, &term);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, term, &sum))
                        return -ERANGE;
        } while (*p);

        if (sum == UNITS_INFINITY)
                return -ERANGE;
        *ret = sum;
        return 0;
}

int units_parse_boolean(const char *text, bool *ret)
{
        static const char *const words[][2] = {
                {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"n", "y"}, {"f", "t"}, {"0", "1"},
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (size_t j = 0; j < 2; j++)
                        if (strcasecmp(words[i][j], text) == 0) {
                                *ret = j == 1;
                                return 0;
                        }
        return -EINVAL;
}

char *units_format_size(char buf[static UNITS_TEXT_SIZE], uint64_t bytes)
{
        static const char suffixes[] = "BKMGTPE";
        size_t i = 0;

        while (bytes > 0 && bytes % 1024 == 0 && suffixes[i + 1]) {
                bytes /= 1024;
                i++;
        }
        snprintf(buf, UNITS_TEXT_SIZE, "%" PRIu64 "%.*s", bytes, i > 0, suffixes + i);
        return buf;
}

char *units_format_span(char buf[static UNITS_TEXT_SIZE], uint64_t usec)
{
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                {"w", 604800 * USEC_PER_SEC},
                {"d", 86400 * USEC_PER_SEC},
                {"h", 3600 * USEC_PER_SEC},
                {"min", 60 * USEC_PER_SEC},
                {"s", USEC_PER_SEC},
                {"ms", USEC_PER_MSEC},
                {"us", 1},
        };
        size_t n = 0;

        if (usec == UNITS_INFINITY)
                return strcpy(buf, "infinity");
        if (usec == 0)
                return strcpy(buf, "0");
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                if (usec < units[i].usec)
                        continue;
                n += (size_t) snprintf(buf + n, UNITS_TEXT_SIZE - n, "%s%" PRIu64 "%s", n > 0 ? " " : "",
                                       usec / units[i].usec, units[i].name);
                usec %= units[i].usec;
        }
        return buf;
}
