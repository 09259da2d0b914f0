/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/command-line.h"

#include "unit/test.h"
#include "wire/login-shell.h"

#define SHELL(word) "/bin/sh", "-c", LOGIN_SHELL_SCRIPT, word

static void test_escaping(void)
{
        static const struct {
                const char *word, *line;
        } rows[] = {
                {"plain-1.2/x", "plain-1.2/x"},      {"", "\"\""},
                {"two words", "\"two words\""},      {"\"\\", "\"\\\"\\\\\""},
                {"line\nbreak", "\"line\\nbreak\""}, {"\033[2J", "\"\\x1b[2J\""},
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

int main(void)
{
        test_escaping();
        test_login_shells();
        return test_finish("command-line");
}
