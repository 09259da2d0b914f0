/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-path.h"

#include <stdio.h>
#include <string.h>

char *dbus_exec_path(const Exec *e, char path[static DBUS_EXEC_PATH_SIZE])
{
        snprintf(path, DBUS_EXEC_PATH_SIZE, DBUS_EXEC_PREFIX "/_%s", e->id);
        return path;
}

Exec *dbus_find_exec(Manager *m, const char *path)
{
        const size_t prefix = strlen(DBUS_EXEC_PREFIX "/_");

        if (strncmp(path, DBUS_EXEC_PREFIX "/_", prefix) != 0)
                return NULL;
        return manager_find_exec(m, path + prefix);
}
