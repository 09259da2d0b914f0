/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *const levels[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

#define LINE_SIZE   2048
#define SUFFIX_SIZE 128

static int max_level = LOG_INFO;
static unsigned n_lost; /* lines that the journal did not take */

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

/* One line, or nothing: the journal's stream socket takes it at once or the line is lost. Waiting for
 * journald here would hold up all that the loop has to do. */
static bool line_write(const char *line, size_t size)
{
        ssize_t n = send(STDERR_FILENO, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == ENOTSOCK)
                n = write(STDERR_FILENO, line, size);
        return n >= 0 || errno != EAGAIN;
}

static void line_send(const char *line, size_t size)
{
        char note[64];
        int n;

        if (n_lost > 0) {
                n = snprintf(note, sizeof(note), "<%d>Lost %u log messages\n", LOG_WARNING, n_lost);
                if (!line_write(note, (size_t) n)) {
                        n_lost++;
                        return;
                }
                n_lost = 0;
        }
        if (!line_write(line, size))
                n_lost++;
}

static void log_line(int level, const char *suffix, const char *format, va_list ap)
{
        static int on_terminal = -1;
        char line[LINE_SIZE + SUFFIX_SIZE];
        int n, skip;

        if (on_terminal < 0)
                on_terminal = isatty(STDERR_FILENO);
        if (level > max_level)
                return;
        n = snprintf(line, LINE_SIZE, "<%d>", level);
        skip = on_terminal ? n : 0; /* the level is for the journal */
        vsnprintf(line + n, LINE_SIZE - n, format, ap);
        /* One line is one record: quoted text must not start another one. */
        for (char *p = line; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = '?';
        n = (int) strlen(line);
        n += snprintf(line + n, SUFFIX_SIZE, "%s%.*s\n", suffix ? ": " : "", SUFFIX_SIZE - 4, suffix ?: "");
        line_send(line + skip, (size_t) (n - skip));
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
