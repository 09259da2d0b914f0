/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/strv.h"

#include <string.h>

char **strv_free(char **v)
{
        STRV_FOREACH (i, v)
                free(*i);
        free(v);
        return NULL;
}

char *memdup_text(const char *data, size_t size)
{
        char *copy = malloc(size + 1);

        if (!copy)
                return NULL;
        memcpy(copy, data, size);
        copy[size] = 0;
        return copy;
}

size_t strv_length(char *const *v)
{
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

/* glibc puts 8 bytes before each allocation, rounds the sum up to a multiple of 16, and takes 32 at least. */
static size_t allocated_size(size_t size)
{
        return MAX((size + 8 + 15) & ~(size_t) 15, (size_t) 32);
}

size_t strv_size(char *const *v)
{
        size_t size = 0;

        for (; v && *v; v++)
                size += sizeof(char *) + allocated_size(strlen(*v) + 1);
        return size;
}

int strv_consume(char ***v, char *s)
{
        size_t n = strv_length(*v);
        char **w;

        if (!s)
                return -ENOMEM;

        w = reallocarray(*v, n + 2, sizeof(char *));
        if (!w) {
                free(s);
                return -ENOMEM;
        }
        *v = w;
        (*v)[n] = s;
        (*v)[n + 1] = NULL;
        return 0;
}

int strv_append(char ***v, const char *s)
{
        return strv_consume(v, strdup(s));
}

int strv_append_counted(char ***v, size_t *n, size_t *room, const char *s)
{
        char *copy;

        if (*n + 2 > *room) {
                size_t more = *room * 2 + 16;
                char **w = reallocarray(*v, more, sizeof(char *));

                if (!w)
                        return -ENOMEM;
                *v = w;
                *room = more;
        }
        copy = strdup(s);
        (*v)[*n] = copy;
        if (!copy)
                return -ENOMEM;
        *n += 1;
        (*v)[*n] = NULL;
        return 0;
}

char **strv_copy(char *const *v)
{
        _cleanup_strv_ char **copy = NULL;
        size_t n = strv_length(v);

        copy = calloc(n + 1, sizeof(char *));
        if (!copy)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                copy[i] = strdup(v[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE_PTR(copy);
}

int names_find(const char *const *names, size_t n, const char *name)
{
        for (size_t i = 0; name && i < n; i++)
                if (names[i] && strcmp(names[i], name) == 0)
                        return (int) i;
        return -EINVAL;
}
