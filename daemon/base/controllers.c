/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/controllers.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define CONTROLLERS_MAX 4096
#define BLANKS          " \n"

/* A cgroup that is always there. The root itself has no limits. */
#define EXAMPLE "system.slice"

/* Without accounting of swap, bandwidth of the scheduler, or a scheduler of disks that has weights. */
static const struct {
        const char *file, *other,
                *always; /* of the same controller: a file with the same effect, one that always exists */
} optional[] = {
        {"memory.swap.max", NULL, "memory.current"},
        {"cpu.max", NULL, "cpu.weight"},
        {"io.weight", "io.bfq.weight", "io.stat"},
};

static bool is_there(const char *path, const char *file)
{
        const char *slash = strrchr(path, '/');
        char full[PATH_MAX];
        int n = snprintf(full, sizeof(full), "%.*s/" EXAMPLE "/%s", slash ? (int) (slash - path) : 0, path,
                         file);

        return n < (int) sizeof(full) && access(full, F_OK) >= 0;
}

static int append_lacking(const char *path, char **list)
{
        for (size_t i = 0; i < ELEMENTSOF(optional); i++) {
                char *more;

                if (!is_there(path, optional[i].always) || is_there(path, optional[i].file) ||
                    (optional[i].other && is_there(path, optional[i].other)))
                        continue;
                if (asprintf(&more, "%s -%s", *list, optional[i].file) < 0)
                        return -ENOMEM;
                free(*list);
                *list = more;
        }
        return 0;
}

int controllers_read(const char *path, char **ret)
{
        _cleanup_free_ char *list = NULL;
        int r;

        path = path ?: CONTROLLERS_PATH;
        r = file_read_at(AT_FDCWD, path, CONTROLLERS_MAX, &list, NULL);
        if (r == -ENOENT)
                list = strdup("");
        else if (r < 0)
                return r;
        if (!list)
                return -ENOMEM;
        r = append_lacking(path, &list);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

bool controllers_have(const char *list, const char *name)
{
        size_t length = strlen(name);

        for (const char *p = list + strspn(list, BLANKS); *p; p += strspn(p, BLANKS)) {
                size_t n = strcspn(p, BLANKS);

                if (n == length && strncmp(p, name, n) == 0)
                        return true;
                p += n;
        }
        return false;
}

bool controllers_lack_file(const char *list, const char *file)
{
        char name[64] = "-";

        strncat(name, file, sizeof(name) - 2);
        return controllers_have(list, name);
}
