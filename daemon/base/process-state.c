/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/process-state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

/* Not from /proc/PID/stat, for which the kernel waits while the process is in execve(2). The name, which may be
 * anything, has its line breaks escaped. */
bool process_is_ready_to_run(pid_t pid)
{
        static const char key[] = "\nState:\tR";
        _cleanup_free_ char *text = NULL;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        return pid > 0 && file_read_at(AT_FDCWD, path, PROCESS_STATUS_MAX, &text, NULL) >= 0 &&
               strstr(text, key);
}
