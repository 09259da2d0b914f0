/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* runner/patience: a container may keep a runner waiting for a while, and its CPU and memory limits for longer; the time in
 * which the monitor itself did not run counts for neither. The clock is the test's. */

#include "runner/patience.h"

#include "unit/test.h"
#include "wire/runner-spec.h"

#define START UINT64_C(1000000)

/* Looks every `step`, of which each `nth` finds no child ready to run (0: none does, 1: each), until there is an end; but
 * not beyond `max` looks. For `percent` of the time they wait for memory. */
static PatienceEnd wait_for_memory(uint64_t step, unsigned nth, unsigned percent, unsigned max,
                                   unsigned *ret_looks)
{
        PatienceEnd end = PATIENCE_LEFT;
        uint64_t now = START;
        Patience p;
        unsigned n;

        patience_begin(&p, now);
        for (n = 0; n < max && end == PATIENCE_LEFT; n++) {
                CHECK(!patience_is_due(&p, now));
                now += step;
                CHECK(patience_is_due(&p, now));
                end = patience_look(&p, now, nth == 0 || n % nth != 0, (now - START) * percent / 100);
        }
        *ret_looks = n;
        return end;
}

static PatienceEnd wait_for_end(uint64_t step, unsigned nth, unsigned max, unsigned *ret_looks)
{
        return wait_for_memory(step, nth, 0, max, ret_looks);
}

int main(void)
{
        const unsigned asleep_looks = RUNNER_SETUP_SEC_MAX * USEC_PER_SEC / PATIENCE_LOOK_USEC,
                       starved_looks = RUNNER_STARVED_SEC_MAX * USEC_PER_SEC / PATIENCE_LOOK_USEC;
        const uint64_t frozen = 3600 * USEC_PER_SEC;
        unsigned looks;
        Patience p;

        CHECK(wait_for_end(PATIENCE_LOOK_USEC, 1, 1000, &looks) == PATIENCE_NO_ANSWER);
        CHECK(looks == asleep_looks);
        CHECK(wait_for_end(PATIENCE_LOOK_USEC, 0, 1000, &looks) == PATIENCE_NO_PROCESSOR);
        CHECK(looks == starved_looks);
        /* It does not answer, but every second time it happens to run. */
        CHECK(wait_for_end(PATIENCE_LOOK_USEC, 2, 1000, &looks) == PATIENCE_NO_ANSWER);
        CHECK(looks == 2 * asleep_looks - 1);
        /* It waits for something every tenth time, and has the time that the limit takes. */
        CHECK(wait_for_end(PATIENCE_LOOK_USEC, 10, 1000, &looks) == PATIENCE_NO_PROCESSOR);
        CHECK(looks == starved_looks);

        /* The monitor was frozen with its children, which look as if they slept. */
        patience_begin(&p, START);
        CHECK(patience_look(&p, START + frozen, false, 0) == PATIENCE_LEFT);
        CHECK(p.asleep == 2 * PATIENCE_LOOK_USEC);
        CHECK(patience_look(&p, START + 2 * frozen, true, 0) == PATIENCE_LEFT);

        /* Above memory.high they sleep, for all of the time or most of it. That, too, has an end. */
        CHECK(wait_for_memory(PATIENCE_LOOK_USEC, 1, 100, 1000, &looks) == PATIENCE_NO_MEMORY);
        CHECK(looks == starved_looks);
        CHECK(wait_for_memory(PATIENCE_LOOK_USEC, 1, 80, 1000, &looks) == PATIENCE_NO_MEMORY);
        CHECK(looks == starved_looks);
        CHECK(wait_for_memory(PATIENCE_LOOK_USEC, 0, 10, 1000, &looks) == PATIENCE_NO_PROCESSOR);
        /* A container that does not answer is found in the rest of the time. */
        CHECK(wait_for_memory(PATIENCE_LOOK_USEC, 1, 50, 1000, &looks) == PATIENCE_NO_ANSWER);
        CHECK(looks == 2 * asleep_looks);

        /* More waiting than time, which is that of several processes or from before, and a count that falls. */
        patience_begin(&p, START);
        CHECK(patience_look(&p, START + PATIENCE_LOOK_USEC, false, 3600 * USEC_PER_SEC) == PATIENCE_LEFT);
        CHECK(p.asleep == 0 && p.for_memory == PATIENCE_LOOK_USEC);
        CHECK(patience_look(&p, START + 2 * PATIENCE_LOOK_USEC, false, 0) == PATIENCE_LEFT);
        CHECK(p.asleep == PATIENCE_LOOK_USEC && p.for_memory == PATIENCE_LOOK_USEC);
        return test_finish("patience");
}
