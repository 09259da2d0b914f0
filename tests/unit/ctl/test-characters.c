/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of others, as a terminal shows it. */

#include "ctl/characters.h"
#include "unit/test.h"

static const struct {
        const char *in, *escaped;
} rows[] = {
        {"", ""},
        {"a\tb\"\\", "a\tb\"\\"},
        {"\x1b[6n", "\\x1b[6n"},
        {"\x1b]52;c;eA==\x07", "\\x1b]52;c;eA==\\x07"},
        {"a\r\nb\x7f", "a\\x0d\\x0ab\\x7f"},
        {"\xc2\x9b"
         "6n\xc2\xa0",
         "\\u009b6n\xc2\xa0"},
        {"\xc2\x80\xc2\x9f", "\\u0080\\u009f"},
        {"\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f", "\\u061c\\u200e\\u200f"},
        {"\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf", "\\u2028\\u202e\xe2\x80\xaf"},
        {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9", "\xe2\x81\xa5\\u2066\\u2069"},
        {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        /* Not UTF-8: a control of one byte, long forms, half a pair, an end within a character. */
        {"\x9b"
         "6n",
         "\\x9b6n"},
        {"\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b"},
        {"\xed\xa0\x80\xf5", "\\xed\\xa0\\x80\\xf5"},
        {"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
};

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_buf_ Buf escaped = BUF_INIT;

                characters_escape(&escaped, rows[i].in, strlen(rows[i].in));
                buf_append(&escaped, "", 1);
                CHECK_TEXT(rows[i].in, buf_head(&escaped), rows[i].escaped);
        }
        return test_finish("characters");
}
