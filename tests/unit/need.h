/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checks after which nothing more can be tried: the program ends at the first that fails. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                 \
        do {                                                                            \
                if (!(condition)) {                                                     \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
                        exit(1);                                                        \
                }                                                                       \
        } while (0)

/* In a table: which row failed. */
#define NEED_ROW(row, condition)                                                                         \
        do {                                                                                             \
                if (!(condition)) {                                                                      \
                        fprintf(stderr, "%s:%d: row \"%s\": %s\n", __FILE__, __LINE__, row, #condition); \
                        exit(1);                                                                         \
                }                                                                                        \
        } while (0)

static inline int same_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}
