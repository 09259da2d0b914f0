/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An expression and a name, each up to a NUL. A valid expression matches in bounded time; one without any operator
 * matches the names that contain it. */

#include <string.h>

#include "base/refusal.h"
#include "fuzz/fuzz.h"
#include "wire/name-pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        _cleanup_free_ char *text = fuzz_text(&in), *name = fuzz_text(&in);
        _cleanup_(name_pattern_freep) NamePattern *p = NULL;
        bool matches;
        int r;

        r = name_pattern_new(text, &p);
        if (strlen(text) > NAME_PATTERN_MAX)
                PROMISE(r == -E2BIG);
        if (r < 0) {
                PROMISE(!p && (r == -E2BIG || r == -EOPNOTSUPP || r == -EINVAL));
                return 0;
        }
        matches = name_pattern_matches(p, name);
        if (!strpbrk(text, ".[]()|*+?{}^$\\"))
                PROMISE(matches == !!strstr(name, text));
        return 0;
}
