/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* wire/name-pattern: matches, refused expressions, and expressions for which other implementations need gigabytes. */

#include "wire/name-pattern.h"

#include <errno.h>
#include <string.h>

#include "unit/need.h"
#include "unit/test.h"

static void test_matches(void)
{
        static const struct {
                const char *pattern, *text;
                bool matches;
        } rows[] = {
                {"", "", true},
                {"", "web", true},
                {"web", "aweb1", true},
                {"WEB", "web", false},
                {"^web$", "web", true},
                {"^web$", "web1", false},
                {"^/?web$", "/web", true},
                {"\\Aweb\\z", "web", true},
                {"\\Aeb", "web", false},
                {"w.b", "wb", false},
                {"w.b", "wxb", true},
                {"w\\.b", "wxb", false},
                {"^web-[0-9]+$", "web-12", true},
                {"^web-[0-9]+$", "web-", false},
                {"^web-\\d+$", "web-12", true},
                {"^\\D+$", "web1", false},
                {"^[\\w.-]+$", "web_1.a-b", true},
                {"^[^a-c]+$", "web", false},
                {"^[]a]+$", "]a", true},
                {"^[^]a]+$", "]", false},
                {"^[a-]+$", "a-a", true},
                {"^[[:alpha:]_]+[[:digit:]]$", "we_b1", true},
                {"^(web|db)$", "db", true},
                {"^(web|db)$", "webdb", false},
                {"^(?:a|b|c)+$", "abccba", true},
                {"a||b", "x", true},
                {"^(|a)b$", "b", true},
                {"^()$", "", true},
                {"^web(-[0-9]+)?$", "web", true},
                {"^web(-[0-9]+)?$", "web-1", true},
                {"^web(-[0-9]+)?$", "web-", false},
                {"^(a*)*$", "aaaa", true},
                {"^(a*)*$", "aab", false},
                {"^(a+)+b$", "aaaab", true},
                {"^a+?b??$", "aab", true},
                {"^(ab|a)(bc)*c$", "abc", true},
                {"x*", "", true},
                {"\\bdb\\b", "my-db-1", true},
                {"\\bdb\\b", "mydb", false},
                {"\\Bdb", "mydb", true},
                {"^*a", "ba", true},
                {"$", "web", true},
                {"\xc3\xa9$", "caf\xc3\xa9", true},
                {"^[\x80-\xff]+$", "\xc3\xa9", true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(name_pattern_freep) NamePattern *p = NULL;

                CHECK_ROW(rows[i].pattern, name_pattern_new(rows[i].pattern, &p) >= 0);
                CHECK_ROW(rows[i].pattern, p && name_pattern_matches(p, rows[i].text) == rows[i].matches);
        }
}

static void test_refused(void)
{
        static const struct {
                const char *pattern;
                int error;
        } rows[] = {
                {"(", -EINVAL},        {")", -EINVAL},
                {"a)", -EINVAL},       {"(a", -EINVAL},
                {"[", -EINVAL},        {"[]", -EINVAL},
                {"[^]", -EINVAL},      {"[a", -EINVAL},
                {"[b-a]", -EINVAL},    {"[[:nosuch:]]", -EINVAL},
                {"[[:alpha", -EINVAL}, {"[a-\\", -EINVAL},
                {"*a", -EINVAL},       {"+", -EINVAL},
                {"(?)", -EINVAL},      {"(?i)a", -EINVAL},
                {"a|*", -EINVAL},      {"a**", -EINVAL},
                {"a+*", -EINVAL},      {"a???", -EINVAL},
                {"\\", -EINVAL},       {"\\q", -EINVAL},
                {"[\\", -EINVAL},      {"[\\q]", -EINVAL},
                {"a{2}", -EOPNOTSUPP}, {"a{1,9}", -EOPNOTSUPP},
                {"{", -EOPNOTSUPP},    {"(a)\\1", -EOPNOTSUPP},
                {"a+{2}", -EINVAL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(name_pattern_freep) NamePattern *p = NULL;

                CHECK_ROW(rows[i].pattern, name_pattern_new(rows[i].pattern, &p) == rows[i].error && !p);
        }
}

/* So many of `before`, the middle, and as many of `behind`. */
static const char *nested(size_t n, const char *before, const char *middle, const char *behind)
{
        static char text[NAME_PATTERN_MAX + 2];

        NEED(n * (strlen(before) + strlen(behind)) + strlen(middle) < sizeof(text));
        *text = 0;
        for (size_t i = 0; i < n; i++)
                strcat(text, before);
        strcat(text, middle);
        for (size_t i = 0; i < n; i++)
                strcat(text, behind);
        return text;
}

/* A name of many bytes matches none of them. */
static void check_bomb(const char *pattern)
{
        _cleanup_(name_pattern_freep) NamePattern *p = NULL;
        char text[4096];

        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        CHECK_ROW(pattern, name_pattern_new(pattern, &p) >= 0);
        CHECK_ROW(pattern, p && !name_pattern_matches(p, text));
}

static void test_bombs(void)
{
        check_bomb(nested(84, "(", "x", ")+"));
        check_bomb(nested(60, "(", "x", ")*y"));
        check_bomb(nested(34, "(\\b|", "x", ")*y"));
        check_bomb(nested(31, "(^|a)*", "x", ""));
        check_bomb(nested(63, "a*a*", "x", ""));
        check_bomb(nested(80, "a?", "x", ""));
        check_bomb("(a|aa|aaa|a*)*x$");
        check_bomb("^(([a-z])+.)+[A-Z]([a-z])+$");
}

static void test_length(void)
{
        _cleanup_(name_pattern_freep) NamePattern *longest = NULL, *longer = NULL;

        CHECK(name_pattern_new(nested(NAME_PATTERN_MAX, "a", "", ""), &longest) >= 0);
        CHECK(name_pattern_new(nested(NAME_PATTERN_MAX, "a", "a", ""), &longer) == -E2BIG);
        CHECK(longest && name_pattern_matches(longest, nested(NAME_PATTERN_MAX, "a", "a", "")));
}

int main(void)
{
        test_matches();
        test_refused();
        test_bombs();
        test_length();
        return test_finish("name-pattern");
}
