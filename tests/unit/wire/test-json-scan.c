/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Valid JSON and invalid JSON, with Go's words for it; and the walk through a checked text. */

#include <stdlib.h>

#include "base/buf.h"
#include "unit/test.h"
#include "wire/json-scan.h"

#define TEXT(t)        (t), sizeof(t) - 1
#define MAX_DEPTH      3
#define EOF_TEXT       "invalid JSON: unexpected EOF"
#define CHAR(c, where) "invalid JSON: invalid character " c " " where
#define VALUE          "looking for beginning of value"
#define KEY            "looking for beginning of object key string"
#define NUMERIC        "in numeric literal"

static const struct {
        const char *json;
        size_t size;
        const char *expected; /* the kind, or the refusal */
} rows[] = {
        {TEXT("null"), "null"},
        {TEXT("true"), "bool"},
        {TEXT("false"), "bool"},
        {TEXT("\"\""), "string"},
        {TEXT("[]"), "array"},
        {TEXT("{}"), "object"},
        {TEXT("\n\t\r []\n "), "array"},
        {TEXT("0"), "number"},
        {TEXT("-0"), "number"},
        {TEXT("-12.50e+07"), "number"},
        {TEXT("1E-9"), "number"},
        {TEXT("123456789012345678901234567890"), "number"},
        {TEXT("[1,\"a\",[true],{\"b\":null}]"), "array"},
        {TEXT("{\"a\":{\"b\":[]},\"a\":1}"), "object"},
        {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00aF\""), "string"},
        {TEXT("\"\x7f\xff\xc3\""), "string"},

        {TEXT(""), "invalid JSON: got EOF while reading request body"},
        {TEXT(" \n"), "invalid JSON: got EOF while reading request body"},
        {TEXT("01"), "unexpected content after JSON"},
        {TEXT("1 2"), "unexpected content after JSON"},
        {TEXT("nullx"), "unexpected content after JSON"},
        {TEXT("[]]"), "unexpected content after JSON"},
        {TEXT("1\0"), "unexpected content after JSON"},
        {TEXT("1\f"), "unexpected content after JSON"},
        {TEXT("+1"), CHAR("'+'", VALUE)},
        {TEXT(".5"), CHAR("'.'", VALUE)},
        {TEXT("-"), EOF_TEXT},
        {TEXT("-x"), CHAR("'x'", NUMERIC)},
        {TEXT("1."), EOF_TEXT},
        {TEXT("1.x"), CHAR("'x'", "after decimal point in numeric literal")},
        {TEXT("1e"), EOF_TEXT},
        {TEXT("1e+"), EOF_TEXT},
        {TEXT("1ex"), CHAR("'x'", "in exponent of numeric literal")},
        {TEXT("[1,]"), CHAR("']'", VALUE)},
        {TEXT("[,1]"), CHAR("','", VALUE)},
        {TEXT("[1 2]"), CHAR("'2'", "after array element")},
        {TEXT("[1}"), CHAR("'}'", "after array element")},
        {TEXT("["), EOF_TEXT},
        {TEXT("[1"), EOF_TEXT},
        {TEXT("[1,"), EOF_TEXT},
        {TEXT("{"), EOF_TEXT},
        {TEXT("{\"a\""), EOF_TEXT},
        {TEXT("{\"a\":"), EOF_TEXT},
        {TEXT("{\"a\":1"), EOF_TEXT},
        {TEXT("{\"a\":1,"), EOF_TEXT},
        {TEXT("{a:1}"), CHAR("'a'", KEY)},
        {TEXT("{1:1}"), CHAR("'1'", KEY)},
        {TEXT("{\"a\" 1}"), CHAR("'1'", "after object key")},
        {TEXT("{\"a\":1 \"b\"}"), CHAR("'\"'", "after object key:value pair")},
        {TEXT("{\"a\":1,}"), CHAR("'}'", KEY)},
        {TEXT("{]"), CHAR("']'", KEY)},
        {TEXT("tru"), EOF_TEXT},
        {TEXT("tRue"), CHAR("'R'", "in literal true (expecting 'r')")},
        {TEXT("fals "), CHAR("' '", "in literal false (expecting 'e')")},
        {TEXT("nil"), CHAR("'i'", "in literal null (expecting 'u')")},
        {TEXT("NaN"), CHAR("'N'", VALUE)},
        {TEXT("Infinity"), CHAR("'I'", VALUE)},
        {TEXT("'a'"), CHAR("'\\''", VALUE)},
        {TEXT("\\"), CHAR("'\\\\'", VALUE)},
        {TEXT("/* */ 1"), CHAR("'/'", VALUE)},
        {TEXT("\0"), CHAR("'\\x00'", VALUE)},
        {TEXT("\x7f"), CHAR("'\\x7f'", VALUE)},
        {TEXT("\x80"), CHAR("'\\u0080'", VALUE)},
        {TEXT("\xad"), CHAR("'\\u00ad'", VALUE)},
        {TEXT("\xff"), CHAR("'\xc3\xbf'", VALUE)},
        {TEXT("\"a"), EOF_TEXT},
        {TEXT("\"a\\"), EOF_TEXT},
        {TEXT("\"\\u12"), EOF_TEXT},
        {TEXT("\"a\tb\""), CHAR("'\\t'", "in string literal")},
        {TEXT("\"a\0b\""), CHAR("'\\x00'", "in string literal")},
        {TEXT("\"\x1f\""), CHAR("'\\x1f'", "in string literal")},
        {TEXT("\"\\a\""), CHAR("'a'", "in string escape code")},
        {TEXT("\"\\\0\""), CHAR("'\\x00'", "in string escape code")},
        {TEXT("\"\\'\""), CHAR("'\\''", "in string escape code")},
        {TEXT("\"\\u12g4\""), CHAR("'g'", "in \\u hexadecimal character escape")},
        {TEXT("[[[1]]]"), "array"},
        {TEXT("[[[]],[[]]]"), "array"},
        {TEXT("[[[[]]]]"), "invalid JSON: exceeded max depth (3 levels)"},
        {TEXT("{\"a\":[{\"b\":{}}]}"), "invalid JSON: exceeded max depth (3 levels)"},
};

