/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/decimal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int decimal_read(const char *text, size_t size, uint64_t max, uint64_t *ret)
{
        bool is_too_large = false;
        uint64_t n = 0;

        if (size == 0)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                is_too_large = is_too_large || __builtin_mul_overflow(n, UINT64_C(10), &n) ||
                               __builtin_add_overflow(n, (uint64_t) (text[i] - '0'), &n) || n > max;
        }
        if (is_too_large)
                return -ERANGE;
        *ret = n;
        return 0;
}

int decimal_parse(const char *text, uint64_t max, uint64_t *ret)
{
        return decimal_read(text, strlen(text), max, ret);
}

int decimal_take(const char **p, uint64_t max, uint64_t *ret)
{
        size_t n = 0;
        int r;

        while ((*p)[n] >= '0' && (*p)[n] <= '9')
                n++;
        r = decimal_read(*p, n, max, ret);
        if (r >= 0)
                *p += n;
        return r;
}
