/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of the kernel: whole names, and what it means that there is no list. */

#include "base/controllers.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/test.h"

static void test_names(void)
{
        static const struct {
                const char *list, *name;
                bool has;
        } rows[] = {
                {"cpuset cpu io memory hugetlb pids rdma misc\n", "memory", true},
                {"cpuset cpu io memory\n", "cpuset", true},
                {"cpuset cpu io memory\n", "memory", true},
                {"cpuset io\n", "cpu", false},
                {"hugememory\n", "memory", false},
                {"memory", "memory", true},
                {"\n", "memory", false},
                {"", "memory", false},
                {"memory", "", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_ROW(rows[i].list, controllers_have(rows[i].list, rows[i].name) == rows[i].has);
}

static void test_files(void)
{
        char path[] = "/tmp/execd-test-controllers-XXXXXX";
        int fd = mkstemp(path);
        char *list = NULL;

        CHECK(fd >= 0 && write(fd, "cpu io\n", 7) == 7);
        CHECK(controllers_read(path, &list) == 0 && list && controllers_have(list, "io"));
        free(list);
        CHECK(ftruncate(fd, 1 << 20) == 0 && controllers_read(path, &list) == -EFBIG);
        CHECK(unlink(path) == 0 && close(fd) == 0);
        list = NULL;
        CHECK(controllers_read(path, &list) == 0);
        CHECK_TEXT("no hierarchy", list, "");
        free(list);
        CHECK(controllers_read("/", &list) < 0);
}

int main(void)
{
        test_names();
        test_files();
        return test_finish("controllers");
}
