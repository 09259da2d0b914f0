/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/command-line.h"

#include "base/characters.h"
#include "unit/test.h"
#include "wire/login-shell.h"

#define SHELL(word) "/bin/sh", "-c", LOGIN_SHELL_SCRIPT, word

static void test_escaping(void)
{
        static const struct {
                const char *word, *line;
        } rows[] = {
                {"plain-1.2/x", "plain-1.2/x"},
                {"", "\"\""},
                {"two words", "\"two words\""},
                {"\"\\", "\"\\\"\\\\\""},
                {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
                {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""},
                {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\""},
                {"\xe2\x80\x8f", "\"\\xe2\\x80\\x8f\""},
                {"\xd8\x9c", "\"\\xd8\\x9c\""},
                {"\xc2\x9b", "\"\\xc2\\x9b\""},
                {"\xff\xe2\x82", "\"\\xff\\xe2\\x82\""},
                {"line\nbreak", "\"line\\nbreak\""},
                {"\033[2J", "\"\\x1b[2J\""},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *line =
                        command_line_escape((char *[]){(char *) rows[i].word, NULL}, 100);

                CHECK_ROW(rows[i].word, line && strcmp(line, rows[i].line) == 0);
        }
}

/* Only the very command of `execctl shell` is shown as such: nothing else may hide behind these words. */
static void test_login_shells(void)
{
        static const struct {
                const char *line; /* NULL: as it is */
                const char *user;
                const char *argv[8];
        } rows[] = {
                {"login shell of root", NULL, {SHELL("login")}},
                {"login shell of app", "app", {SHELL("login-here")}},
                {"login shell of \"a\\nb\"", "a\nb", {SHELL("login")}},
                {NULL, "app", {SHELL("login"), "more"}},
                {NULL, "app", {SHELL("other")}},
                {NULL, "app", {"/bin/sh", "-c", LOGIN_SHELL_SCRIPT}},
                {NULL, "app", {"/bin/sh", "-c", LOGIN_SHELL_SCRIPT "; id", "login"}},
                {NULL, "app", {"/tmp/sh", "-c", LOGIN_SHELL_SCRIPT, "login"}},
                {NULL, "app", {"/bin/sh"}},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ExecRequest q = {.argv = (char **) rows[i].argv, .user = (char *) rows[i].user};
                _cleanup_free_ char *line = command_line_of_request(&q, 4096),
                                    *plain = command_line_escape(q.argv, 4096);

                CHECK_ROW(rows[i].line ?: rows[i].argv[0],
                          line && plain && strcmp(line, rows[i].line ?: plain) == 0);
        }
}

/* The journal shows records, and D-Bus sends messages, of whole characters only. */
static void test_length(void)
{
        char word[64 * 3 + 1] = "";

        for (size_t i = 0; i < 64; i++)
                memcpy(word + 3 * i, "\xe2\x82\xac", 4);
        for (size_t max = 0; max < 70; max++) {
                _cleanup_free_ char *line = command_line_escape((char *[]){word, NULL}, max);

                CHECK(line && utf8_is_valid(line));
                CHECK(line && strlen(line) <= max + 3 && strlen(line) > max);
        }
}

int main(void)
{
        test_escaping();
        test_length();
        test_login_shells();
        return test_finish("command-line");
}
