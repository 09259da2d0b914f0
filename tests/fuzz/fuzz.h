/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shared by the fuzz targets. A target takes any bytes and aborts when a promise does not hold; replay.c or
 * libFuzzer brings the bytes. A target that only waits for a crash tests little: each checks what must be
 * true.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                             \
        do {                                                                                           \
                if (!(condition)) {                                                                    \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                                       \
                }                                                                                      \
        } while (0)

/* The rest of the input. */
typedef struct FuzzInput {
        const uint8_t *data;
        size_t size;
} FuzzInput;

static inline uint8_t fuzz_byte(FuzzInput *in)
{
        if (in->size == 0)
                return 0;
        in->size--;
        return *in->data++;
}

/* Owned bytes with a NUL after them and no more room than that, so that a read past the end is seen. */
static inline char *fuzz_copy(const void *data, size_t size)
{
        char *copy = malloc(size + 1);

        PROMISE(copy);
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = 0;
        return copy;
}

/* The bytes up to the next NUL, which is taken too, as an owned text. */
static inline char *fuzz_text(FuzzInput *in)
{
        size_t n = in->size > 0 ? strnlen((const char *) in->data, in->size) : 0;
        char *text = fuzz_copy(in->data, n);

        in->data += n;
        in->size -= n;
        (void) fuzz_byte(in);
        return text;
}

/* How a stream of bytes is cut: up to eight sizes of pieces, of which the last one goes on. */
typedef struct FuzzCuts {
        size_t sizes[8];
        size_t n, next;
} FuzzCuts;

static inline FuzzCuts fuzz_cuts(FuzzInput *in)
{
        FuzzCuts c = {.n = 1 + fuzz_byte(in) % 8};

        for (size_t i = 0; i < c.n; i++)
                c.sizes[i] = 1 + fuzz_byte(in);
        return c;
}

static inline size_t fuzz_next_cut(FuzzCuts *c, size_t left)
{
        size_t size = c->sizes[c->next];

        if (c->next + 1 < c->n)
                c->next++;
        return MIN(size, left);
}

static inline int fuzz_same(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}
