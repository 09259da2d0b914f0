/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/cast.h"

#include <inttypes.h>
#include <string.h>

#include "base/time.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static void put_escape(Buf *b, uint8_t c)
{
        static const char digits[] = "0123456789abcdef";
        const char text[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

        buf_append(b, text, sizeof(text));
}

/* Bytes that need neither escaping nor thought. */
static bool is_plain(uint8_t c)
{
        return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_ascii(Buf *b, CastText *t, uint8_t c)
{
        switch (c) {
        case '\n':
                buf_puts(b, t->crlf && t->last != '\r' ? "\\r\\n" : "\\n");
                break;
        case '\r':
                buf_puts(b, "\\r");
                break;
        case '\t':
                buf_puts(b, "\\t");
                break;
        case '"':
                buf_puts(b, "\\\"");
                break;
        case '\\':
                buf_puts(b, "\\\\");
                break;
        default:
                if (is_plain(c))
                        buf_append(b, &c, 1);
                else
                        put_escape(b, c);
        }
        t->last = c;
}

/* How many bytes a character has by its first one; 0 when none begins so. */
static size_t length_of(uint8_t first)
{
        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if ((first & 0xf0) == 0xe0)
                return 3;
        return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Whether a byte can follow the bytes of t->part: no overlong form, no surrogate, nothing above U+10FFFF. */
static bool continues(const CastText *t, uint8_t c)
{
        uint8_t low = 0x80, high = 0xbf;

        if (t->n_part == 1) {
                if (t->part[0] == 0xe0)
                        low = 0xa0;
                else if (t->part[0] == 0xed)
                        high = 0x9f;
                else if (t->part[0] == 0xf0)
                        low = 0x90;
                else if (t->part[0] == 0xf4)
                        high = 0x8f;
        }
        return c >= low && c <= high;
}

static void put_replacement(Buf *b, CastText *t)
{
        buf_puts(b, REPLACEMENT);
        t->n_part = 0;
        t->last = 0;
}

static void put_character(Buf *b, CastText *t)
{
        /* U+0080 to U+009F are control characters too. */
        if (t->part[0] == 0xc2 && t->part[1] < 0xa0)
                put_escape(b, t->part[1]);
        else
                buf_append(b, t->part, t->n_part);
        t->n_part = 0;
        t->last = 0;
}

static void put_byte(Buf *b, CastText *t, uint8_t c)
{
        if (t->n_part > 0) {
                if (continues(t, c)) {
                        t->part[t->n_part++] = c;
                        if (t->n_part == length_of(t->part[0]))
                                put_character(b, t);
                        return;
                }
                put_replacement(b, t);
        }
        if (c < 0x80)
                put_ascii(b, t, c);
        else if (length_of(c) > 0)
                t->part[t->n_part++] = c;
        else
                put_replacement(b, t);
}

static void put_bytes(Buf *b, CastText *t, const uint8_t *p, size_t size)
{
        for (size_t i = 0; i < size;) {
                size_t run = 0;

                while (t->n_part == 0 && i + run < size && is_plain(p[i + run]))
                        run++;
                if (run > 0) {
                        buf_append(b, p + i, run);
                        i += run;
                        t->last = p[i - 1];
                        continue;
                }
                put_byte(b, t, p[i++]);
        }
}

static void put_text(Buf *b, const char *text)
{
        CastText t = {0};

        buf_puts(b, "\"");
        put_bytes(b, &t, (const uint8_t *) text, strlen(text));
        if (t.n_part > 0)
                put_replacement(b, &t);
        buf_puts(b, "\"");
}

static void put_member(Buf *b, const char *name, const char *text)
{
        if (!text)
                return;
        buf_printf(b, ", \"%s\": ", name);
        put_text(b, text);
}

void cast_put_header(Buf *b, const CastHeader *h)
{
        buf_printf(b, "{\"version\": 2, \"width\": %u, \"height\": %u, \"timestamp\": %" PRIu64, h->columns,
                   h->rows, h->timestamp);
        put_member(b, "command", h->command);
        put_member(b, "title", h->title);
        if (h->term) {
                buf_puts(b, ", \"env\": {\"TERM\": ");
                put_text(b, h->term);
                buf_puts(b, "}");
        }
        buf_puts(b, ", \"execd\": {\"id\": ");
        put_text(b, h->exec_id);
        put_member(b, "container", h->container);
        put_member(b, "user", h->user);
        buf_printf(b, ", \"caller_uid\": %u, \"tty\": %s}}\n", h->caller_uid, h->tty ? "true" : "false");
}

static void put_event_head(Buf *b, uint64_t usec, char code)
{
        buf_printf(b, "[%" PRIu64 ".%06" PRIu64 ", \"%c\", \"", usec / USEC_PER_SEC, usec % USEC_PER_SEC,
                   code);
}

void cast_put_output(Buf *b, CastText *t, uint64_t usec, const void *data, size_t size)
{
        size_t before = buf_length(b), head;

        put_event_head(b, usec, 'o');
        head = buf_length(b);
        put_bytes(b, t, data, size);
        if (buf_length(b) == head)
                b->end -= head - before;
        else
                buf_puts(b, "\"]\n");
}

void cast_put_output_end(Buf *b, CastText *t, uint64_t usec)
{
        if (t->n_part == 0)
                return;
        put_event_head(b, usec, 'o');
        put_replacement(b, t);
        buf_puts(b, "\"]\n");
}

void cast_put_resize(Buf *b, uint64_t usec, uint16_t columns, uint16_t rows)
{
        put_event_head(b, usec, 'r');
        buf_printf(b, "%ux%u\"]\n", columns, rows);
}

void cast_put_marker(Buf *b, uint64_t usec, const char *label)
{
        buf_printf(b, "[%" PRIu64 ".%06" PRIu64 ", \"m\", ", usec / USEC_PER_SEC, usec % USEC_PER_SEC);
        put_text(b, label);
        buf_puts(b, "]\n");
}
