/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long a client is expected to take. */

#include "core/think-time.h"

#include "../test.h"

#define START (100 * USEC_PER_SEC)

static void test_longest_counts(void)
{
        ThinkTimes t = {0};

        CHECK(think_time_add(&t, 1000, 2000, START) == 2000);
        CHECK(think_time_add(&t, 1000, 8000, START) == 8000);
        CHECK(think_time_add(&t, 1000, 1000, START) == 7500);
        for (int i = 0; i < 60; i++)
                (void) think_time_add(&t, 1000, 1000, START);
        CHECK(think_time_add(&t, 1000, 1000, START) == 1000);
}

static void test_fades_with_time(void)
{
        ThinkTimes t = {0};

        CHECK(think_time_add(&t, 1000, 80000, START) == 80000);
        CHECK(think_time_add(&t, 1000, 100, START + 3 * USEC_PER_SEC) == 75000 / 8);
        CHECK(think_time_add(&t, 1000, 100, START + 500 * USEC_PER_SEC) == 100);
}

static void test_bounds(void)
{
        ThinkTimes t = {0};

        CHECK(think_time_add(&t, 1000, 500000, START) == THINK_USEC_MAX);
        /* A pause is no time to think: the client of the moment waits long, those after it do not. */
        t = (ThinkTimes){0};
        CHECK(think_time_add(&t, 1000, 60 * USEC_PER_SEC, START) == THINK_USEC_MAX);
        CHECK(think_time_add(&t, 1000, 300, START) == 300);
        CHECK(think_time_add(&t, 1000, 0, START) > 0);
}

static void test_users_are_apart(void)
{
        ThinkTimes t = {0};

        for (uid_t uid = 0; uid < THINK_USERS; uid++)
                CHECK(think_time_add(&t, uid, 1000 * (uid + 1), START + uid) == 1000 * (uid + 1));
        CHECK(think_time_add(&t, 3, 100, START + 20) == 3750);
        /* One more takes the place of the one that has not been there for longest. */
        CHECK(think_time_add(&t, 4000, 700, START + 21) == 700);
        CHECK(think_time_add(&t, 0, 100, START + 22) == 100);
        CHECK(think_time_add(&t, 5, 100, START + 23) == 5625);
}

int main(void)
{
        test_longest_counts();
        test_fades_with_time();
        test_bounds();
        test_users_are_apart();
        return test_finish("think-time");
}
