/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Decimal numbers: digits only, without a sign or a space, whatever the locale is. Each function returns 0,
 * -EINVAL if the text is not a number, or -ERANGE if the number is larger than `max`; *ret is set on success
 * only.
 */

#include <stddef.h>
#include <stdint.h>

/* All `size` bytes, which need no NUL after them. */
int decimal_read(const char *text, size_t size, uint64_t max, uint64_t *ret);

/* The whole text. */
int decimal_parse(const char *text, uint64_t max, uint64_t *ret);

/* The digits at *p, which is moved to the end of them. */
int decimal_take(const char **p, uint64_t max, uint64_t *ret);
