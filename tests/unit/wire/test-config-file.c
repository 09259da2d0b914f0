/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/config-file.h"

#include "base/buf.h"
#include "unit/test.h"

static int say_assignment(void *userdata, unsigned line, const char *section, const char *key,
                          const char *value)
{
        buf_printf(userdata, "%u %s.%s=%s|", line, section ?: "-", key, value);
        return strcmp(key, "Stop") == 0 ? -ECANCELED : 0;
}

static int say_section(void *userdata, unsigned line, const char *section)
{
        buf_printf(userdata, "%u [%s]|", line, section);
        return 0;
}

static void say_malformed(void *userdata, unsigned line, const char *text)
{
        buf_printf(userdata, "%u !%s|", line, text);
}

static char *parse(const char *data, size_t size, int *ret)
{
        Buf said = BUF_INIT;
        const ConfigHandler h = {
                .on_assignment = say_assignment,
                .on_section = say_section,
                .on_malformed = say_malformed,
                .userdata = &said,
        };

        buf_puts(&said, "");
        *ret = config_file_parse(data, size, &h);
        buf_append(&said, "", 1);
        return said.data;
}

#define NO_EQUALS "there is no \"=\" in it"
#define NO_KEY    "there is no key before the \"=\""
#define NO_NAME   "a section is written [Name]"

static const struct {
        const char *text;
        const char *said;
} rows[] = {
        {"", ""},
        {"\n\n  \n", ""},
        {"[A]\nB=c\n", "1 [A]|2 A.B=c|"},
        {"[A]\nB=c", "1 [A]|2 A.B=c|"},
        {"\xef\xbb\xbf[A]\nB=c\n", "1 [A]|2 A.B=c|"},
        {"[A]\r\nB=c\r\n", "1 [A]|2 A.B=c|"},
        {"  [A]  \n\tB\t = \t c d  \n", "1 [A]|2 A.B=c d|"},
        {"[A]\nB=\nC=d=e\nF==\n", "1 [A]|2 A.B=|3 A.C=d=e|4 A.F==|"},
        {"# a\n; b\n  # c\n[A]\nB=c # d\n", "4 [A]|5 A.B=c # d|"},
        {"B=c\n[A]\n", "1 -.B=c|2 [A]|"},
        {"[A]\nB\n=c\n  =  d\nE=f\n", "1 [A]|2 !" NO_EQUALS "|3 !" NO_KEY "|4 !" NO_KEY "|5 A.E=f|"},
        {"[A\nB=c\n[]\nB=c\n[A]x\nB=c\n",
         "1 !" NO_NAME "|2 .B=c|3 !" NO_NAME "|4 .B=c|5 !" NO_NAME "|6 .B=c|"},
        {"[A]\n[B]\nC=d\n", "1 [A]|2 [B]|3 B.C=d|"},
        {"[A]\nB=c \\\n  d\nE=f\n", "1 [A]|2 A.B=c  d|4 A.E=f|"},
        {"[A]\nB=c\\\nd\\\ne\n", "1 [A]|2 A.B=c d e|"},
        {"[A]\nB=c\\\n# between\n  ; too\nd\nE=f\n", "1 [A]|2 A.B=c d|6 A.E=f|"},
        {"[A]\nB=c\\\\\nE=f\n", "1 [A]|2 A.B=c\\\\|3 A.E=f|"},
        {"[A]\nB=c\\\\\\\nd\n", "1 [A]|2 A.B=c\\\\ d|"},
        {"[A]\nB=c\\ \nE=f\n", "1 [A]|2 A.B=c\\|3 A.E=f|"},
        {"[A]\nB=c\\", "1 [A]|2 A.B=c|"},
        {"[A]\nB=c\\\n\nE=f\n", "1 [A]|2 A.B=c|4 A.E=f|"},
        {"[A]\nB\\\n=c\n", "1 [A]|2 A.B=c|"},
        {"[A]\n# c \\\nB=d\n", "1 [A]|3 A.B=d|"},
        {"[A]\nB=\xff\xfe\x01\n", "1 [A]|2 A.B=\xff\xfe\x01|"},
        {"\\\n\\\n", ""},
        {"[A]\nStop=1\nB=c\n", "1 [A]|2 A.Stop=1|"},
};

static void test_rows(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int r;
                _cleanup_free_ char *said = parse(rows[i].text, strlen(rows[i].text), &r);

                CHECK_ROW(rows[i].text, r == (strstr(rows[i].text, "Stop") ? -ECANCELED : 0));
                CHECK_TEXT(rows[i].text, said, rows[i].said);
        }
}

static void test_nul(void)
{
        static const char text[] = "[A]\nB=c\0d\nE=f\nG=\\\nh\0\\\ni\nJ=k\n";
        int r;
        _cleanup_free_ char *said = parse(text, sizeof(text) - 1, &r);

        CHECK(r == 0);
        CHECK_TEXT("nul", said,
                   "1 [A]|2 !there is a NUL byte in it|3 A.E=f|4 !there is a NUL byte in it|7 A.J=k|");
}

/* A value of n bytes, in lines of `piece` bytes each. */
static char *long_line(size_t n, size_t piece)
{
        Buf b = BUF_INIT;

        buf_puts(&b, "[A]\nB=");
        for (size_t i = 0; i < n; i++)
                buf_puts(&b, i % piece == piece - 1 ? "x\\\n" : "x");
        buf_append(&b, "\nC=d\n", sizeof("\nC=d\n"));
        return b.data;
}

static void test_limits(void)
{
        static const struct {
                const char *name;
                size_t n, piece;
                bool fits;
        } sizes[] = {
                {"fits", CONFIG_LINE_MAX - 2, SIZE_MAX, true},
                {"too long", CONFIG_LINE_MAX - 1, SIZE_MAX, false},
                {"in pieces", CONFIG_LINE_MAX / 2 - 100, 1000, true},
                {"too long in pieces", CONFIG_LINE_MAX, 1000, false},
        };
        _cleanup_free_ char *large = calloc(1, CONFIG_FILE_MAX + 1), *said = NULL;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *text = long_line(sizes[i].n, sizes[i].piece), *told = NULL;

                told = parse(text, strlen(text), &r);
                CHECK_ROW(sizes[i].name, r == 0);
                CHECK_ROW(sizes[i].name, !strstr(told, "2 !it is longer than 64 KiB|") == sizes[i].fits);
                CHECK_ROW(sizes[i].name, strstr(told, "A.C=d|"));
        }
        memset(large, '\n', CONFIG_FILE_MAX + 1);
        said = parse(large, CONFIG_FILE_MAX, &r);
        CHECK(r == 0);
        free(said);
        said = parse(large, CONFIG_FILE_MAX + 1, &r);
        CHECK(r == -EFBIG);
}

int main(void)
{
        test_rows();
        test_nul();
        test_limits();
        return test_finish("config-file");
}
