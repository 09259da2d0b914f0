/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text in a terminal's output, however it is cut. */

#include "unit/test.h"
#include "wire/plain-text.h"

static const struct {
        const char *in, *out;
} rows[] = {
        {"", ""},
        {"a\tb\n", "a\tb\n"},
        {"a\r\nb\r\r\nc", "a\nb\nc"},
        {"10%\r20%\r\n", "10%\n20%\n"},
        {"\x07"
         "a\x08\x7f\x01",
         "a"},
        {"\x1b[1;31mred\x1b[0m", "red"},
        {"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy"},
        {"\x1bP1$r\x1b\x1b\\z", "z"},
        {"\x1b(Bx\x1b=y\x1b\x1b[mz", "xyz"},
        {"\x1b[3\x1b[4mx", "x"},
        {"\x1b[3\x18x", "x"},
        {"\x1b]52;c;\x1ax", "x"},
        {"\xc2\x9b"
         "1mx\xc2\x9d"
         "0;t\x07y\xc2\x85z\xc2\xa0",
         "xyz\xc2\xa0"},
        {"h\xc3\xa9 \xe2\x82\xac", "h\xc3\xa9 \xe2\x82\xac"},
};

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t cut = 0; cut <= strlen(rows[i].in); cut++) {
                        _cleanup_buf_ Buf b = BUF_INIT;
                        PlainText t = {0};

                        plain_text_put(&t, &b, rows[i].in, cut);
                        plain_text_put(&t, &b, rows[i].in + cut, strlen(rows[i].in) - cut);
                        buf_append(&b, "", 1);
                        CHECK_TEXT(rows[i].in, buf_head(&b), rows[i].out);
                }
        return test_finish("plain-text");
}
