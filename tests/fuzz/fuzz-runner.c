/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A spec as the runner reads it, and the same bytes as a report. What was read is written and read again. */

#include "fuzz/fuzz.h"
#include "wire/runner-spec.h"

static void check_spec(const RunnerSpec *s)
{
        _cleanup_buf_ Buf first = BUF_INIT, second = BUF_INIT;
        RunnerSpec again = {0};
        char *data;

        FUZZ_CHECK(s->n_filters <= RUNNER_FILTERS_MAX);
        FUZZ_CHECK(runner_spec_write(s, &first) >= 0);
        data = malloc(buf_length(&first) ?: 1);
        FUZZ_CHECK(data);
        memcpy(data, buf_head(&first), buf_length(&first));
        FUZZ_CHECK(runner_spec_read(data, buf_length(&first), &again) >= 0);
        FUZZ_CHECK(runner_spec_write(&again, &second) >= 0);
        FUZZ_CHECK(buf_length(&first) == buf_length(&second) &&
                   memcmp(buf_head(&first), buf_head(&second), buf_length(&first)) == 0);
        runner_spec_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static RunnerReport report;
        RunnerSpec spec = {0};
        char *copy = malloc(size ?: 1);
        int r;

        FUZZ_CHECK(copy);
        if (size > 0)
                memcpy(copy, data, size);
        r = runner_spec_read(copy, size, &spec);
        if (r < 0) {
                FUZZ_CHECK(r == -EBADMSG || r == -ENOMEM);
                free(copy);
        } else {
                check_spec(&spec);
                runner_spec_done(&spec);
        }

        memset(&report, 0, sizeof(report));
        if (size > 0)
                memcpy(&report, data, MIN(size, sizeof(report)));
        r = runner_report_check(&report, size);
        FUZZ_CHECK(r == 0 || r == -EBADMSG);
        if (r == 0) {
                FUZZ_CHECK(size == sizeof(report) && strlen(report.text) < sizeof(report.text));
                FUZZ_CHECK(report.type != RUNNER_FAILED || report.kind < _REFUSAL_MAX);
        }
        return 0;
}
