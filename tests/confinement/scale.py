# SPDX-License-Identifier: LGPL-2.1-or-later
"""How often the tests repeat what wins a race or shows a leak only now and then."""

import os

# 1 is the normal run; tests/confinement/run --quick has 0.1, and --scale 10 makes ten thousand of the churned execs.
SCALE = float(os.environ.get("EXECD_TEST_SCALE", "1"))


def times(count):
    return max(1, int(count * SCALE))
