/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is an fd that a caller passed fit to be a command's stdin, stdout or stderr? */

#include <stdbool.h>

#include "base/refusal.h"

/* Pipes, sockets, regular files of ordinary file systems and the null device are. A terminal is not: the
 * command could type into it (TIOCSTI). O_PATH fds, directories, other devices and files of kernel file
 * systems are not: what they mean depends on who uses them. `name` is what the refusal calls it ("stdin").
 */
int stdio_check(int fd, const char *name, Refusal *reterr);
