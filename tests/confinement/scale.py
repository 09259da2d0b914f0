# SPDX-License-Identifier: LGPL-2.1-or-later
"""How often the tests repeat what wins a race or shows a leak only now and then."""

import os

# 1 is the normal run; tests/confinement/run --quick sets 0.2. Ten thousand churned execs are EXECD_TEST_SCALE=10.
SCALE = float(os.environ.get("EXECD_TEST_SCALE", "1"))


def times(count):
    return max(1, int(count * SCALE))
