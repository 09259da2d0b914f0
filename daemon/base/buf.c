/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_done(Buf *b)
{
        free(b->data);
        *b = BUF_INIT;
}

char *buf_reserve(Buf *b, size_t n)
{
        size_t used = buf_length(b), room;
        char *data;

        if (b->failed)
                return NULL;
        if (b->allocated - b->end >= n && b->data)
                return b->data + b->end;

        if (b->start > 0) {
                memmove(b->data, buf_head(b), used);
                b->start = 0;
                b->end = used;
                if (b->allocated - b->end >= n)
                        return b->data + b->end;
        }

        room = b->allocated ?: 256;
        while (room - used < n) {
                if (room > SIZE_MAX / 2) {
                        b->failed = true;
                        return NULL;
                }
                room *= 2;
        }
        data = realloc(b->data, room);
        if (!data) {
                b->failed = true;
                return NULL;
        }
        b->data = data;
        b->allocated = room;
        return b->data + b->end;
}

void buf_commit(Buf *b, size_t n)
{
        b->end += n;
}

void buf_append(Buf *b, const void *data, size_t n)
{
        char *p;

        if (n == 0)
                return;
        p = buf_reserve(b, n);
        if (!p)
                return;
        memcpy(p, data, n);
        buf_commit(b, n);
}

void buf_puts(Buf *b, const char *s)
{
        buf_append(b, s, strlen(s));
}

void buf_printf(Buf *b, const char *format, ...)
{
        _cleanup_free_ char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0) {
                s = NULL;
                b->failed = true;
                return;
        }
        buf_append(b, s, n);
}

void buf_consume(Buf *b, size_t n)
{
        b->start += n;
        if (b->start == b->end)
                buf_done(b);
}
