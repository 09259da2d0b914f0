/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of slices, and what the kernel calls their cgroups. */

#include <string.h>

#include "base/cleanup.h"
#include "spawner/slice-name.h"
#include "unit/need.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_make(void)
{
        static const struct {
                const char *parent;
                size_t digits;
                const char *name;
        } rows[] = {
                {"machine.slice", 12, "machine-execd0123456789ab.slice"},
                {"-.slice", 12, "execd0123456789ab.slice"},
                {"a-b.slice", 16, "a-b-execd0123456789abcdef.slice"},
                {"user-1000.slice", 64, "user-1000-execd" ID ".slice"},
                {"machine", 12, NULL},
                {".slice", 12, NULL},
        };
        char name[SLICE_NAME_SIZE], parent[SLICE_NAME_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int r = slice_name_make(rows[i].parent, ID, rows[i].digits, name);

                NEED_ROW(rows[i].parent, (r >= 0) == (rows[i].name != NULL));
                NEED_ROW(rows[i].parent, r < 0 || strcmp(name, rows[i].name) == 0);
        }
        memset(parent, 'x', sizeof(parent));
        strcpy(parent + 240, ".slice");
        NEED(slice_name_make(parent, ID, 12, name) == -ENAMETOOLONG);
}

static void test_parse(void)
{
        static const struct {
                const char *name, *digits;
        } rows[] = {
                {"machine-execd0123456789ab.slice", "0123456789ab"},
                {"execd0123456789ab.slice", "0123456789ab"},
                {"a-b-execd" ID ".slice", ID},
                {"a-execd0123456789a.slice", NULL},
                {"a-execd" ID "0.slice", NULL},
                {"a-execdition.slice", NULL},
                {"a-execd0123456789aB.slice", NULL},
                {"a-execd0123456789ab.scope", NULL},
                {"a-execd0123456789ab-b.slice", NULL},
                {"a-myexecd0123456789ab.slice", NULL},
                {"", NULL},
        };
        char digits[EXEC_ID_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                bool ok = slice_name_parse(rows[i].name, digits);

                NEED_ROW(rows[i].name, ok == (rows[i].digits != NULL));
                NEED_ROW(rows[i].name, !ok || strcmp(digits, rows[i].digits) == 0);
        }
}

static void test_cgroup(void)
{
        static const struct {
                const char *name, *path;
        } rows[] = {
                {"machine.slice", "/machine.slice"},
                {"a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"},
                {"machine-execd0123456789ab.slice", "/machine.slice/machine-execd0123456789ab.slice"},
                {"machine.scope", NULL},
                {".slice", NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *path = NULL;
                int r = slice_name_cgroup(rows[i].name, &path);

                NEED_ROW(rows[i].name, (r >= 0) == (rows[i].path != NULL));
                NEED_ROW(rows[i].name, r < 0 || strcmp(path, rows[i].path) == 0);
        }
}

static void test_sub(void)
{
        static const struct {
                const char *sub;
                unsigned number;
        } rows[] = {
                {"a-execd0123456789ab-1.slice", 1},
                {"a-execd0123456789ab-256.slice", 256},
                {"a-execd0123456789ab-0.slice", 0},
                {"a-execd0123456789ab-01.slice", 0},
                {"a-execd0123456789ab-1x.slice", 0},
                {"a-execd0123456789ab-+1.slice", 0},
                {"a-execd0123456789ab-99999999999.slice", 0},
                {"a-execd0123456789ab-1-2.slice", 0},
                {"a-execd0123456789ab-.slice", 0},
                {"a-execd0123456789ab-1.scope", 0},
                {"a-execd0123456789ab.slice", 0},
                {"a-execd0123456789abc-1.slice", 0},
                {"b-execd0123456789ab-1.slice", 0},
                {"a-execd", 0},
        };
        char name[SLICE_NAME_SIZE], digits[EXEC_ID_SIZE], parent[SLICE_NAME_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                unsigned number = slice_name_parse_sub(rows[i].sub, "a-execd0123456789ab.slice");

                NEED_ROW(rows[i].sub, number == rows[i].number);
                if (number == 0)
                        continue;
                NEED_ROW(rows[i].sub, slice_name_make_sub("a-execd0123456789ab.slice", number, name) == 0);
                NEED_ROW(rows[i].sub, same_text(name, rows[i].sub));
                /* It does not name the slice of a container. */
                NEED_ROW(rows[i].sub, !slice_name_parse(name, digits));
        }
        memset(parent, 'x', 248);
        strcpy(parent + 248, ".slice");
        NEED(slice_name_make_sub(parent, 1, name) == -ENAMETOOLONG);
}

int main(void)
{
        test_make();
        test_parse();
        test_sub();
        test_cgroup();
        return 0;
}
