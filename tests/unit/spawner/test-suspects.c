/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/suspects: the latest are remembered, each once. */

#include "spawner/suspects.h"

#include "base/time.h"
#include "unit/test.h"

#define SUSPECTS_MAX 64

int main(void)
{
        CHECK(!suspects_have(1) && !suspects_have(-1));
        for (pid_t group = 1; group <= SUSPECTS_MAX; group++)
                suspects_add(group);
        for (pid_t group = 1; group <= SUSPECTS_MAX; group++)
                CHECK(suspects_have(group));
        for (uint64_t now = now_usec(CLOCK_MONOTONIC); now_usec(CLOCK_MONOTONIC) == now;)
                ;
        suspects_add(1);
        CHECK(suspects_have(2));
        /* Each new one takes the place of the oldest. */
        suspects_add(-1);
        CHECK(suspects_have(-1) && suspects_have(1) && !suspects_have(2) && suspects_have(3));
        suspects_add(-2);
        CHECK(suspects_have(-2) && suspects_have(1) && !suspects_have(3) && suspects_have(4));
        return test_finish("suspects");
}
