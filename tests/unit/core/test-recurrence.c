/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long it is worth to wait for those who come back. */

#include "core/recurrence.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../test.h"

#define BASE (30 * USEC_PER_SEC)
#define LONG (360 * USEC_PER_SEC)

static uint64_t now = 1000 * USEC_PER_SEC;

static uint64_t come_back(Recurrence *r, uint64_t sec)
{
        now += sec * USEC_PER_SEC;
        recurrence_begin(r, now, LONG);
        recurrence_end(r, now);
        return recurrence_stay(r, BASE, LONG) / USEC_PER_SEC;
}

static void test_nobody_came_back(void)
{
        Recurrence r = {0};

        CHECK(come_back(&r, 0) == 30);
        CHECK(come_back(&r, 0) == 30);
}

static void test_interval(void)
{
        Recurrence r = {0};

        come_back(&r, 0);
        CHECK(come_back(&r, 60) == 95);
        CHECK(come_back(&r, 60) == 95);
        CHECK(come_back(&r, 300) == 360); /* not more than the maximum */
        CHECK(come_back(&r, 10) == 346);  /* fades */
        for (int i = 0; i < 40; i++)
                come_back(&r, 10);
        CHECK(come_back(&r, 10) == 30);
}

static void test_bursts_are_no_pauses(void)
{
        Recurrence r = {0};

        come_back(&r, 0);
        come_back(&r, 60);
        for (int i = 0; i < 1000; i++) {
                now += 1000;
                recurrence_begin(&r, now, LONG);
                recurrence_end(&r, now);
        }
        CHECK(recurrence_stay(&r, BASE, LONG) == 95 * USEC_PER_SEC);
}

static void test_too_late(void)
{
        Recurrence r = {0};

        come_back(&r, 0);
        come_back(&r, 60);
        CHECK(come_back(&r, 361) == 30);
        CHECK(come_back(&r, 60) == 95);
}

static void test_off(void)
{
        Recurrence r = {0};

        come_back(&r, 0);
        come_back(&r, 60);
        CHECK(recurrence_stay(&r, BASE, 0) == BASE);
        CHECK(recurrence_stay(&r, LONG, BASE) == LONG);
        CHECK(recurrence_stay(&r, UINT64_MAX, LONG) == UINT64_MAX);
}

static void write_file(const char *directory, const char *text)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/recurrence", directory);
        f = fopen(path, "we");
        CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void test_file(void)
{
        char directory[] = "/tmp/execd-recurrence-XXXXXX", path[128];
        Recurrence r = {.left = 1000, .pause = 60}, found = {0};

        CHECK(mkdtemp(directory));
        recurrence_load(&found, directory);
        CHECK(found.left == 0);
        CHECK(recurrence_save(&r, directory) == 0);
        recurrence_load(&found, directory);
        CHECK(found.left == 1000 && found.pause == 60);

        found = (Recurrence){0};
        write_file(directory, "");
        recurrence_load(&found, directory);
        write_file(directory, "1 x\n");
        recurrence_load(&found, directory);
        write_file(directory, "18446744073709551615 1\n"); /* after a boot, or never */
        recurrence_load(&found, directory);
        write_file(directory, "5 6\n");
        recurrence_load(&found, directory);
        CHECK(found.left == 0 && found.pause == 0);

        snprintf(path, sizeof(path), "%s/recurrence", directory);
        CHECK(unlink(path) == 0 && rmdir(directory) == 0);
        CHECK(recurrence_save(&r, directory) < 0);
}

int main(void)
{
        test_nobody_came_back();
        test_interval();
        test_bursts_are_no_pauses();
        test_too_late();
        test_off();
        test_file();
        return test_finish("recurrence");
}
