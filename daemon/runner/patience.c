/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "runner/patience.h"

#include "base/cleanup.h"
#include "wire/runner-spec.h"

void patience_begin(Patience *p, uint64_t now)
{
        *p = (Patience){.looked = now};
}

bool patience_is_due(const Patience *p, uint64_t now)
{
        return now >= p->looked + PATIENCE_LOOK_USEC;
}

PatienceEnd patience_look(Patience *p, uint64_t now, bool is_ready_to_run, uint64_t memory)
{
        uint64_t passed = MIN(now - p->looked, 2 * PATIENCE_LOOK_USEC);
        uint64_t for_memory = memory > p->memory ? MIN(memory - p->memory, passed) : 0;

        p->looked = now;
        p->memory = memory;
        p->total += passed;
        p->for_memory += for_memory;
        if (!is_ready_to_run)
                p->asleep += passed - for_memory;
        if (p->asleep >= RUNNER_SETUP_SEC_MAX * USEC_PER_SEC)
                return PATIENCE_NO_ANSWER;
        if (p->total < RUNNER_STARVED_SEC_MAX * USEC_PER_SEC)
                return PATIENCE_LEFT;
        return p->for_memory > p->total / 2 ? PATIENCE_NO_MEMORY : PATIENCE_NO_PROCESSOR;
}
