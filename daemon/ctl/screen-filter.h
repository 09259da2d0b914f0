/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The output of a command for a terminal that the command does not have, such as one that shows a recording.
 * Only sequences that change what the screen shows pass, each as a whole. All others are left out: requests
 * that the terminal answers as if the answer was typed, strings for it such as the clipboard, a title or a
 * picture, modes of the keyboard and the mouse, the printer, and unknown sequences. The output may
 * come in pieces, cut anywhere.
 */

#include "base/buf.h"

/* A longer sequence is left out. */
#define SCREEN_SEQUENCE_MAX 128

typedef enum ScreenState {
        SCREEN_TEXT,
        SCREEN_ESCAPE,   /* after ESC */
        SCREEN_SEQUENCE, /* after ESC [ */
        SCREEN_STRING,   /* after ESC ] and the like, until BEL or the next sequence */
} ScreenState;

typedef struct ScreenFilter {
        ScreenState state;
        char sequence[SCREEN_SEQUENCE_MAX]; /* without its ESC */
        size_t n_sequence;                  /* one more than there is room for: too long */
        char character[4];                  /* the first bytes of one */
        size_t n_character;
} ScreenFilter;

void screen_filter_put(ScreenFilter *s, Buf *out, const char *data, size_t size);
