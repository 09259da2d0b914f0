/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of others, as a terminal shows it. */

#include "base/characters.h"
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

/* "a" and three characters of two, three and four bytes. */
static const char many[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";

static void test_cut(void)
{
        static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};

        for (size_t max = 0; max < ELEMENTSOF(whole); max++)
                CHECK_ROW(many, characters_cut(many, strlen(many), max) == whole[max]);
        CHECK(characters_cut("\x80\x80\x80\x80\x80", 5, 4) == 4);
        CHECK(characters_cut("", 0, 0) == 0);
}

static void test_repair(void)
{
        static const char *const texts[][2] = {
                {"", ""},
                {many, many},
                {"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
                {"\x9b"
                 "6n\xff",
                 "\xef\xbf\xbd"
                 "6n\xef\xbf\xbd"},
                {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *repaired = utf8_repaired(texts[i][0]);

                CHECK_TEXT(texts[i][0], repaired, texts[i][1]);
                CHECK_ROW(texts[i][0],
                          utf8_is_valid(texts[i][0]) == (strcmp(texts[i][0], texts[i][1]) == 0));
                CHECK_ROW(texts[i][0], repaired && utf8_is_valid(repaired));
        }
}

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_buf_ Buf escaped = BUF_INIT;

                characters_escape(&escaped, rows[i].in, strlen(rows[i].in));
                buf_append(&escaped, "", 1);
                CHECK_TEXT(rows[i].in, buf_head(&escaped), rows[i].escaped);
        }
        test_cut();
        test_repair();
        return test_finish("characters");
}
