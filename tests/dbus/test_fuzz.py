# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method with odd arguments, as root and as a user: execd answers, and goes on."""

import os

import pytest

import helper
from helper import as_user, execctl, run, shell, wait_for

# The other calls are made with tests/run --all.
CALLS = 300 if float(os.environ.get("EXECD_TEST_SCALE", "1")) < 1 else 1500
ALL = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.execd1.") == 0 && subject.user == "user")
        return polkit.Result.YES;
});
"""


def restarts():
    return [shell(f"systemctl show -P NRestarts -P InvocationID {unit}") for unit in ("execd", "execd-spawner")]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["root", "user", "user that may"])
@pytest.mark.parametrize("seed", [1, 2])
def test_odd_calls(who, seed, rules, counts):
    if who == "user that may":
        rules(ALL)
    assert execctl("run", "web", "--", "true").status == 0
    before = restarts()
    argv = ["python3", f"{helper.HERE}/fuzz.py", str(seed), str(CALLS)]
    r = run(*argv, timeout=110) if who == "root" else as_user(*argv, timeout=110)
    assert r.status == 0, r
    assert restarts() == before
    for e in helper.live_execs():
        execctl("kill", "-s", "KILL", "--all", e[0])
    wait_for(lambda: not helper.live_execs(), what="all execs to end")
