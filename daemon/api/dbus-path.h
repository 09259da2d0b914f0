/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and paths of org.execd1 on the system bus. */

#include "core/manager.h"

#define DBUS_NAME              "org.execd1"
#define DBUS_MANAGER_PATH      "/org/execd1"
#define DBUS_MANAGER_INTERFACE "org.execd1.Manager"
#define DBUS_EXEC_PREFIX       "/org/execd1/exec"
#define DBUS_EXEC_INTERFACE    "org.execd1.Exec"

/* "/org/execd1/exec/_" and 64 hex digits. */
#define DBUS_EXEC_PATH_SIZE (sizeof(DBUS_EXEC_PREFIX) + 1 + EXEC_ID_SIZE)

char *dbus_exec_path(const Exec *e, char path[static DBUS_EXEC_PATH_SIZE]);

/* The exec at a path, or NULL. */
Exec *dbus_find_exec(Manager *m, const char *path);
