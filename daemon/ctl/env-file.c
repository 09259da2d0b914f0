/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/env-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

/* More than execd takes for one command. */
#define FILE_SIZE_MAX (2 * 1024 * 1024)

/* The name ends at '=' or at the end of the line. */
static bool name_is_valid(const char *line)
{
        size_t n = strcspn(line, "=");

        return n > 0 && strcspn(line, " \t\r") >= n;
}

static int add_line(const char *path, unsigned number, const char *line, char ***env)
{
        const char *value;
        char *text = NULL;

        line += strspn(line, " \t");
        if (*line == 0 || *line == '#')
                return 0;
        if (!name_is_valid(line))
                return fail("--env-file: %s:%u: NAME=VALUE or NAME is expected, not \"%s\"", path, number,
                            line);
        if (strchr(line, '='))
                text = strdup(line);
        else if (!(value = getenv(line)))
                return 0; /* not set here, so it is not handed on */
        else if (asprintf(&text, "%s=%s", line, value) < 0)
                text = NULL;
        return strv_consume(env, text) < 0 ? fail_memory() : 0;
}

int env_file_read(const char *path, char ***env)
{
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0, total = 0;
        unsigned number = 0;
        ssize_t n;
        int r = 0;
        FILE *f = fopen(path, "re");

        if (!f)
                return fail_errno(errno, "--env-file: failed to open %s", path);
        errno = 0;
        while (r == 0 && (n = getline(&line, &allocated, f)) >= 0) {
                total += (size_t) n;
                number++;
                if (total > FILE_SIZE_MAX)
                        r = fail("--env-file: %s is too large: the limit is %d bytes", path, FILE_SIZE_MAX);
                else if (strlen(line) != (size_t) n)
                        r = fail("--env-file: %s:%u: the line has a NUL byte", path, number);
                else {
                        line[strcspn(line, "\n")] = 0;
                        r = add_line(path, number, line, env);
                }
        }
        if (r == 0 && ferror(f))
                r = fail_errno(errno, "--env-file: failed to read %s", path);
        (void) fclose(f);
        return r;
}
