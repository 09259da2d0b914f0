/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/characters.h"

#include <errno.h>
#include <string.h>

int character_take(const char *text, size_t size, uint32_t *ret)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        unsigned char first = size > 0 ? (unsigned char) text[0] : 0;
        size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        uint32_t c;

        if (size == 0)
                return 0;
        if (length == 0 || first > 0xf4)
                return -EILSEQ;
        c = length == 1 ? first : first & (0xffU >> (length + 1));
        for (size_t i = 1; i < length; i++) {
                if (i == size)
                        return 0;
                if (((unsigned char) text[i] & 0xc0) != 0x80)
                        return -EILSEQ;
                c = c << 6 | ((unsigned char) text[i] & 0x3f);
        }
        if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return -EILSEQ;
        *ret = c;
        return (int) length;
}

/* Controls, the marks and overrides of the direction of writing, and the separators of lines. */
bool character_acts(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
               (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void characters_escape(Buf *b, const char *text, size_t size)
{
        uint32_t c;

        for (size_t i = 0; i < size;) {
                int n = character_take(text + i, size - i, &c);

                if (n <= 0)
                        buf_printf(b, "\\x%02x", (unsigned char) text[i]);
                else if (c == '\t' || !character_acts(c))
                        buf_append(b, text + i, (size_t) n);
                else
                        buf_printf(b, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
                i += n > 0 ? (size_t) n : 1;
        }
}

size_t characters_cut(const char *text, size_t size, size_t max)
{
        uint32_t c;

        if (size <= max)
                return size;
        /* Bytes that are not characters are cut anywhere. */
        for (size_t begin = max > 3 ? max - 3 : 0; begin < max; begin++) {
                int n = character_take(text + begin, size - begin, &c);

                if (n > 0 && begin + (size_t) n > max)
                        return begin;
        }
        return max;
}

/* How many bytes are whole characters. */
static size_t valid_length(const char *text, size_t size)
{
        size_t i = 0;
        uint32_t c;

        while (i < size) {
                uint64_t eight;
                int n;

                if (size - i >= sizeof(eight)) {
                        memcpy(&eight, text + i, sizeof(eight));
                        if (!(eight & UINT64_C(0x8080808080808080))) {
                                i += sizeof(eight);
                                continue;
                        }
                }
                n = character_take(text + i, size - i, &c);
                if (n <= 0)
                        break;
                i += (size_t) n;
        }
        return i;
}

/* The result takes no more memory than the text: callers have many of them. */
int utf8_repair(const char *text, size_t size, char **ret, size_t *ret_size)
{
        static const char instead[] = "\xef\xbf\xbd";
        size_t valid = valid_length(text, size), n_bad = 0, i;
        char *repaired, *out;

        for (i = valid; i < size; i += valid_length(text + i, size - i)) {
                n_bad++;
                i++;
        }
        repaired = out = malloc(size + n_bad * (sizeof(instead) - 2) + 1);
        if (!repaired)
                return -ENOMEM;
        out = mempcpy(out, text, valid);
        for (i = valid; i < size; i += valid) {
                out = mempcpy(out, instead, sizeof(instead) - 1);
                i++;
                valid = valid_length(text + i, size - i);
                out = mempcpy(out, text + i, valid);
        }
        *out = 0;
        *ret = repaired;
        *ret_size = (size_t) (out - repaired);
        return 0;
}

char *utf8_repaired(const char *text)
{
        size_t size;
        char *copy;

        return utf8_repair(text, strlen(text), &copy, &size) < 0 ? NULL : copy;
}

bool utf8_is_valid(const char *text)
{
        size_t size = strlen(text);
        uint32_t c;
        int n;

        for (size_t i = 0; i < size; i += (size_t) n) {
                n = character_take(text + i, size - i, &c);
                if (n <= 0)
                        return false;
        }
        return true;
}
