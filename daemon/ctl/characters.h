/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Characters of text from elsewhere that is to be shown on a terminal. The text is UTF-8, or should be. */

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
