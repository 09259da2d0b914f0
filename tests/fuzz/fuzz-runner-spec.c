/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spec that a runner reads: a reader accepts exactly what a writer makes, so writing what was read gives
 * the same bytes again. */

#include "base/strv.h"
#include "fuzz/fuzz.h"
#include "wire/runner-spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *copy = malloc(size);
        _cleanup_(runner_spec_done) RunnerSpec spec = {0};
        _cleanup_buf_ Buf again = BUF_INIT;

        if (size > 0)
                memcpy(copy, data, size);
        if (runner_spec_read(copy, size, &spec) < 0) {
                PROMISE(!spec.argv && !spec.filters && !spec.data);
                free(copy);
                return 0;
        }
        PROMISE(spec.data == copy && spec.n_filters <= RUNNER_FILTERS_MAX);
        for (uint32_t i = 0; i < spec.n_filters; i++)
                PROMISE((uintptr_t) spec.filters[i].instructions % 8 == (uintptr_t) copy % 8);
        PROMISE(runner_spec_write(&spec, &again) == 0);
        PROMISE(buf_length(&again) == size && memcmp(buf_head(&again), data, size) == 0);
        return 0;
}
