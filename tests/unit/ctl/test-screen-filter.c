/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts of a command's output that reach a terminal that shows it later, however it is cut. */

#include "ctl/screen-filter.h"
#include "unit/test.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* NULL: all of it. */
static const struct {
        const char *in, *out;
} rows[] = {
        {"", NULL},
        {"a\tb\r\nc\b\a\v\f\x0e\x0f", NULL},
        {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", NULL},

        /* Display. */
        {"\x1b[1;38;2;255;0;0mred\x1b[0m\x1b[38:5:1m\x1b[m", NULL},
        {"\x1b[H\x1b[2J\x1b[3J\x1b[10;20H\x1b[K\x1b[?2J\x1b[2;5r\x1b[4A\x1b[s\x1b[u", NULL},
        {"\x1b[?1049h\x1b[?25l\x1b[?12;25h\x1b[4h\x1b[4l\x1b[?2026h", NULL},
        {"\x1b[2 q\x1b[!p\x1b[3T\x1b[S\x1b[3b", NULL},
        {"\x1b"
         "7\x1b"
         "8\x1bM\x1b"
         "c\x1b(B\x1b(0\x1b)0\x1b#8",
         NULL},

        /* Requests that a terminal answers. */
        {"a\x05"
         "b",
         "ab"},
        {"a\x1b[6nb\x1b[5n\x1b[?6n\x1b[n", "ab"},
        {"a\x1b[cb\x1b[0c\x1b[>c\x1b[=c\x1b[>0;1c\x1bZ", "ab"},
        {"a\x1b[21tb\x1b[18t\x1b[14;2t\x1b[3;0;0t\x1b[22;0;0t", "ab"},
        {"a\x1b[?2026$pb\x1b[4$p\x1b[>q\x1b[>0q\x1b[?u\x1b[&u\x1b[1$w\x1b[1;1;1;1;9;9*y", "ab"},
        {"a\x1b[xb\x1b[1x\x1b[?1;1;0S\x1b['|\x1b[1;2'z\x1b[1'{\x1b[#|\x1b[?4m\x1b[>4;2m", "ab"},

        /* Modes and acts beyond the display. */
        {"a\x1b[?1000hb\x1b[?1003;1006h\x1b[?1049;1000h\x1b[?2004h\x1b[?1004h\x1b[?1h\x1b[2h\x1b[?3h", "ab"},
        {"a\x1b[?hb\x1b[h\x1b[?99999999999999999999999925h\x1b[?25:1h\x1b[>25h", "ab"},
        {"a\x1b[5ib\x1b[i\x1b[1;2;3;4;5T\x1b[>1u\x1b[=1u\x1b[<u\x1b[1q\x1b[62;1\"p\x1b=\x1b>\x1b G\x1b%@\x1b%G",
         "ab"},

        /* Strings. */
        {"a\x1b]52;c;eA==\x07"
         "b\x1b]52;c;?\x1b\\c",
         "abc"},
        {"a\x1b]0;title\x07"
         "b\x1b]8;;http://x\x1b\\c\x1bktitle\x1b\\d",
         "abcd"},
        {"a\x1bP$qm\x1b\\b\x1b_Gi=1,a=q;AAAA\x1b\\c\x1b^x\x1b\\d\x1bXx\x1b\\e", "abcde"},
        {"a\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\b", "ab"},
        {"a\x1b]0;\xe2\x82\xac\x9c\x07"
         "b\x1b]0;x\xc2\x9c"
         "c",
         "abc"},

        /* Controls of one character, and bytes that are one in other character sets. */
        {"a\xc2\x9b"
         "6nb\xc2\x9d"
         "52;c;eA==\x07"
         "c\xc2\x9a"
         "d\xc2\x90q\xc2\x9c"
         "e",
         "abcde"},
        {"\xc2\x9b"
         "1mx",
         "\x1b[1mx"},
        {"a\x9b"
         "6n",
         "a" REPLACEMENT "6n"},
        {"\xc3\x1b[6na", REPLACEMENT "a"},
        {"\xe2\x82\x41\xc0\x9b\xff", REPLACEMENT "A" REPLACEMENT REPLACEMENT REPLACEMENT},

        /* Sequences with other bytes in between: only whole sequences pass. */
        {"a\x1b[6\x1b[6nb\x1b[\x1b]52;c;\x1b[6nc", "abc"},
        {"a\x1b[6\nnb\x1b[1\nmc\x1b\x1b[6nd", "a\nb\n\x1b[1mcd"},
        {"a\x1b[6\x18nb\x1b]0;x\x1a"
         "c",
         "anbc"},
        {"a\x1b[6\xc3\xa9nb", "a\xc3\xa9nb"},
        {"a\x1b[6 5nb\x1b[1 1 qc\x1b[1?25hd\x1b[??25he", "abcde"},
        {"a\x1b[6\x7fnb\x1b[31\x05mc", "ab\x1b[31mc"},
        {"a\x1b[[Ab\x1b($Bc", "aAbc"},
        {"a\x1b[38;2;1", "a"},
        {"a\x1b]52;c;eA==", "a"},
};

static void check(const char *in, const char *out)
{
        for (size_t cut = 0; cut <= strlen(in); cut++) {
                _cleanup_buf_ Buf b = BUF_INIT;
                ScreenFilter s = {0};

                screen_filter_put(&s, &b, in, cut);
                screen_filter_put(&s, &b, in + cut, strlen(in) - cut);
                buf_append(&b, "", 1);
                CHECK_TEXT(in, buf_head(&b), out ?: in);
        }
}

/* The longest sequence that passes, and one that is longer. */
static void check_length(void)
{
        char in[SCREEN_SEQUENCE_MAX + 16];

        for (size_t n = SCREEN_SEQUENCE_MAX - 1; n <= SCREEN_SEQUENCE_MAX + 2; n++) {
                snprintf(in, sizeof(in), "\x1b[%0*dmx", (int) n - 2, 1);
                check(in, n <= SCREEN_SEQUENCE_MAX ? in : "x");
        }
}

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check(rows[i].in, rows[i].out);
        check_length();
        return test_finish("screen-filter");
}
