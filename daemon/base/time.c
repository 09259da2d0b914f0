/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

char *format_rfc3339(char buf[static RFC3339_SIZE], uint64_t usec, int with_fraction)
{
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;
        size_t n;

        if (!gmtime_r(&seconds, &tm))
                tm = (struct tm){.tm_year = 70, .tm_mday = 1};
        n = strftime(buf, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
        if (with_fraction)
                n += (size_t) snprintf(buf + n, RFC3339_SIZE - n, ".%06" PRIu64, usec % USEC_PER_SEC);
        snprintf(buf + n, RFC3339_SIZE - n, "Z");
        return buf;
}
