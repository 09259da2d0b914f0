/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors that are open in this process; to be compared. */

#include <dirent.h>

#include "unit/need.h"

static inline size_t count_fds(void)
{
        DIR *d = opendir("/proc/self/fd");
        size_t n = 0;

        NEED(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}
