/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/plain-text.h"

#include <string.h>

#define ESC    0x1b
#define BEL    0x07
#define CANCEL 0x18
#define SUB    0x1a

/* The C1 control that ESC and this byte stand for, and the next state. */
static PlainState state_behind(unsigned char c)
{
        if (c == '[')
                return PLAIN_SEQUENCE;
        if (strchr("]PX^_", c))
                return PLAIN_STRING;
        /* Intermediate bytes: one more follows. */
        return c >= 0x20 && c <= 0x2f ? PLAIN_ESCAPE : PLAIN_TEXT;
}

static void put_text(PlainText *t, Buf *out, unsigned char c)
{
        if (t->carriage_return && c != '\r' && c != '\n') {
                /* It went back to the beginning of its line: another line follows. */
                t->carriage_return = false;
                buf_puts(out, "\n");
        }
        if (t->c2) {
                t->c2 = false;
                if (c >= 0x80 && c <= 0x9f) {
                        t->state = state_behind(c - 0x40);
                        return;
                }
                buf_append(out, "\xc2", 1);
        }
        if (c == ESC)
                t->state = PLAIN_ESCAPE;
        else if (c == '\r')
                t->carriage_return = true;
        else if (c == 0xc2)
                t->c2 = true;
        else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f)) {
                t->carriage_return = false;
                buf_append(out, &c, 1);
        }
}

void plain_text_put(PlainText *t, Buf *out, const char *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) data[i];

                if (t->state != PLAIN_TEXT && (c == CANCEL || c == SUB)) {
                        t->state = PLAIN_TEXT;
                        continue;
                }
                switch (t->state) {
                case PLAIN_TEXT:
                        put_text(t, out, c);
                        break;
                case PLAIN_ESCAPE:
                        t->state = c == ESC ? PLAIN_ESCAPE : c ? state_behind(c) : PLAIN_TEXT;
                        break;
                case PLAIN_SEQUENCE:
                        if (c == ESC)
                                t->state = PLAIN_ESCAPE;
                        else if (c >= 0x40 && c <= 0x7e)
                                t->state = PLAIN_TEXT;
                        break;
                case PLAIN_STRING:
                        if (c == BEL)
                                t->state = PLAIN_TEXT;
                        else if (c == ESC)
                                t->state = PLAIN_STRING_END;
                        break;
                case PLAIN_STRING_END:
                        t->state = c == '\\' ? PLAIN_TEXT : c == ESC ? PLAIN_STRING_END : PLAIN_STRING;
                        break;
                }
        }
}
