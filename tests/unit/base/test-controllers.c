/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of the kernel: whole names, and what it means that there is no list. */

#include "base/controllers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static void make(const char *dir, const char *file)
{
        char path[256];
        int fd;

        snprintf(path, sizeof(path), "%s/system.slice/%s", dir, file);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && close(fd) == 0);
}

/* A controller without one of its files; a limit that another file sets as well, and an unknown one. */
static void test_lacking(void)
{
        static const struct {
                const char *files[4], *lacking[4];
        } rows[] = {
                {{"memory.current"}, {"memory.swap.max"}},
                {{"memory.current", "memory.swap.max"}, {NULL}},
                {{"cpu.weight", "io.stat"}, {"cpu.max", "io.weight"}},
                {{"cpu.weight", "cpu.max", "io.stat", "io.weight"}, {NULL}},
                {{"io.stat", "io.bfq.weight"}, {NULL}},
                {{NULL}, {NULL}},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char dir[] = "/tmp/execd-test-controllers-XXXXXX", path[256], command[256];
                _cleanup_free_ char *list = NULL;
                size_t n = 0;

                CHECK(mkdtemp(dir) != NULL);
                snprintf(path, sizeof(path), "%s/system.slice", dir);
                CHECK(mkdir(path, 0700) == 0);
                for (size_t k = 0; k < 4 && rows[i].files[k]; k++)
                        make(dir, rows[i].files[k]);
                snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
                CHECK(controllers_read(path, &list) == 0);
                for (const char *p = list; (p = strchr(p, '-')); p++)
                        n++;
                for (size_t k = 0; k < 4 && rows[i].lacking[k]; k++, n--)
                        CHECK_ROW(rows[i].lacking[k], controllers_lack_file(list, rows[i].lacking[k]));
                CHECK_ROW(rows[i].files[0] ?: "none", n == 0);
                snprintf(command, sizeof(command), "rm -r %s", dir);
                CHECK(system(command) == 0);
        }
}

int main(void)
{
        test_names();
        test_files();
        test_lacking();
        return test_finish("controllers");
}
