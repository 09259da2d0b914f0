/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/dbus-path: an exec by its path, and back. */

#include "api/dbus-path.h"
#include "unit/core/world.h"

int main(void)
{
        _cleanup_(world_freep) World *w = world_new();
        char path[DBUS_EXEC_PATH_SIZE];
        Exec *e;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, world_request("true", NULL), NULL, &e) >=
             0);
        dbus_exec_path(e, path);
        CHECK(!dbus_find_exec(&w->manager, path));
        manager_link_exec(&w->manager, e);
        exec_unref(e);
        CHECK(dbus_find_exec(&w->manager, path) == e);
        CHECK(!dbus_find_exec(&w->manager, DBUS_MANAGER_PATH) &&
              !dbus_find_exec(&w->manager, DBUS_EXEC_PREFIX "/_"));
        path[strlen(path) - 1] = 0;
        CHECK(!dbus_find_exec(&w->manager, path));
        return test_finish("dbus-path");
}
