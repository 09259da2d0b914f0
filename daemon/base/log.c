/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const levels[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

static int max_level = LOG_INFO;

void log_set_max_level(int level)
{
        max_level = level;
}

int log_get_max_level(void)
{
        return max_level;
}

const char *log_level_to_string(int level)
{
        return levels[level & LOG_PRIMASK];
}

int log_level_from_string(const char *s)
{
        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (strcmp(levels[i], s) == 0 || (s[0] == (char) ('0' + i) && !s[1]))
                        return (int) i;
        return -EINVAL;
}

static void log_line(int level, const char *suffix, const char *format, va_list ap)
{
        char line[2048];
        int n;

        if (level > max_level)
                return;
        n = snprintf(line, sizeof(line), "<%d>", level);
        vsnprintf(line + n, sizeof(line) - n, format, ap);
        /* One line is one record: what a message quotes must not start another one. */
        for (char *p = line; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = '?';
        if (suffix)
                fprintf(stderr, "%s: %s\n", line, suffix);
        else
                fprintf(stderr, "%s\n", line);
}

void log_message(int level, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_line(level, NULL, format, ap);
        va_end(ap);
}

int log_errno(int level, int error, const char *format, ...)
{
        va_list ap;

        if (error > 0)
                error = -error;
        va_start(ap, format);
        log_line(level, strerror(-error), format, ap);
        va_end(ap);
        return error;
}
