/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A growing byte buffer that is filled at its end and consumed at its front. Errors are sticky: after an
 * allocation failed, appends do nothing and buf_error() returns the error, so that a sequence of appends
 * needs one check.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

typedef struct Buf {
        char *data; /* owned */
        size_t start;
        size_t end;
        size_t allocated;
        bool failed;
} Buf;

#define BUF_INIT ((Buf){0})

void buf_done(Buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)

static inline size_t buf_length(const Buf *b)
{
        return b->end - b->start;
}

static inline char *buf_head(const Buf *b)
{
        return b->data + b->start;
}

static inline int buf_error(const Buf *b)
{
        return b->failed ? -ENOMEM : 0;
}

/* Makes room for n more bytes and returns the place for them, or NULL. buf_commit() then counts the filled ones.
 */
char *buf_reserve(Buf *b, size_t n);
void buf_commit(Buf *b, size_t n);

void buf_append(Buf *b, const void *data, size_t n);
void buf_puts(Buf *b, const char *s);
void buf_printf(Buf *b, const char *format, ...) _printf_(2, 3);

/* Drops n bytes from the front; gives the memory back when nothing is left. */
void buf_consume(Buf *b, size_t n);