/* Strings as they are in JSON, including quotes, and their meaning. */
static const struct {
        const char *json;
        const char *text;
        size_t size;
} strings[] = {
        {"\"\"", TEXT("")},
        {"\"abc\"", TEXT("abc")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", TEXT("\"\\/\b\f\n\r\t")},
        {"\"\\u0041\\u00e4\\u20ac\"", TEXT("A\xc3\xa4\xe2\x82\xac")},
        {"\"\\ud83d\\ude00\"", TEXT("\xf0\x9f\x98\x80")},
        {"\"\\uD83D\\uDE00\"", TEXT("\xf0\x9f\x98\x80")},
        {"\"\\ud800\\udc00\\udbff\\udfff\"", TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", TEXT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
        /* Characters whose lower bits look like a surrogate: U+1D800, U+2DFFF, U+EDB6D. */
        {"\"\\ud836\\udc00\\ud877\\udfff\"", TEXT("\xf0\x9d\xa0\x80\xf0\xad\xbf\xbf")},
        {"\"\\uDB76\\uDF6Dx\"", TEXT("\xf3\xad\xad\xadx")},
        {"\"a\\u0000b\"", TEXT("a\0b")},
        {"\"\\u0000\"", TEXT("\0")},
        {"\"\xc3\xa4\xf0\x9f\x98\x80\"", TEXT("\xc3\xa4\xf0\x9f\x98\x80")},
        /* Lone surrogates, in whatever company. */
        {"\"\\ud800\"", TEXT("\xef\xbf\xbd")},
        {"\"\\udc00\"", TEXT("\xef\xbf\xbd")},
        {"\"\\ud800x\"", TEXT("\xef\xbf\xbdx")},
        {"\"\\ud800\\n\"", TEXT("\xef\xbf\xbd\n")},
        {"\"\\ud800\\u0041\"", TEXT("\xef\xbf\xbd"
                                    "A")},
        {"\"\\ud800\\\\udc00\"", TEXT("\xef\xbf\xbd\\udc00")},
        {"\"\\udc00\\ud800\"", TEXT("\xef\xbf\xbd\xef\xbf\xbd")},
        {"\"\\ud800\\ud83d\\ude00\"", TEXT("\xef\xbf\xbd\xf0\x9f\x98\x80")},
        /* Bytes that are no UTF-8: one replacement for each. */
        {"\"\xff\"", TEXT("\xef\xbf\xbd")},
        {"\"\xc3\"", TEXT("\xef\xbf\xbd")},
        {"\"\xc0\x80\"", TEXT("\xef\xbf\xbd\xef\xbf\xbd")},
        {"\"\xe0\x80\x80x\"", TEXT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx")},
        {"\"\xed\xa0\x80\"", TEXT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
        {"\"\xf4\x90\x80\x80\"", TEXT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
        {"\"\xe2\x82x\"", TEXT("\xef\xbf\xbd\xef\xbf\xbdx")},
};

/* In steps, with the same end. */
static void check_steps(const char *json, size_t size, const JsonSpan *span, const char *message)
{
        for (size_t bytes = 1; bytes < 6; bytes++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                JsonScan scan;
                int r;

                json_scan_begin(&scan, json, size, MAX_DEPTH);
                do {
                        const char *before = scan.p;

                        r = json_scan_step(&scan, bytes, &refusal);
                        /* Escapes, numbers and the like are taken whole. */
                        CHECK_ROW(json, r != 0 || (scan.p > before && scan.p < before + bytes + 12));
                } while (r == 0);
                CHECK_TEXT(json, refusal.message, message);
                CHECK_ROW(json, message ? r < 0
                                        : r == 1 && scan.value.text == span->text &&
                                                  scan.value.size == span->size &&
                                                  scan.value.kind == span->kind);
        }
}

static void test_rows(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                _cleanup_free_ char *copy = malloc(rows[i].size);
                JsonSpan span = {0};
                int r;

                if (rows[i].size > 0)
                        memcpy(copy, rows[i].json, rows[i].size);
                r = json_scan(copy, rows[i].size, MAX_DEPTH, &span, &refusal);
                CHECK_TEXT(rows[i].json, r < 0 ? refusal.message : json_kind_to_string(span.kind),
                           rows[i].expected);
                CHECK_ROW(rows[i].json, refusal.kind == (r < 0 ? REFUSAL_BAD_REQUEST : REFUSAL_NONE));
                if (r >= 0)
                        CHECK_ROW(rows[i].json,
                                  span.text >= copy && span.text + span.size <= copy + rows[i].size);
                if (rows[i].size < 30)
                        check_steps(copy, rows[i].size, &span, refusal.message);
        }
        CHECK_TEXT("no such kind", json_kind_to_string(_JSON_KIND_MAX), "value");
}

static void test_strings(void)
{
        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                _cleanup_free_ char *found = NULL;
                JsonSpan span;
                size_t size = 0;

                CHECK_ROW(strings[i].json,
                          json_scan(strings[i].json, strlen(strings[i].json), 1, &span, NULL) == 0);
                CHECK_ROW(strings[i].json, json_span_string(&span, &found, &size) == 0);
                CHECK_ROW(strings[i].json,
                          found && size == strings[i].size && memcmp(found, strings[i].text, size + 1) == 0);
        }
        {
                JsonSpan number = {.text = "12", .size = 2, .kind = JSON_KIND_NUMBER};
                char *found = NULL;
                size_t size;

                CHECK(json_span_string(&number, &found, &size) == -EBADMSG && !found);
        }
}

/* Writes the spans that a walk finds: the text of each, unchanged, in brackets. */
static void walk(const JsonSpan *container, Buf *b)
{
        JsonSpan key = {0}, value;
        size_t position = 0;

        while (json_span_next(container, &position, &key, &value)) {
                if (container->kind == JSON_KIND_OBJECT)
                        buf_printf(b, "<%.*s>", (int) key.size, key.text);
                if (value.kind == JSON_KIND_ARRAY || value.kind == JSON_KIND_OBJECT) {
                        buf_puts(b, "(");
                        walk(&value, b);
                        buf_puts(b, ")");
                } else
                        buf_printf(b, "[%.*s]", (int) value.size, value.text);
        }
        /* The end stays the end. */
        CHECK(!json_span_next(container, &position, &key, &value));
}

static void test_walk(void)
{
        static const struct {
                const char *json, *expected;
        } walks[] = {
                {"[]", ""},
                {" [ ] ", ""},
                {"{ }", ""},
                {"[1,2,3]", "[1][2][3]"},
                {"[ 1 , \"a,b]\" ,null ]", "[1][\"a,b]\"][null]"},
                {"[[],[1],[[2]]]", "()([1])(([2]))"},
                {"{\"b\":1,\"a\":2,\"b\":3}", "<\"b\">[1]<\"a\">[2]<\"b\">[3]"},
                {"{ \"a\" : { \"\\\"}\" : [ true ] } , \"\":-1.5e3}",
                 "<\"a\">(<\"\\\"}\">([true]))<\"\">[-1.5e3]"},
        };

        for (size_t i = 0; i < ELEMENTSOF(walks); i++) {
                _cleanup_buf_ Buf b = BUF_INIT;
                JsonSpan span;

                CHECK_ROW(walks[i].json,
                          json_scan(walks[i].json, strlen(walks[i].json), 8, &span, NULL) == 0);
                walk(&span, &b);
                buf_append(&b, "", 1);
                CHECK_TEXT(walks[i].json, buf_head(&b), walks[i].expected);
        }
}

/* The members of an object at the top, and not of those in it. */
static void test_members(void)
{
        static const char json[] =
                " { \"a\" : {\"b\":[{\"c\":1}]} , \"d\":[1,{\"e\":2}],\"a\":\"x\" , \"f\":-1 } ";
        static const char *const expected[][2] = {{"\"a\"", "{\"b\":[{\"c\":1}]}"},
                                                  {"\"d\"", "[1,{\"e\":2}]"},
                                                  {"\"a\"", "\"x\""},
                                                  {"\"f\"", "-1"}};

        for (size_t bytes = 1; bytes < sizeof(json); bytes++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                JsonMember members[4];
                JsonScan scan;
                int r;

                json_scan_begin(&scan, json, sizeof(json) - 1, 8);
                scan.members = members;
                scan.members_max = ELEMENTSOF(members);
                while ((r = json_scan_step(&scan, bytes, &refusal)) == 0)
                        ;
                CHECK(r == 1 && scan.n_members == ELEMENTSOF(expected));
                for (size_t i = 0; i < scan.n_members; i++) {
                        const JsonMember *m = &members[i];

                        CHECK(m->key.size == strlen(expected[i][0]) &&
                              memcmp(m->key.text, expected[i][0], m->key.size) == 0);
                        CHECK(m->value.size == strlen(expected[i][1]) &&
                              memcmp(m->value.text, expected[i][1], m->value.size) == 0);
                }
                json_scan_begin(&scan, json, sizeof(json) - 1, 8);
                scan.members = members;
                scan.members_max = 3;
                while ((r = json_scan_step(&scan, bytes, &refusal)) == 0)
                        ;
                CHECK(r < 0 && refusal.kind == REFUSAL_TOO_LARGE);
        }
}

int main(void)
{
        test_rows();
        test_strings();
        test_walk();
        test_members();
        return test_finish("json-scan");
}
