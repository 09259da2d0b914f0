/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text of a string of JSON. */

#include <stdint.h>
#include <string.h>

#include "base/characters.h"
#include "base/cleanup.h"
#include "wire/json-scan.h"

/* Four hexadecimal digits. */
static uint32_t hex_quad(const char *p)
{
        uint32_t c = 0;

        for (unsigned i = 0; i < 4; i++)
                c = c << 4 | (uint32_t) (p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
        return c;
}

static char *put_utf8(char *out, uint32_t c)
{
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

        for (size_t i = n - 1; i > 0; i--, c >>= 6)
                out[i] = (char) (0x80 | (c & 0x3f));
        out[0] = (char) (lead[n] | c);
        return out + n;
}

/* Decodes the checked escape at the backslash *p, and moves on to the text after it. json-c's decoder is not used:
 * it takes a pair whose character has 0xd800 to 0xdfff in its lower bits for a surrogate once more. */
static char *put_escape(char *out, const char **p, const char *end)
{
        static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
        const char *letter = strchr(letters, (*p)[1]);
        uint32_t c, low;

        if ((*p)[1] != 'u') {
                *out = letter ? meanings[letter - letters] : (*p)[1];
                *p += 2;
                return out + 1;
        }
        c = hex_quad(*p + 2);
        *p += 6;
        if (c >= 0xd800 && c <= 0xdbff && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
                low = hex_quad(*p + 2);
                if (low >= 0xdc00 && low <= 0xdfff) {
                        *p += 6;
                        return put_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
                }
        }
        return put_utf8(out, c >= 0xd800 && c <= 0xdfff ? 0xfffd : c);
}

int json_span_string(const JsonSpan *s, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *decoded = NULL;
        const char *p, *end;
        char *out;

        if (s->kind != JSON_KIND_STRING || s->size < 2)
                return -EBADMSG;
        p = s->text + 1;
        end = s->text + s->size - 1;
        if (!memchr(p, '\\', (size_t) (end - p)))
                return utf8_repair(p, (size_t) (end - p), ret, ret_size);

        /* No escape is shorter than what it stands for. */
        out = decoded = malloc(s->size);
        if (!decoded)
                return -ENOMEM;
        while (p < end) {
                const char *escape = memchr(p, '\\', (size_t) (end - p)) ?: end;

                out = mempcpy(out, p, (size_t) (escape - p));
                p = escape;
                if (p < end)
                        out = put_escape(out, &p, end);
        }
        return utf8_repair(decoded, (size_t) (out - decoded), ret, ret_size);
}

int json_span_copy(const JsonSpan *s, char **ret)
{
        size_t size;

        return utf8_repair(s->text, s->size, ret, &size);
}
