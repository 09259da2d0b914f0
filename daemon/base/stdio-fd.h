/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that may become a command's stdin, stdout or stderr. */

#include "base/refusal.h"

/* 0 if `fd` is an anonymous pipe that is open in the direction that `number` (0, 1 or 2) needs, else -EINVAL
 * and a refusal that says what it is. No caller can pass anything else: a command may write to a regular file
 * of the host that was opened for reading, change its owner and its mode, enter a namespace by its file, and
 * receive more file descriptors over a socket. Each program checks the very file descriptor that it hands on.
 * */
int stdio_fd_check(int fd, int number, Refusal *reterr);
