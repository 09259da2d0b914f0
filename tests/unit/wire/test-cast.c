/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Recordings: how bytes are written in them, and which files are taken for a recording. */

#include "unit/test.h"
#include "wire/cast.h"

#define FFFD "\xef\xbf\xbd"

/* Records the pieces, which are cut at '|', and returns the data of all events, one event a line. Owned. */
static char *written(const char *pieces, size_t size, bool crlf)
{
        CastText t = {.crlf = crlf};
        Buf b = BUF_INIT;

        for (size_t at = 0; at <= size;) {
                const char *bar = memchr(pieces + at, '|', size - at);
                size_t n = bar ? (size_t) (bar - pieces) - at : size - at;

                cast_put_output(&b, &t, 1500000, pieces + at, n);
                at += n + 1;
        }
        cast_put_output_end(&b, &t, 1500000);
        CHECK(t.n_part == 0);
        buf_append(&b, "", 1);
        return b.data;
}

#define O(data) "[1.500000, \"o\", \"" data "\"]\n"

static void test_output(void)
{
        static const struct {
                const char *in, *out;
                bool crlf;
        } rows[] = {
                {"", "", false},
                {"hello", O("hello"), false},
                {"a\nb\n", O("a\\nb\\n"), false},
                {"a\nb\r\n", O("a\\r\\nb\\r\\n"), true},
                {"a\r|\nb", O("a\\r") O("\\nb"), true},
                {"a|\nb", O("a") O("\\r\\nb"), true},
                {"\"\\/\t", O("\\\"\\\\/\\t"), false},
                {"\x1b[1m\x07\x7f", O("\\u001b[1m\\u0007\\u007f"), false},

                /* Characters of each length, whole and cut. */
                {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", O("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                 false},
                {"h\xc3|\xa9", O("h") O("\xc3\xa9"), false},
                {"\xe2|\x82|\xac", O("\xe2\x82\xac"), false},
                {"\xf0\x9f|\x98|\x80x", O("\xf0\x9f\x98\x80x"), false},
                {"\xc2\x85\xc2\xa0", O("\\u0085\xc2\xa0"), false},
                {"\xc2|\x9b", O("\\u009b"), false},

                /* Invalid bytes: a replacement for each beginning that does not go on, and for each stray
                   byte. */
                {"\xff\xfe", O(FFFD FFFD), false},
                {"\x80x", O(FFFD "x"), false},
                {"\xc3", O(FFFD), false},
                {"\xe2\x82", O(FFFD), false},
                {"\xc3|x", O(FFFD "x"), false},
                {"\xe2\x82|\xc3\xa9", O(FFFD "\xc3\xa9"), false},
                {"\xc3\xc3\xa9", O(FFFD "\xc3\xa9"), false},
                {"\xc0\xaf", O(FFFD FFFD), false},
                {"\xe0\x80\x80", O(FFFD FFFD FFFD), false},
                {"\xed\xa0\x80", O(FFFD FFFD FFFD), false},
                {"\xf4\x90\x80\x80", O(FFFD FFFD FFFD FFFD), false},
                {"\xf5", O(FFFD), false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *out = written(rows[i].in, strlen(rows[i].in), rows[i].crlf);

                CHECK_TEXT(rows[i].in, out, rows[i].out);
        }
}

static void test_nul(void)
{
        _cleanup_free_ char *out = written("a\0b", 3, false);

        CHECK_TEXT("NUL", out, O("a\\u0000b"));
}

/* Wherever a text is cut, the events say the same. */
static void test_cuts(void)
{
        static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff\r\n\x1b[0m\xc2\x85z";

        for (size_t cut = 0; cut < sizeof(text); cut++) {
                CastText whole = {.crlf = true}, halves = {.crlf = true};
                _cleanup_buf_ Buf a = BUF_INIT, b = BUF_INIT;
                CastEvent one = {0}, first = {0}, second = {0};
                const char *line;
                size_t n;

                cast_put_output(&a, &whole, 0, text, sizeof(text) - 1);
                CHECK(cast_read_event(buf_head(&a), buf_length(&a) - 1, &one, NULL) == 0);
                cast_put_output(&b, &halves, 0, text, cut);
                if (buf_length(&b) > 0)
                        CHECK(cast_read_event(buf_head(&b), buf_length(&b) - 1, &first, NULL) == 0);
                n = buf_length(&b);
                cast_put_output(&b, &halves, 0, text + cut, sizeof(text) - 1 - cut);
                line = n < buf_length(&b) ? buf_head(&b) + n : NULL;
                if (line)
                        CHECK(cast_read_event(line, buf_length(&b) - n - 1, &second, NULL) == 0);
                CHECK(first.size + second.size == one.size);
                CHECK(!first.data || memcmp(one.data, first.data, first.size) == 0);
                CHECK(!second.data || memcmp(one.data + first.size, second.data, second.size) == 0);
                cast_event_done(&one);
                cast_event_done(&first);
                cast_event_done(&second);
        }
}

static void test_other_lines(void)
{
        static const CastHeader header = {
                .columns = 80,
                .rows = 24,
                .timestamp = 1735689600,
                .command = "sh -c \"\x1b\"",
                .title = "web: sh\xff",
                .term = "xterm",
                .exec_id = "ab",
                .container = "web",
                .user = "app",
                .caller_uid = 4294967295,
                .tty = true,
        };
        static const CastHeader least = {.columns = 1, .rows = 2, .exec_id = "ab"};
        _cleanup_buf_ Buf b = BUF_INIT;

        cast_put_header(&b, &header);
        cast_put_header(&b, &least);
        cast_put_resize(&b, 61000001, 132, 50);
        cast_put_marker(&b, 0, "recording \"truncated\"");
        buf_append(&b, "", 1);
        CHECK_TEXT("lines", buf_head(&b),
                   "{\"version\": 2, \"width\": 80, \"height\": 24, \"timestamp\": 1735689600, \"command\": "
                   "\"sh -c \\\"\\u001b\\\"\", \"title\": \"web: sh" FFFD
                   "\", \"env\": {\"TERM\": \"xterm\"}, "
                   "\"execd\": {\"id\": \"ab\", \"container\": \"web\", \"user\": \"app\", \"caller_uid\": "
                   "4294967295, \"tty\": true}}\n"
                   "{\"version\": 2, \"width\": 1, \"height\": 2, \"timestamp\": 0, \"execd\": {\"id\": "
                   "\"ab\", \"caller_uid\": 0, \"tty\": false}}\n"
                   "[61.000001, \"r\", \"132x50\"]\n"
                   "[0.000000, \"m\", \"recording \\\"truncated\\\"\"]\n");
}

static void test_read_header(void)
{
        static const struct {
                const char *line, *refusal;
                uint32_t columns, rows;
                uint64_t idle_limit_usec;
        } rows[] = {
                {"{\"version\":2,\"width\":80,\"height\":24}", NULL, 80, 24, UINT64_MAX},
                {"{\"version\":2.0,\"width\":8e1,\"height\":24,\"idle_time_limit\":2.5,\"x\":[{}]}", NULL,
                 80, 24, 2500000},
                {"{\"version\":2,\"width\":80,\"height\":24,\"idle_time_limit\":null}", NULL, 80, 24,
                 UINT64_MAX},
                {"{\"version\":1,\"width\":80,\"height\":24}", "unsupported asciicast version", 0, 0, 0},
                {"{\"version\":3,\"width\":80,\"height\":24}", "unsupported asciicast version", 0, 0, 0},
                {"{\"width\":80,\"height\":24}", "not an asciicast header", 0, 0, 0},
                {"{\"version\":\"2\",\"width\":80,\"height\":24}", "not an asciicast header", 0, 0, 0},
                {"{\"version\":2,\"height\":24}", "no \"width\"", 0, 0, 0},
                {"{\"version\":2,\"width\":80}", "no \"height\"", 0, 0, 0},
                {"{\"version\":2,\"width\":-1,\"height\":24}", "\"width\"", 0, 0, 0},
                {"{\"version\":2,\"width\":80,\"height\":65536}", "\"height\"", 0, 0, 0},
                {"{\"version\":2,\"width\":80.5,\"height\":24}", "\"width\"", 0, 0, 0},
                {"[0,\"o\",\"x\"]", "not an asciicast header", 0, 0, 0},
                {"", "EOF", 0, 0, 0},
                {"{\"version\":2,", "unexpected EOF", 0, 0, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                CastInfo info = {0};
                int r = cast_read_header(rows[i].line, strlen(rows[i].line), &info, &e);

                CHECK_ROW(rows[i].line, (r < 0) == (rows[i].refusal != NULL));
                if (rows[i].refusal)
                        CHECK_ROW(rows[i].line, e.message && strstr(e.message, rows[i].refusal));
                CHECK_ROW(rows[i].line, info.columns == rows[i].columns && info.rows == rows[i].rows);
                CHECK_ROW(rows[i].line, info.idle_limit_usec == rows[i].idle_limit_usec);
        }
}

static void test_read_event(void)
{
        static const struct {
                const char *line, *data;
                uint64_t usec;
                char code;
        } rows[] = {
                {"[0,\"o\",\"\"]", "", 0, 'o'},
                {"[1.5, \"o\", \"a\\u001b\\r\\n\\ud83d\\ude00\"]", "a\x1b\r\n\xf0\x9f\x98\x80", 1500000,
                 'o'},
                {"[1e-05,\"i\",\"x\"]", "x", 10, 'i'},
                {"[0.0000019,\"r\",\"80x24\"]", "80x24", 1, 'r'},
                {"[12.5E1,\"m\",\"label\"]", "label", 125000000, 'm'},
                {"[1.123456789012345678901,\"o\",\"x\"]", "x", 1123456, 'o'},
                {"[000001000000000e-0,\"o\",\"x\"]", NULL, 0, 0},
                {"[1000000000,\"o\",\"x\"]", "x", UINT64_C(1000000000000000), 'o'},
                {"[1000000001,\"o\",\"x\"]", NULL, 0, 0},
                {"[1e99999999999,\"o\",\"x\"]", NULL, 0, 0},
                {"[0e99999999999,\"o\",\"x\"]", "x", 0, 'o'},
                {"[1e-99999999999,\"o\",\"x\"]", "x", 0, 'o'},
                {"[99999999999999999999999,\"o\",\"x\"]", NULL, 0, 0},
                {"[1,\"oo\",\"x\"]", "x", 1000000, 0},
                {"[1,\"x\",\"x\",5]", "x", 1000000, 0},
                {"[1,\"\\u0000\",\"x\"]", "x", 1000000, 0},
                {"[-1,\"o\",\"x\"]", NULL, 0, 0},
                {"[1,\"o\"]", NULL, 0, 0},
                {"[1,\"o\",5]", NULL, 0, 0},
                {"[\"1\",\"o\",\"x\"]", NULL, 0, 0},
                {"{\"a\":1}", NULL, 0, 0},
                {"[1,\"o\",\"x\"", NULL, 0, 0},
                {"[1,\"o\",\"x\"] x", NULL, 0, 0},
                {"", NULL, 0, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                CastEvent e = {0};
                int r = cast_read_event(rows[i].line, strlen(rows[i].line), &e, &refusal);

                CHECK_ROW(rows[i].line, (r < 0) == (rows[i].data == NULL));
                CHECK_ROW(rows[i].line, (r < 0) == (refusal.message != NULL));
                CHECK_TEXT(rows[i].line, e.data, rows[i].data);
                CHECK_ROW(rows[i].line, e.usec == rows[i].usec && e.code == rows[i].code);
                cast_event_done(&e);
        }
}

int main(void)
{
        test_output();
        test_nul();
        test_cuts();
        test_other_lines();
        test_read_header();
        test_read_event();
        return test_finish("cast");
}
