# SPDX-License-Identifier: LGPL-2.1-or-later
"""Seccomp filters of the leader: all of them hold for the command, and hostile ones gain nothing (R-C4)."""

import client
import host
import pytest
from test_false_proc import run_marked


def filtered(machine, kind, count, name="hostile-filter", **more):
    return machine(name, payload=["/probe/hostile", "filter", kind, str(count)], **more)


@pytest.mark.parametrize("stubbed", [False, True], ids=["init", "stub"])
@pytest.mark.parametrize("count", [1, 2, 32])
def test_stacked_filters(machine, count, stubbed):
    """T-C4: as many as the leader has, and they deny what they deny."""
    m = filtered(machine, "mkdir", count, as_pid2=stubbed)
    # From systemd 257 on, the machine is up before its first process has executed the payload.
    host.wait_until(lambda: int(host.status_of(m.leader())["Seccomp_filters"]) > count, "the filters of the leader")
    leader = host.status_of(m.leader())
    for user in ("root", "app"):
        for privileged in (False, True):
            outcome = client.run(m.name, ["/probe/probe", "report"], User=user, Privileged=privileged)
            fields = client.fields(outcome)
            assert fields["status.Seccomp_filters"] == leader["Seccomp_filters"]
            assert fields["try.mkdir"] == "EPERM" and fields["try.mkdirat"] == "EPERM"
            assert fields["status.NoNewPrivs"] == "0"
    assert client.run(m.name, ["/bin/mkdir", "/tmp/never"]).code == 1


def test_more_filters_than_can_be_taken(machine):
    """Filters that cannot be copied cause a refusal that says so."""
    m = filtered(machine, "mkdir", 100)
    outcome, pid = run_marked(m.name)
    if pid is None:
        client.assert_refused(outcome, "filter")
    else:
        host.assert_confined_like(pid, m.leader(), 0)


EVIL = ["setresuid", "setresgid", "capset", "clone", "execve", "seccomp", "hidden", "exit", "close"]


@pytest.mark.parametrize("user", ["root", "1000"])
@pytest.mark.parametrize("kind", EVIL)
def test_filters_that_lie(machine, kind, user):
    """T-C4: a filter answers 0 for a call that it did not let through. The command is confined as the leader is,
    or it does not run; and no runner is left that believed the answer."""
    m = filtered(machine, kind, 1)
    before = host.own_processes()
    outcome, pid = run_marked(m.name, User=user)
    if pid is None:
        client.assert_refused(outcome)
    else:
        host.assert_confined_like(pid, m.leader(), int(user) if user != "root" else 0)
        host.sh(["kill", "-KILL", str(pid)])
    host.wait_until(lambda: host.own_processes().get(host.PRODUCT[2], 0) <= before.get(host.PRODUCT[2], 0) + 2,
                    f"an end of the runners, {before} before, {host.own_processes()} now")
    # Nothing of ours is left inside, where the lie would have put it.
    inside = [p for p in host.find_process(host.PRODUCT[2]) if host.namespaces_of(p)["pid"] ==
              host.namespaces_of(m.leader())["pid"]]
    assert not inside


def test_hidden_filter_is_no_way_around(machine):
    """A filter that fakes seccomp(2) hides that the next was not loaded: what it forbids stays forbidden."""
    m = filtered(machine, "hidden", 1)
    outcome = client.run(m.name, ["/bin/mkdir", "/tmp/way-around"])
    assert outcome.code != 0
    assert client.run(m.name, ["/bin/ls", "-d", "/tmp/way-around"]).code != 0


@pytest.mark.parametrize("kind", ["notify", "trace", "log", "kill-write"])
def test_other_answers(machine, kind):
    """Filters that answer by a listener, a tracer, a log entry or a signal: the call is not made."""
    m = filtered(machine, kind, 1)
    outcome = client.run(m.name, ["/bin/mkdir", "/tmp/never"])
    if outcome.ran:
        assert outcome.code != 0, outcome
    else:
        client.assert_refused(outcome)
    outcome, pid = run_marked(m.name)
    if pid is not None:
        host.assert_confined_like(pid, m.leader(), 0)


def test_leader_that_is_traced(machine):
    """Its filters cannot be read: a refusal that says why, not a command without them."""
    m = machine("hostile-traced", payload=["/probe/hostile", "traced", "mkdir"])
    host.wait_until(lambda: host.status_of(m.leader())["TracerPid"] != "0", "the tracer")
    outcome, pid = run_marked(m.name)
    if pid is None:
        client.assert_refused(outcome)
    else:
        host.assert_confined_like(pid, m.leader(), 0)


def test_leader_is_left_as_it_was(machine):
    """Reading the filters stops the leader for a moment; it goes on, untraced."""
    m = filtered(machine, "mkdir", 2)
    for _ in range(20):
        client.run(m.name, ["/bin/true"])
    status = host.status_of(m.leader())
    assert status["TracerPid"] == "0" and status["State"][0] in "SR", status["State"]
