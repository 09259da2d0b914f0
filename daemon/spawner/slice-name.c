/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/slice-name.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/decimal.h"

#define SUFFIX    ".slice"
#define MARK      "execd"
#define DEPTH_MAX 64

int slice_name_make(const char *parent, const char *id, size_t digits, char ret[static SLICE_NAME_SIZE])
{
        size_t length = strlen(parent), suffix = strlen(SUFFIX);
        int n;

        if (!slice_name_is_any(parent) || digits > EXEC_ID_LENGTH)
                return -EINVAL;
        length -= suffix;
        if (length == 1 && parent[0] == '-')
                length = 0;
        n = snprintf(ret, SLICE_NAME_SIZE, "%.*s%s" MARK "%.*s" SUFFIX, (int) length, parent,
                     length > 0 ? "-" : "", (int) digits, id);
        return n < SLICE_NAME_SIZE ? 0 : -ENAMETOOLONG;
}

bool slice_name_is_any(const char *unit)
{
        size_t length = strlen(unit), suffix = strlen(SUFFIX);

        return length > suffix && strcmp(unit + length - suffix, SUFFIX) == 0;
}

bool slice_name_parse(const char *name, char ret_digits[static EXEC_ID_SIZE])
{
        const char *last = strrchr(name, '-');
        size_t n;

        last = last ? last + 1 : name;
        if (strncmp(last, MARK, strlen(MARK)) != 0)
                return false;
        last += strlen(MARK);
        n = strspn(last, "0123456789abcdef");
        if (n < SLICE_DIGITS || n > EXEC_ID_LENGTH || strcmp(last + n, SUFFIX) != 0)
                return false;
        memcpy(ret_digits, last, n);
        ret_digits[n] = 0;
        return true;
}

int slice_name_make_sub(const char *name, unsigned number, char ret[static SLICE_NAME_SIZE])
{
        int length = (int) (strlen(name) - strlen(SUFFIX));
        int n = snprintf(ret, SLICE_NAME_SIZE, "%.*s-%u" SUFFIX, length, name, number);

        return n < SLICE_NAME_SIZE ? 0 : -ENAMETOOLONG;
}

unsigned slice_name_parse_sub(const char *sub, const char *name)
{
        size_t length = strlen(name) - strlen(SUFFIX);
        uint64_t number;

        if (strncmp(sub, name, length) != 0 || sub[length] != '-')
                return 0;
        sub += length + 1;
        /* Each number has one text. */
        if (*sub == '0' || decimal_take(&sub, UINT_MAX, &number) < 0 || strcmp(sub, SUFFIX) != 0)
                return 0;
        return (unsigned) number;
}

int slice_name_cgroup(const char *name, char **ret)
{
        size_t length = strlen(name), suffix = strlen(SUFFIX), n = 0;
        _cleanup_free_ char *path = NULL;
        unsigned depth = 0;

        if (!slice_name_is_any(name) || length >= SLICE_NAME_SIZE)
                return -EINVAL;
        length -= suffix;
        for (size_t i = 0; i < length; i++)
                depth += name[i] == '-';
        if (depth > DEPTH_MAX)
                return -E2BIG;
        path = malloc((depth + 1) * (1 + length + suffix) + 1);
        if (!path)
                return -ENOMEM;
        for (size_t i = 1; i <= length; i++)
                if (i == length || name[i] == '-')
                        n += (size_t) sprintf(path + n, "/%.*s" SUFFIX, (int) i, name);
        path[n] = 0;
        *ret = TAKE_PTR(path);
        return 0;
}
