/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/exec-brief: an exec in lists, and its bounded size. */

#include "api/exec-brief.h"

#include <string.h>

#include "unit/need.h"
#include "unit/test.h"

static ContainerInfo container = {.name = (char *) "web"};

static Exec exec_of(ExecRequest *q)
{
        return (Exec){.request = q, .container = &container};
}

static char *text_of(size_t size)
{
        char *t = calloc(1, size + 1);

        NEED(t);
        memset(t, 'x', size);
        return t;
}

static void test_small(void)
{
        char *argv[] = {(char *) "ls", (char *) "-l", NULL}, *labels[] = {(char *) "a=b", NULL};
        ExecRequest q = {.argv = argv, .labels = labels};
        Exec e = exec_of(&q);
        _cleanup_strv_ char **command = exec_brief_command(&e), **shown = exec_brief_labels(&e);

        CHECK(strv_length(command) == 2 && strcmp(command[0], "ls") == 0 && strcmp(command[1], "-l") == 0);
        CHECK(strv_length(shown) == 1 && strcmp(shown[0], "a=b") == 0);
        q.labels = NULL;
        CHECK(!exec_brief_labels(&e));
}

static void test_large_argument(void)
{
        _cleanup_free_ char *large = text_of(100000);
        char *argv[] = {(char *) "echo", large, (char *) "end", NULL};
        ExecRequest q = {.argv = argv};
        Exec e = exec_of(&q);
        _cleanup_strv_ char **command = exec_brief_command(&e);

        CHECK(strv_length(command) == 2 && strcmp(command[0], "echo") == 0 && strcmp(command[1], "…") == 0);
        CHECK(exec_brief_size(&e) < 8192 && exec_whole_size(&e) > 100000);
}

static void test_many_arguments(void)
{
        char *argv[10001] = {0};
        ExecRequest q = {.argv = argv};
        Exec e = exec_of(&q);
        _cleanup_strv_ char **command = NULL;
        size_t n;

        for (size_t i = 0; i < 10000; i++)
                argv[i] = (char *) "";
        command = exec_brief_command(&e);
        n = strv_length(command);
        CHECK(n > 10 && n <= 65 && strcmp(command[n - 1], "…") == 0);
        CHECK(exec_brief_size(&e) < 8192 && exec_whole_size(&e) > 10000 * 16);
}

/* One that does not fit does not hide those that do. */
static void test_labels(void)
{
        _cleanup_free_ char *large = text_of(4000);
        char *labels[] = {(char *) "a=1", large, (char *) "b=2", NULL}, *argv[] = {(char *) "true", NULL};
        ExecRequest q = {.argv = argv, .labels = labels};
        Exec e = exec_of(&q);
        _cleanup_strv_ char **shown = exec_brief_labels(&e);

        CHECK(strv_length(shown) == 2 && strcmp(shown[0], "a=1") == 0 && strcmp(shown[1], "b=2") == 0);
}

int main(void)
{
        test_small();
        test_large_argument();
        test_many_arguments();
        test_labels();
        return test_finish("exec-brief");
}
