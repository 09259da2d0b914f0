/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers as people write them in unit files: sizes, time spans, booleans. Each function takes a whole text
 * and returns 0, -EINVAL if it is malformed, or -ERANGE if the value does not fit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_INFINITY UINT64_MAX

/* Large enough for the texts of the formatting functions. */
#define UNITS_TEXT_SIZE 128

/* "12" or "12.5" at *p: the digits before the point and those after it. */
int units_take_decimal(const char **p, uint64_t *ret_whole, const char **ret_fraction, size_t *ret_n);

/* A number with an optional fraction, times `unit`, exact to one part in 10^9 of the unit. */
int units_scale(uint64_t whole, const char *fraction, size_t n_fraction, uint64_t unit, uint64_t *ret);

/* Bytes: "4096", "64M", "1.5G", to the base of 1024. */
int units_parse_size(const char *text, uint64_t *ret);

/* Microseconds: "2", "2s", "1min 30s", "1.5h", a sum of terms, seconds where no unit is given; "infinity".
 */
int units_parse_span(const char *text, uint64_t *ret);

/* yes, no, true, false, on, off, y, n, t, f, 1, 0, in any case. */
int units_parse_boolean(const char *text, bool *ret);

/* The shortest exact form, which the parsers read back. Both return buf. */
char *units_format_size(char buf[static UNITS_TEXT_SIZE], uint64_t bytes);
char *units_format_span(char buf[static UNITS_TEXT_SIZE], uint64_t usec);
