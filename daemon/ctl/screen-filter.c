/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/screen-filter.h"

#include <string.h>

#include "base/characters.h"

#define ESC         0x1b
#define BEL         0x07
#define CANCEL      0x18
#define SUB         0x1a

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for bytes that are not UTF-8 */

static bool is_one_of(const char *characters, char c)
{
        return c != 0 && strchr(characters, c);
}

/* Sequences */

/* ESC and one byte move the cursor, keep it, set a tab stop or a character set, or reset the screen; with
 * one more before it they name a character set or fill the screen. ESC Z asks what the terminal is, and
 * ESC % turns UTF-8 off, after which other bytes are controls. */
static bool escape_is_display(const char *s, size_t n)
{
        if (n == 1)
                return is_one_of("6789DEHMNOcno|}~", s[0]);
        if (n == 2)
                return is_one_of("()*+-./", s[0]) || (s[0] == '#' && is_one_of("34568", s[1]));
        return false;
}

/* Modes of the screen: of "?", reverse video, origin, wrapping, the cursor, margins, the other screen and
 * updates in one piece; else insertion. Not the modes of the keyboard, the mouse, pasting and reports. */
static bool mode_is_display(unsigned mode, bool private)
{
        static const unsigned modes[] = {5, 6, 7, 12, 25, 45, 47, 69, 1047, 1048, 1049, 2026};

        if (!private)
                return mode == 4;
        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (modes[i] == mode)
                        return true;
        return false;
}

static bool modes_are_display(const char *parameters, size_t n, bool private)
{
        unsigned mode = 0;

        for (size_t i = 0; i <= n; i++) {
                if (i == n || parameters[i] == ';') {
                        if (!mode_is_display(mode, private))
                                return false;
                        mode = 0;
                } else if (parameters[i] < '0' || parameters[i] > '9' || mode > 9999)
                        return false;
                else
                        mode = 10 * mode + (unsigned) (parameters[i] - '0');
        }
        return true;
}

/* The final bytes of the sequences that pass, by what they have before the parameters and after them. */
static const struct {
        char private, intermediate;
        const char *finals;
} display_sequences[] = {
        {0, 0, "@ABCDEFGHIJKLMPSTXZ`abdefghjklmrsu"},
        {'?', 0, "JKhl"},
        {0, ' ', "@Aq"},   /* scroll, shape of the cursor */
        {0, '!', "p"},     /* reset */
        {0, '"', "q"},     /* protect */
        {0, '$', "rtvxz"}, /* rectangles */
        {0, '\'', "}~"},   /* columns */
};

/* `s` begins after ESC [. */
static bool sequence_is_display(const char *s, size_t n)
{
        char private = is_one_of("<=>?", s[0]) ? s[0] : 0, intermediate = 0, final = s[n - 1];
        const char *parameters = s + (private ? 1 : 0);
        size_t left = n - 1 - (private ? 1 : 0), n_parameters = 0;

        while (n_parameters < left && parameters[n_parameters] >= '0' && parameters[n_parameters] <= ';')
                n_parameters++;
        if (left > n_parameters)
                intermediate = parameters[n_parameters];
        if (left > n_parameters + 1)
                return false;
        if (!private && !intermediate && final == 'T' && memchr(parameters, ';', n_parameters))
                return false; /* with several numbers it tracks the mouse */
        if (!intermediate && (final == 'h' || final == 'l') &&
            !modes_are_display(parameters, n_parameters, private))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(display_sequences); i++)
                if (display_sequences[i].private == private &&
                    display_sequences[i].intermediate == intermediate &&
                    is_one_of(display_sequences[i].finals, final))
                        return true;
        return false;
}

static void end_sequence(ScreenFilter *s, Buf *out)
{
        bool passes = s->n_sequence <= sizeof(s->sequence);

        if (passes)
                passes = s->state == SCREEN_ESCAPE ? escape_is_display(s->sequence, s->n_sequence)
                                                   : sequence_is_display(s->sequence + 1, s->n_sequence - 1);
        if (passes) {
                buf_append(out, "\033", 1);
                buf_append(out, s->sequence, s->n_sequence);
        }
        s->state = SCREEN_TEXT;
}

static void put_into_sequence(ScreenFilter *s, Buf *out, char c)
{
        if (s->n_sequence < sizeof(s->sequence))
                s->sequence[s->n_sequence] = c;
        if (s->n_sequence <= sizeof(s->sequence))
                s->n_sequence++;
        if (s->state == SCREEN_ESCAPE && s->n_sequence == 1 && c == '[')
                s->state = SCREEN_SEQUENCE;
        else if (s->state == SCREEN_ESCAPE && s->n_sequence == 1 && is_one_of("]PX^_k", c))
                s->state = SCREEN_STRING;
        else if (c >= (s->state == SCREEN_SEQUENCE ? 0x40 : 0x30))
                end_sequence(s, out);
}

/* Bytes and characters */

static void put_ascii(ScreenFilter *s, Buf *out, char c)
{
        if (c == ESC) {
                s->state = SCREEN_ESCAPE;
                s->n_sequence = 0;
        } else if (c == CANCEL || c == SUB || (c == BEL && s->state == SCREEN_STRING))
                s->state = SCREEN_TEXT;
        else if (s->state == SCREEN_STRING)
                return;
        else if (c < 0x20 || c == 0x7f) {
                /* A terminal acts on these also within a sequence. */
                if (is_one_of("\a\b\t\n\v\f\r\016\017", c))
                        buf_append(out, &c, 1);
        } else if (s->state == SCREEN_TEXT)
                buf_append(out, &c, 1);
        else
                put_into_sequence(s, out, c);
}

/* A character of several bytes. */
static void put_wide(ScreenFilter *s, Buf *out, uint32_t c, const char *bytes, size_t size)
{
        if (c <= 0x9f) {
                /* A control that two bytes of ASCII stand for as well. */
                put_ascii(s, out, ESC);
                put_ascii(s, out, (char) (c - 0x40));
                return;
        }
        if (s->state == SCREEN_STRING)
                return;
        s->state = SCREEN_TEXT;
        buf_append(out, bytes, size);
}

static void put_broken(ScreenFilter *s, Buf *out)
{
        s->n_character = 0;
        put_wide(s, out, 0xfffd, REPLACEMENT, strlen(REPLACEMENT));
}

static void put_byte(ScreenFilter *s, Buf *out, char byte)
{
        bool continues = ((unsigned char) byte & 0xc0) == 0x80;
        uint32_t c;
        int n;

        if (s->n_character > 0 && !continues)
                put_broken(s, out);
        if ((unsigned char) byte < 0x80) {
                put_ascii(s, out, byte);
                return;
        }
        s->character[s->n_character++] = byte;
        n = character_take(s->character, s->n_character, &c);
        if (n < 0)
                put_broken(s, out);
        else if (n > 0) {
                s->n_character = 0;
                put_wide(s, out, c, s->character, (size_t) n);
        }
}

void screen_filter_put(ScreenFilter *s, Buf *out, const char *data, size_t size)
{
        for (size_t i = 0; i < size; i++)
                put_byte(s, out, data[i]);
}
