/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of start. White space around it changes nothing. */

#include "fuzz/fuzz.h"
#include "wire/exec-request.h"

static int start(const char *data, size_t size, StartRequest *ret)
{
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        int r = start_request_from_json(data, size, 1051, ret, &e);

        fuzz_check_refusal(r, &e);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        StartRequest plain = {0}, spaced = {0};
        _cleanup_free_ char *copy = malloc(size + 4);
        int r, q;

        FUZZ_CHECK(copy);
        memcpy(copy, " \n", 2);
        if (size > 0)
                memcpy(copy + 2, data, size);
        memcpy(copy + 2 + size, "\r\t", 2);

        r = start((const char *) data, size, &plain);
        q = start(copy, size + 4, &spaced);
        if (size == 0 || size + 4 > EXEC_BODY_MAX)
                return 0;
        FUZZ_CHECK((r < 0) == (q < 0));
        FUZZ_CHECK(plain.detach == spaced.detach && plain.tty == spaced.tty);
        FUZZ_CHECK(plain.console_size.set == spaced.console_size.set &&
                   plain.console_size.rows == spaced.console_size.rows &&
                   plain.console_size.columns == spaced.console_size.columns);
        FUZZ_CHECK(plain.console_size.set == (plain.console_size.rows || plain.console_size.columns));
        return 0;
}
