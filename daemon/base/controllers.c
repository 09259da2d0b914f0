/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/controllers.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"

#define CONTROLLERS_MAX 4096
#define BLANKS          " \n"

int controllers_read(const char *path, char **ret)
{
        int r = file_read_at(AT_FDCWD, path ?: CONTROLLERS_PATH, CONTROLLERS_MAX, ret, NULL);

        if (r != -ENOENT)
                return r < 0 ? r : 0;
        *ret = strdup("");
        return *ret ? 0 : -ENOMEM;
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
