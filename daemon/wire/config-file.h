/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Configuration files as systemd writes them: [Section], Key=value, comments from # or ; at the beginning of
 * a line on, and lines that go on after a backslash at their end (which becomes a blank; comments in between
 * are left out). Pure: bytes to a sequence of calls.
 */

#include <stddef.h>

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes of a file; a larger one is not read */
#define CONFIG_LINE_MAX (64 * 1024)   /* bytes of a line with all that it goes on with */

typedef struct ConfigHandler {
        /* An assignment, without blanks around its parts. `section` is NULL before the first one. `line` is
         * where it begins. Negative ends the parsing. */
        int (*on_assignment)(void *userdata, unsigned line, const char *section, const char *key,
                             const char *value);
        /* A section begins. */
        int (*on_section)(void *userdata, unsigned line, const char *section);
        /* Called for a line that is neither; the line is ignored. */
        void (*on_malformed)(void *userdata, unsigned line, const char *text);
        void *userdata;
} ConfigHandler;

/* Calls for each line what it is, in order. 0, -EFBIG, or what a call has returned. */
int config_file_parse(const char *data, size_t size, const ConfigHandler *h);
