/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths and queries: the name of a parameter, NUL, a target. */

#include "fuzz/fuzz.h"
#include "wire/http-target.h"

static void check_path(const char *target)
{
        _cleanup_free_ char *path = NULL;
        size_t n = strcspn(target, "?");
        int r = http_target_path(target, &path);

        PROMISE(r == 0 || r == -EBADMSG);
        PROMISE((r == 0) == (path != NULL));
        if (r < 0) {
                PROMISE(memchr(target, '%', n));
                return;
        }
        PROMISE(strlen(path) <= n);
        if (!memchr(target, '%', n))
                PROMISE(strlen(path) == n && memcmp(path, target, n) == 0);
}

static void check_query(const char *target, const char *name)
{
        _cleanup_free_ char *value = NULL, *bad = NULL;
        const char *query = strchr(target, '?');
        int r = http_target_query(target, name, &value, &bad);

        PROMISE(r == 0 || r == -ENOENT || r == -EBADMSG);
        PROMISE((r == 0) == (value != NULL) && (r == -EBADMSG) == (bad != NULL));
        if (bad)
                PROMISE(bad[0] == '%' && strlen(bad) <= 3 && strstr(query, bad) && !strpbrk(bad, "&"));
        if (value)
                PROMISE(query && strlen(value) < strlen(query));
        if (!query || !query[1])
                PROMISE(r == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        _cleanup_free_ char *name = fuzz_text(&in), *target = fuzz_text(&in);

        check_path(target);
        check_query(target, name);
        return 0;
}
