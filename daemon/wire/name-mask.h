/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A set of names as text and as a mask with a bit for each: "all", "none" or some of the names. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The name of bit i, or NULL after the last one. There are at most 64. */
typedef const char *(*NameAt)(size_t i);

int name_mask_parse(NameAt name_at, const char *text, uint64_t *ret);
void name_mask_print(NameAt name_at, uint64_t mask, Buf *b);
/* A description of the texts that name_mask_parse() accepts. */
void name_mask_expect(NameAt name_at, Buf *b);
