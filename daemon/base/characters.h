/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Characters of text from elsewhere, which is UTF-8 or should be: D-Bus and JSON take nothing else, the journal shows nothing
 * else, and terminals act on some characters. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* The first character of the text: the number of its bytes, 0 if the text ends within it, or -EILSEQ if the
 * first byte is not the beginning of one. */
int character_take(const char *text, size_t size, uint32_t *ret);

/* True if a terminal does not show the character but acts on it, or shows other characters in another order
 * because of it. */
bool character_acts(uint32_t c);

/* Appends the text with such characters written as \x1b or \u202e, and bytes that are not UTF-8 as \x9b.
 * Tabs stay. */
void characters_escape(Buf *b, const char *text, size_t size);

/* The most bytes of the text, and at most so many, that end with a whole character. */
size_t characters_cut(const char *text, size_t size, size_t max);

/* A copy in which each byte that is not part of a character is U+FFFD, with a NUL added. */
int utf8_repair(const char *text, size_t size, char **ret, size_t *ret_size);
char *utf8_repaired(const char *text); /* NULL without memory */
bool utf8_is_valid(const char *text);
