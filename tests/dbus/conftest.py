# SPDX-License-Identifier: LGPL-2.1-or-later
import os

import pytest

import helper

RULES = "/etc/polkit-1/rules.d/10-execd-tests.rules"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by tests/run --quick")


@pytest.fixture(scope="session", autouse=True)
def member():
    """A user who may run commands; 'user' and 'other' of the sandbox may not."""
    helper.shell("id member >/dev/null 2>&1 || useradd -m -G execd member")
    return "member"


@pytest.fixture(autouse=True)
def nothing_left():
    """A test that fails in the middle leaves nothing to the next one."""
    yield
    for e in helper.live_execs():
        helper.execctl("kill", "--signal=KILL", "--all", e[0])
    helper.wait_for(lambda: not helper.live_execs(), what="all execs to end")


@pytest.fixture
def rules():
    """Sets polkit's rules for one test; takes effect before it returns."""
    def write(text):
        os.makedirs(os.path.dirname(RULES), exist_ok=True)
        with open(RULES, "w") as f:
            f.write(text)
        os.chmod(RULES, 0o644)
        helper.restart_polkit()

    yield write
    if os.path.exists(RULES):
        os.unlink(RULES)
    helper.restart_polkit()


# Descriptors that execd and its spawner may hold in addition after a test: of runners, of the journal. These tests make
# hundreds of calls, and an fd that stays of each is more than this.
SLACK = 32


@pytest.fixture
def counts():
    """After the test no exec of its runs, and neither daemon holds more fds than before."""
    for name in ("web", "booted"):
        helper.execctl("run", name, "--", "true")
    before = helper.fd_counts()
    yield
    helper.wait_for(lambda: not helper.live_execs(), what="all execs to end")
    helper.wait_for(lambda: all(n <= before.get(pid, n) + SLACK for pid, n in helper.fd_counts().items()), 60,
                    what=lambda: f"the fds to be closed: {before} before, {helper.fd_counts()} now")
