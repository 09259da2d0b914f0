# SPDX-License-Identifier: LGPL-2.1-or-later
"""docker-py through proxies: it drops what arrives together with the head, and a proxy joins what came apart."""

import os

import pytest

from proxies import EACH, KINDS, THREADS, count_lost, proxied

# A proxy that does not get the processor joins what execd keeps apart, so that the bound of a busy machine is wide: without
# the gate half of all is lost. A quiet machine is measured with EXECD_TEST_LOST_MAX=0.01.
LOST_MAX = float(os.environ.get("EXECD_TEST_LOST_MAX", "0.25"))


@pytest.mark.slow
@pytest.mark.parametrize("tty", [False, True], ids=["plain", "tty"])
@pytest.mark.parametrize("kind", KINDS)
def test_first_byte(target, tmp_path, kind, tty, record_property):
    with proxied(kind, tmp_path, target) as url:
        count = count_lost(url, target.container, tty)
    record_property("lost", count.lost)
    print(f"{kind}: {count.lost} of {THREADS * EACH} lost, median {count.median * 1000:.1f} ms")
    assert not count.errors, count.errors[:3]
    # dockerd loses some, too: its figure is for comparison.
    assert target.name != "execd" or count.lost <= (0 if kind == "direct" else LOST_MAX * THREADS * EACH)
