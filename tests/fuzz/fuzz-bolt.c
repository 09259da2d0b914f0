/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Podman's database: whatever is found lies in it. */

#include "fuzz/fuzz.h"
#include "wire/bolt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *copy = fuzz_copy(data, size);
        const char *value = NULL;
        uint64_t transaction;
        size_t n = 0;
        int r;

        r = bolt_find(copy, size, (const char *[]){"ctr", "one", "config", NULL}, &value, &n);
        PROMISE(r == 0 || r == -ENOENT || r == -EBADMSG);
        PROMISE(r < 0 || (value >= copy && n <= size && value + n <= copy + size));
        PROMISE(r == -EBADMSG || bolt_transaction(copy, size, &transaction) == 0);
        return 0;
}
