/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/launch-limits: a runner that meets a limit fails with a text that names it, and one that has failed without
 * meeting one does not. The control group is a directory of the test. */

#include "spawner/launch-limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/need.h"
#include "unit/test.h"

static char directory[] = "/tmp/launch-limits-XXXXXX";

/* The linker puts these in place of the kernel's. */
int __wrap_cgroup_open(const char *path);
int __wrap_cgroup_open(const char *path)
{
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static void write_events(unsigned oom_kills)
{
        char path[64];
        FILE *f;

        snprintf(path, sizeof(path), "%s/memory.events", directory);
        f = fopen(path, "we");
        NEED(f);
        fprintf(f, "low 7\nhigh 7\nmax 7\noom 7\noom_kill %u\noom_group_kill 9\n", oom_kills);
        NEED(fclose(f) == 0);
}

typedef struct Row {
        const char *name, *property;
        uint64_t memory, quota; /* of the container */
        unsigned oom_kills;     /* since the mark */
        int error;
        const char *expected; /* NULL: no limit is the cause */
} Row;

static const Row rows[] = {
        {"killed", NULL, 4096, LIMIT_NONE, 1, EIO, "its memory limit of 4096 bytes"},
        {"a joiner was killed", NULL, 4096, LIMIT_NONE, 1, ECHILD, "was killed for lack of memory"},
        {"killed by the limit of the exec", "MemoryMax", LIMIT_NONE, LIMIT_NONE, 1, EIO, "(MemoryMax)"},
        {"killed by somebody else", NULL, 4096, LIMIT_NONE, 0, EIO, NULL},
        {"killed without a limit", NULL, LIMIT_NONE, LIMIT_NONE, 1, EIO, NULL},
        {"another property", "TasksMax", LIMIT_NONE, LIMIT_NONE, 1, EIO, NULL},
        {"no memory", NULL, 4096, LIMIT_NONE, 0, ENOMEM, "got no memory"},
        {"no memory without a limit", NULL, LIMIT_NONE, LIMIT_NONE, 0, ENOMEM, NULL},
        {"no time", NULL, LIMIT_NONE, 25000, 0, ETIMEDOUT,
         "the CPU limit of the container, 2.5% of a processor"},
        {"no time by the limit of the exec", "CPUQuota", LIMIT_NONE, LIMIT_NONE, 0, ETIMEDOUT, "(CPUQuota)"},
        {"no time without a limit", NULL, 4096, LIMIT_NONE, 0, ETIMEDOUT, NULL},
        {"another error", NULL, 4096, 25000, 1, EPERM, NULL},
};

static void check_row(const Row *row)
{
        char *properties[] = {(char *) row->property, (char *) "1", NULL};
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Slice slice = {.cgroup = (char *) "/a.slice"};
        LaunchLimits l;

        for (LimitType t = 0; t < _LIMIT_MAX; t++)
                slice.limits.values[t] = LIMIT_NONE;
        slice.limits.values[LIMIT_MEMORY_MAX] = row->memory;
        slice.limits.values[LIMIT_CPU_QUOTA] = row->quota;
        launch_limits_init(&l, row->property ? properties : NULL);
        write_events(3);
        launch_limits_mark(&l, &slice);
        write_events(3 + row->oom_kills);
        CHECK_ROW(row->name,
                  launch_limits_explain(&l, &slice, row->error, &refusal) == (row->expected != NULL));
        CHECK_ROW(row->name, refusal.kind == (row->expected ? REFUSAL_NOT_RUNNABLE : REFUSAL_NONE));
        CHECK_ROW(row->name, !row->expected || (refusal.message && strstr(refusal.message, row->expected)));
}

int main(void)
{
        char path[64];

        NEED(mkdtemp(directory));
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(&rows[i]);
        CHECK(launch_limits_parse("", "oom_kill") == 0);
        CHECK(launch_limits_parse("oom_kill", "oom_kill") == 0);
        CHECK(launch_limits_parse("oom_kill x\n", "oom_kill") == 0);
        CHECK(launch_limits_parse("oom_kill 5", "oom_kill") == 5);
        snprintf(path, sizeof(path), "%s/memory.events", directory);
        NEED(unlink(path) == 0 && rmdir(directory) == 0);
        return test_finish("launch-limits");
}
