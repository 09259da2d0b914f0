/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/json-text.h"

#include <string.h>

#include "base/characters.h"

static void append_bytes(Buf *b, const char *text, size_t size)
{
        buf_puts(b, "\"");
        for (size_t i = 0; i < size;) {
                uint32_t c = 0xfffd; /* for a byte that is not UTF-8 */
                int n = character_take(text + i, size - i, &c);

                if (c == '"' || c == '\\')
                        buf_printf(b, "\\%c", (char) c);
                else if (n <= 0 || character_acts(c))
                        buf_printf(b, "\\u%04x", c);
                else
                        buf_append(b, text + i, (size_t) n);
                i += (size_t) MAX(n, 1);
        }
        buf_puts(b, "\"");
}

void json_append_string(Buf *b, const char *text)
{
        append_bytes(b, text, strlen(text));
}

void json_append_strings(Buf *b, char *const *values)
{
        buf_puts(b, "[");
        for (size_t i = 0; values && values[i]; i++) {
                buf_puts(b, i > 0 ? "," : "");
                json_append_string(b, values[i]);
        }
        buf_puts(b, "]");
}

void json_append_pairs(Buf *b, char *const *pairs)
{
        buf_puts(b, "{");
        for (size_t i = 0; pairs && pairs[i]; i++) {
                size_t name = strcspn(pairs[i], "=");

                buf_puts(b, i > 0 ? "," : "");
                append_bytes(b, pairs[i], name);
                buf_puts(b, ":");
                json_append_string(b, pairs[i] + name + (pairs[i][name] ? 1 : 0));
        }
        buf_puts(b, "}");
}

char *json_take(Buf *b)
{
        buf_append(b, "", 1);
        return buf_error(b) < 0 ? NULL : strdup(buf_head(b));
}
