# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wire-level suite: the same requests to dockerd and to execd, answers compared byte for byte."""

import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import differences  # noqa: E402
import target as targets  # noqa: E402
import wire  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_addoption(parser):
    parser.addoption("--socket", help="Unix socket of the target")
    parser.addoption("--target", choices=sorted(targets.SOCKETS), help="what listens there")
    parser.addoption("--container", help="a running container with busybox or Debian and the users root, app, nobody")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes many seconds")
    config.addinivalue_line("markers", "execd_only: about what Docker does not have")
    config.addinivalue_line("markers", "dockerd_only: about what execd has no way to be put into")
    config.addinivalue_line("markers", "openapi: about the file that describes execd")
    config.addinivalue_line("markers", "busybox: needs a container that is not booted")
    config.target = targets.from_environment(config.getoption("--target"), config.getoption("--socket"),
                                             config.getoption("--container"))


def short_id(item):
    return os.path.basename(item.nodeid.split("::")[0]) + "::" + item.nodeid.split("::", 1)[1]


def listed(test_id):
    """The listed difference of a test, or None."""
    for pattern, difference in differences.DIFFERENCES.items():
        if re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), test_id):
            return difference
    return None


def pytest_collection_modifyitems(config, items):
    ids = [short_id(item) for item in items]
    whole = [os.path.realpath(str(a).split("::")[0]) for a in config.args] == [HERE] and not config.getoption("keyword")
    for pattern in differences.DIFFERENCES if whole else ():
        expression = ".*".join(map(re.escape, pattern.split("*")))
        if not any(re.fullmatch(expression, i) for i in ids):
            raise pytest.UsageError(f"differences.py lists {pattern}, which is no test")
    for item in items:
        for marker in ("execd_only", "dockerd_only"):
            if item.get_closest_marker(marker) and listed(short_id(item)) is None:
                raise pytest.UsageError(f"{short_id(item)} is marked {marker} and not listed in differences.py")
    # A case about what the target does not have is not selected, rather than skipped.
    foreign = ("execd_only", "openapi") if config.target.name == "dockerd" else ("dockerd_only",)
    others = [item for item in items if any(map(item.get_closest_marker, foreign))]
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


@pytest.fixture(scope="session")
def target(pytestconfig):
    pytestconfig.target.prepare()
    yield pytestconfig.target
    pytestconfig.target.finish()


@pytest.fixture(scope="session")
def api(target):
    # dockerd sends the head before it subscribes.
    return wire.Api(target.socket, target.container, listens_after=0 if target.is_execd else 0.3)


@pytest.fixture(scope="session")
def container_id(api):
    return api.get(f"/containers/{api.container}/json").json()["Id"]


@pytest.fixture
def differ(request, target):
    """Chooses what is expected of this target: differ(dockerd=…, execd=…). The test has to be listed."""
    def choose(*, dockerd, execd):
        assert dockerd != execd, "no difference"
        if listed(short_id(request.node)) is None:
            pytest.fail(f"{short_id(request.node)} is not listed in differences.py", pytrace=False)
        return execd if target.is_execd else dockerd
    return choose


@pytest.fixture
def victim(target):
    """A container of the test's own."""
    v = target.victim(wire.unique_name("victim"))
    try:
        yield v
    finally:
        v.close()


@pytest.fixture
def running(api):
    """Starts a command that outlives the test's steps and is killed afterwards: (id, Conn)."""
    started = []

    def start(*cmd, **fields):
        exec_id, conn = api.open(*cmd, **fields)
        started.append((exec_id, conn))
        return exec_id, conn

    yield start
    for exec_id, conn in started:
        conn.close()
        kill_exec(api, exec_id)


def kill_exec(api, exec_id):
    # dockerd says for a moment that it runs and has the pid 0, which for kill(2) is whoever calls it, and its group.
    ended, pid = targets.wait_until(lambda: running_pid(api, exec_id))
    if ended:
        return
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass


def running_pid(api, exec_id):
    """(whether it ended, its pid), or None while neither is known."""
    answer = api.get(f"/exec/{exec_id}/json")
    if answer.status != 200 or not answer.json()["Running"]:
        return True, None
    pid = answer.json()["Pid"]
    return (False, pid) if pid else None


@pytest.fixture
def kill(api):
    """kill(id): ends a running exec from the host, and waits until inspect tells."""
    def go(exec_id):
        kill_exec(api, exec_id)
        return api.wait_exit(exec_id)
    return go
