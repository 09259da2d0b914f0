/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The controllers of the unified cgroup hierarchy, which enforce the limits of units. */

#include <stdbool.h>

#define CONTROLLERS_PATH "/sys/fs/cgroup/cgroup.controllers"

/* Their names with blanks between them, empty where there is no such hierarchy; and, with a "-" before it, the
 * name of each file that a kernel may lack although it has the controller. A path of NULL is CONTROLLERS_PATH. */
int controllers_read(const char *path, char **ret);

/* Whether the list has this name. */
bool controllers_have(const char *list, const char *name);

/* Whether the controller that has this file is without it. */
bool controllers_lack_file(const char *list, const char *file);
