/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The number of entries in the container's list, and the entries of it and of the request's, each up to a NUL:
 * the result has each name once, with the last value. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "wire/env.h"

/* The last value that the list gives this name, or NULL. */
static const char *last_value(char *const *list, const char *name, size_t n)
{
        const char *value = NULL;

        for (; list && *list; list++)
                if (strncmp(*list, name, n) == 0 && (*list)[n] == '=')
                        value = *list + n + 1;
        return value;
}

static int removes(char *const *list, const char *name)
{
        for (; list && *list; list++)
                if (strcmp(*list, name) == 0)
                        return 1;
        return 0;
}

static void check_env(char *const *env, char *const *container, char *const *request)
{
        for (char *const *i = env; i && *i; i++) {
                size_t n = strcspn(*i, "=");
                _cleanup_free_ char *name = strndup(*i, n);
                const char *value = last_value(request, name, n) ?: last_value(container, name, n);

                PROMISE(n > 0 && (*i)[n] == '=');
                PROMISE(value && strcmp(value, *i + n + 1) == 0);
                for (char *const *other = i + 1; *other; other++)
                        PROMISE(strncmp(*other, *i, n + 1) != 0);
                /* The request may only remove variables that it has set itself. */
                PROMISE(!removes(request, name) || last_value(request, name, n));
        }
        for (char *const *i = request; i && *i; i++) {
                size_t n = strcspn(*i, "=");
                _cleanup_free_ char *name = strndup(*i, n);

                if (n > 0 && (*i)[n] == '=')
                        PROMISE(fuzz_same(env_get(env, name), last_value(request, name, n)));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        _cleanup_strv_ char **container = NULL, **request = NULL, **env = NULL;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        size_t n_container = fuzz_byte(&in) % 16;
        int r;

        /* Bounded, since the check looks at each pair. */
        for (size_t i = 0; in.size > 0 && i < 64; i++)
                PROMISE(strv_consume(i < n_container ? &container : &request, fuzz_text(&in)) == 0);

        r = env_merge(&env, container, &refusal);
        if (r >= 0)
                r = env_merge(&env, request, &refusal);
        if (r < 0)
                PROMISE(refusal.kind == REFUSAL_NOT_RUNNABLE && strstr(refusal.message, "can't be empty"));
        else
                check_env(env, container, request);
        return 0;
}
