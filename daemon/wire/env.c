/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/env.h"

#include <stdbool.h>
#include <string.h>

/* The length of the name in "NAME=value", or of the whole when there is no "=". */
static size_t name_length(const char *assignment)
{
        return strcspn(assignment, "=");
}

static bool has_name(const char *assignment, const char *name, size_t length)
{
        return strncmp(assignment, name, length) == 0 && assignment[length] == '=';
}

/* The index of the assignment to this name, or the length of the list. */
static size_t find_name(char *const *env, const char *name, size_t length)
{
        size_t i = 0;

        while (env && env[i] && !has_name(env[i], name, length))
                i++;
        return i;
}

int env_set(char ***env, const char *assignment)
{
        size_t i = find_name(*env, assignment, name_length(assignment));
        char *copy;

        if (!*env || !(*env)[i])
                return strv_append(env, assignment);

        copy = strdup(assignment);
        if (!copy)
                return -ENOMEM;
        free((*env)[i]);
        (*env)[i] = copy;
        return 0;
}

static void remove_at(char **env, size_t i)
{
        free(env[i]);
        for (; env[i]; i++)
                env[i] = env[i + 1];
}

/* Whether one of the first `n` entries of the list gives this name a value. */
static bool list_assigns(char *const *list, size_t n, const char *name, size_t length)
{
        for (size_t i = 0; i < n; i++)
                if (has_name(list[i], name, length))
                        return true;
        return false;
}

int env_merge(char ***env, char *const *list, Refusal *reterr)
{
        for (size_t i = 0; list && list[i]; i++) {
                const char *entry = list[i];
                size_t length = name_length(entry), at;
                int r;

                if (!*entry)
                        continue;
                if (length == 0)
                        return refuse(reterr, REFUSAL_NOT_RUNNABLE, EINVAL,
                                      "environment variable name can't be empty: \"%s\"", entry);
                if (entry[length] == '=') {
                        r = env_set(env, entry);
                        if (r < 0)
                                return r;
                        continue;
                }

                at = find_name(*env, entry, length);
                if (*env && (*env)[at] && !list_assigns(list, i, entry, length))
                        remove_at(*env, at);
        }

        return 0;
}

const char *env_get(char *const *env, const char *name)
{
        size_t length = strlen(name), i = find_name(env, name, length);

        return env && env[i] ? env[i] + length + 1 : NULL;
}
