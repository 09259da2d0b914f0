/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parts of a table-driven unit test: checks that go on after a failure and say where it was, and a verdict at
 * the end. A program that checked nothing has failed.
 */

#include <stdio.h>
#include <string.h>

static unsigned test_n_checks, test_n_failures;

#define CHECK(condition)                                                                     \
        do {                                                                                 \
                test_n_checks++;                                                             \
                if (!(condition)) {                                                          \
                        test_n_failures++;                                                   \
                        fprintf(stderr, "%s:%d: FAIL %s\n", __FILE__, __LINE__, #condition); \
                }                                                                            \
        } while (0)

/* In a table: `row` tells which one. */
#define CHECK_ROW(row, condition)                                                                \
        do {                                                                                     \
                test_n_checks++;                                                                 \
                if (!(condition)) {                                                              \
                        test_n_failures++;                                                       \
                        fprintf(stderr, "%s:%d: FAIL row \"%s\": %s\n", __FILE__, __LINE__, row, \
                                #condition);                                                     \
                }                                                                                \
        } while (0)

/* Two strings, either of which may be NULL. */
#define CHECK_TEXT(row, found, expected)                                                                    \
        do {                                                                                                \
                const char *f_ = (found), *e_ = (expected);                                                 \
                test_n_checks++;                                                                            \
                if (f_ && e_ ? strcmp(f_, e_) != 0 : f_ != e_) {                                            \
                        test_n_failures++;                                                                  \
                        fprintf(stderr, "%s:%d: FAIL row \"%s\"\n  found    %s\n  expected %s\n", __FILE__, \
                                __LINE__, row, f_ ?: "(null)", e_ ?: "(null)");                             \
                }                                                                                           \
        } while (0)

static inline int test_finish(const char *name)
{
        if (test_n_failures > 0 || test_n_checks == 0) {
                printf("FAIL %s: %u of %u checks\n", name, test_n_failures, test_n_checks);
                return 1;
        }
        printf("ok %s: %u checks\n", name, test_n_checks);
        return 0;
}
