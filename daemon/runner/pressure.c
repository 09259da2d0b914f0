/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "runner/pressure.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/decimal.h"
#include "base/fd.h"

#define CGROUPS_MAX  16384
#define PRESSURE_MAX 4096

uint64_t pressure_of_memory(int cgroup_fd)
{
        static const char line[] = "some ", field[] = " total=";
        _cleanup_free_ char *text = NULL;
        const char *p;
        uint64_t usec;

        if (file_read_at(cgroup_fd, "memory.pressure", PRESSURE_MAX, &text, NULL) < 0 ||
            strncmp(text, line, strlen(line)) != 0)
                return 0;
        text[strcspn(text, "\n")] = 0;
        p = strstr(text, field);
        return p && decimal_parse(p + strlen(field), UINT64_MAX, &usec) >= 0 ? usec : 0;
}

/* The path in the unified hierarchy, without a line break. */
static const char *find_path(char *cgroups)
{
        for (char *line = cgroups; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, "0::/", 4) == 0) {
                        line[strcspn(line, "\n")] = 0;
                        return line + 3;
                }
        }
        return NULL;
}

/* The hierarchy is mounted alone, or beside the old ones. */
static int open_own(void)
{
        static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        _cleanup_free_ char *text = NULL;
        const char *own;

        if (file_read_at(AT_FDCWD, "/proc/self/cgroup", CGROUPS_MAX, &text, NULL) < 0)
                return -EBADF;
        own = find_path(text);
        for (size_t i = 0; own && i < ELEMENTSOF(places); i++) {
                _cleanup_close_ int fd = -EBADF;
                char path[PATH_MAX];
                struct statfs fs;

                if ((size_t) snprintf(path, sizeof(path), "%s%s", places[i], own) >= sizeof(path))
                        break;
                fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && fstatfs(fd, &fs) >= 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return TAKE_FD(fd);
        }
        return -EBADF;
}

uint64_t pressure_of_own_memory(void)
{
        _cleanup_close_ int fd = open_own();

        return fd < 0 ? 0 : pressure_of_memory(fd);
}
