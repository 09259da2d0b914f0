/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of start. */

#include "fuzz/fuzz.h"
#include "wire/exec-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        StartOptions start = {0}, old = {0};
        int r = start_options_from_json((const char *) data, size, 1051, &start, &refusal);

        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        PROMISE(r >= 0 || (refusal.message && *refusal.message));
        /* Before 1.42 there is no size, but it is no less checked. */
        PROMISE(start_options_from_json((const char *) data, size, 1041, &old, NULL) == r);
        PROMISE(!old.console_size.set && old.tty == start.tty && old.detach == start.detach);
        if (r >= 0)
                PROMISE(start.console_size.set ==
                        (start.console_size.rows > 0 || start.console_size.columns > 0));
        return 0;
}
