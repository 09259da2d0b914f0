/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/need.h"
#include "wire/env.h"

#define LIST(...) ((char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static const struct {
        const char *name;
        const char *base[5], *list[6], *expected[8];
} merges[] = {
        {"nothing", {"A=1"}, {NULL}, {"A=1"}},
        {"appends", {"A=1"}, {"B=2"}, {"A=1", "B=2"}},
        {"replaces in place", {"A=1", "B=2"}, {"A=3"}, {"A=3", "B=2"}},
        {"last of repeated wins", {"A=1"}, {"B=2", "B=3"}, {"A=1", "B=3"}},
        {"bare name removes", {"A=1", "B=2"}, {"A"}, {"B=2"}},
        {"bare name of nothing", {"A=1"}, {"B"}, {"A=1"}},
        {"bare name does not undo the same list", {"A=1"}, {"B=2", "B"}, {"A=1", "B=2"}},
        {"nor where it was there before", {"A=1"}, {"A=2", "A"}, {"A=2"}},
        {"removed and set again", {"A=1", "B=2"}, {"A", "A=3"}, {"B=2", "A=3"}},
        {"empty entry", {"A=1"}, {""}, {"A=1"}},
        {"empty value", {"A=1"}, {"A="}, {"A="}},
        {"value with =", {NULL}, {"A=b=c"}, {"A=b=c"}},
        {"prefix of a name is another name", {"AB=1"}, {"A=2"}, {"AB=1", "A=2"}},
        {"bare prefix removes nothing", {"AB=1"}, {"A"}, {"AB=1"}},
        {"odd names pass", {NULL}, {"1A=x", "a.b-c=y", "\xff=\n"}, {"1A=x", "a.b-c=y", "\xff=\n"}},
};

static void test_merge(void)
{
        for (size_t i = 0; i < ELEMENTSOF(merges); i++) {
                _cleanup_strv_ char **env = strv_copy((char *const *) merges[i].base);

                NEED_ROW(merges[i].name, env_merge(&env, (char *const *) merges[i].list, NULL) == 0);
                NEED_ROW(merges[i].name,
                         strv_length(env) == strv_length((char *const *) merges[i].expected));
                for (size_t k = 0; env[k]; k++)
                        NEED_ROW(merges[i].name, same_text(env[k], merges[i].expected[k]));
        }
}

static void test_empty_name(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_strv_ char **env = NULL;

        NEED(env_merge(&env, LIST((char *) "=x"), &refusal) == -EINVAL);
        NEED(refusal.kind == REFUSAL_NOT_RUNNABLE);
        NEED(same_text(refusal.message, "environment variable name can't be empty: \"=x\""));
}

static void test_get(void)
{
        char *env[] = {(char *) "AB=1", (char *) "A=2", (char *) "C=", NULL};

        NEED(same_text(env_get(env, "A"), "2"));
        NEED(same_text(env_get(env, "C"), ""));
        NEED(!env_get(env, "B"));
        NEED(!env_get(NULL, "A"));
}

int main(void)
{
        test_merge();
        test_empty_name();
        test_get();
        return 0;
}
