/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Turns the output of a terminal into plain text, without control characters and control sequences. Lines end
 * with "\n". The text may come in pieces, cut anywhere.
 */

#include <stdbool.h>

#include "base/buf.h"

typedef enum PlainState {
        PLAIN_TEXT,
        PLAIN_ESCAPE,     /* after ESC */
        PLAIN_SEQUENCE,   /* after ESC [, to its final byte */
        PLAIN_STRING,     /* after ESC ] and similar ones, to BEL or ESC \ */
        PLAIN_STRING_END, /* after an ESC in it */
} PlainState;

typedef struct PlainText {
        PlainState state;
        bool carriage_return; /* a "\r" that may be the first half of "\r\n" */
        bool c2;              /* the first byte of U+0080 to U+00BF */
} PlainText;

void plain_text_put(PlainText *t, Buf *out, const char *data, size_t size);
