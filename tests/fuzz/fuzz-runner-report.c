/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The report of a runner: a byte that fills the datagram, two bytes by which it is short, and how it begins.
 */

#include "fuzz/fuzz.h"
#include "wire/runner-spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        FuzzInput in = {.data = data, .size = size};
        uint8_t fill = fuzz_byte(&in);
        size_t length = sizeof(RunnerReport), cut = fuzz_byte(&in);
        RunnerReport report;

        cut = cut << 8 | fuzz_byte(&in);
        memset(&report, fill, sizeof(report));
        if (in.size > 0)
                memcpy(&report, in.data, MIN(in.size, sizeof(report)));
        length -= MIN(cut, length);
        if (runner_report_check(&report, length) < 0)
                return 0;
        PROMISE(cut == 0 && report.version == RUNNER_REPORT_VERSION);
        PROMISE(report.type >= RUNNER_STARTED && report.type <= RUNNER_CHECKED);
        PROMISE(strnlen(report.text, sizeof(report.text)) < sizeof(report.text));
        PROMISE(report.type != RUNNER_STARTED || report.pid > 0);
        PROMISE(report.type != RUNNER_FAILED || (report.kind != REFUSAL_NONE && report.kind < _REFUSAL_MAX));
        return 0;
}
