/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/exec-brief.h"

#include <string.h>

/* Names, types and values of the properties that have one size. */
#define FIXED_SIZE 2048
/* The size of a string in an array without its bytes, in any format. */
#define STRING_SIZE 16

char **exec_brief_command(const Exec *e)
{
        size_t n = 0, room = 0, left = EXEC_BRIEF_MAX;
        _cleanup_strv_ char **v = NULL;

        STRV_FOREACH (a, e->request->argv) {
                size_t size = strlen(*a) + STRING_SIZE;

                if (size > left)
                        return strv_append_counted(&v, &n, &room, "…") < 0 ? NULL : TAKE_PTR(v);
                left -= size;
                if (strv_append_counted(&v, &n, &room, *a) < 0)
                        return NULL;
        }
        return TAKE_PTR(v);
}

char **exec_brief_labels(const Exec *e)
{
        size_t left = EXEC_BRIEF_MAX;
        _cleanup_strv_ char **v = NULL;

        STRV_FOREACH (l, e->request->labels) {
                size_t size = strlen(*l) + STRING_SIZE;

                if (size > left)
                        continue;
                left -= size;
                if (strv_append(&v, *l) < 0)
                        return NULL;
        }
        return TAKE_PTR(v);
}

static size_t size_of(const char *text)
{
        return text ? strlen(text) : 0;
}

static size_t strings_size(char *const *v)
{
        size_t size = 0;

        for (; v && *v; v++)
                size += strlen(*v) + STRING_SIZE;
        return size;
}

static size_t size_without_arrays(const Exec *e)
{
        return FIXED_SIZE + size_of(e->command_line) + size_of(e->failure) + size_of(e->recording_path) +
               size_of(e->request->user) + size_of(e->request->working_dir) + size_of(e->container->name) +
               strings_size(e->warnings) +
               scope_properties_size(e->request->properties, e->request->n_properties);
}

size_t exec_brief_size(const Exec *e)
{
        return size_without_arrays(e) + MIN(strings_size(e->request->argv), (size_t) EXEC_BRIEF_MAX) +
               MIN(strings_size(e->request->labels), (size_t) EXEC_BRIEF_MAX);
}

size_t exec_whole_size(const Exec *e)
{
        return size_without_arrays(e) + strings_size(e->request->argv) + strings_size(e->request->labels);
}
