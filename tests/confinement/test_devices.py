# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices and cgroups: the container's policy holds in the exec's own scope (R-D1, R-D2)."""

import re

import client
import host
import pytest
from test_false_proc import run_marked

NODES = {"disk": "b 254 0", "disk8": "b 8 0", "loop": "b 7 0", "kmsg": "c 1 11", "mem": "c 1 1", "port": "c 1 4",
         "fuse": "c 10 229", "console": "c 5 1"}


def device_programs(cgroup):
    words = host.sh([f"{host.TOOLS}/hostile", "device-programs", f"/sys/fs/cgroup{cgroup}"]).split()
    return [int(word) for word in words[1:]]


def attempt(name, node, **fields):
    """mknod and open of a device: the output of the shell, and the exit code."""
    script = f"mknod /dev/attempt {NODES[node]} && (: </dev/attempt); r=$?; rm -f /dev/attempt; exit $r"
    return client.run(name, ["/bin/sh", "-c", script], **fields)


@pytest.fixture(scope="module")
def closed(module_machine):
    return module_machine("hostile-closed", payload=["/probe/hostile", "sleep"], properties=["DevicePolicy=closed"])


@pytest.mark.parametrize("privileged", [False, True], ids=["plain", "privileged"])
@pytest.mark.parametrize("node", NODES)
def test_closed_policy(closed, node, privileged):
    """T-D1: as root with CAP_MKNOD, privileged or not, EPERM."""
    outcome = attempt(closed.name, node, Privileged=privileged)
    assert outcome.ran and outcome.code != 0 and "not permitted" in outcome.text, outcome


def test_closed_policy_is_what_forbids(closed):
    """Without the policy the same command may have the loop device; under it, what it allows still works."""
    assert "not permitted" not in attempt("web", "loop", Privileged=True).text
    script = "mknod /dev/attempt c 1 3 && echo x >/dev/attempt; r=$?; rm -f /dev/attempt; exit $r"
    assert client.output(closed.name, ["/bin/sh", "-c", script]) == ""


@pytest.mark.parametrize("name", ["web", "disk", "kmsg", "mem"])
def test_host_devices(name):
    """T-D1 in a machine as it comes: the host's disks and memory are not to be had."""
    node = "disk" if name == "web" else name
    outcome = attempt("web", node)
    assert outcome.ran and outcome.code != 0, outcome
    assert re.search(r"not permitted|No such device", outcome.text), outcome


def test_effective_programs(closed):
    """The kernel's word: every device program in effect for the leader is in effect for the command, or one that
    denies as much."""
    leader = device_programs(host.cgroup_of(closed.leader()))
    assert leader, "the closed machine has no program"
    outcome, pid = run_marked(closed.name)
    assert pid, outcome
    scope = device_programs(host.cgroup_of(pid))
    assert host.cgroup_of(pid) != host.cgroup_of(closed.leader())
    assert set(leader) <= set(scope) or len(scope) >= len(leader), f"leader {leader}, scope {scope}"


def test_allowed_device(machine):
    """A device that the container's unit allows, and only that, is allowed to the command as well."""
    m = machine("hostile-allowed", payload=["/probe/hostile", "sleep"],
                properties=["DevicePolicy=closed", "DeviceAllow=/dev/char/10:229 rwm"])
    assert attempt(m.name, "fuse").text.find("not permitted") < 0
    assert "not permitted" in attempt(m.name, "loop").text


def test_container_tightened_its_own_policy(machine):
    """A program that the container's manager attached to the leader's own cgroup counts, not only the unit's text."""
    m = machine("hostile-tight", payload=["/probe/hostile", "sleep"])
    # Settings of a running unit show in its properties at once and as programs on its cgroup.
    host.sh(["systemctl", "set-property", "--runtime", m.unit, "DevicePolicy=closed"])
    outcome = attempt(m.name, "loop")
    assert outcome.ran and "not permitted" in outcome.text, outcome


def test_cgroup_text():
    """T-D2: the command is in the container's cgroup namespace and its text names no unit of the host but its own."""
    for name in ("web", "booted", "userns"):
        text = client.output(name, ["/bin/cat", "/proc/self/cgroup"])
        own = next(line for line in text.splitlines() if line.startswith("0::"))
        assert re.fullmatch(r"0::(/\.\.)+(/[\w.-]+\.slice)*/exec-[0-9a-f]{64}\.scope", own), own
        leader = int(host.sh(["machinectl", "show", "-p", "Leader", "--value", name]))
        fields = client.fields(client.run(name, ["/bin/sh", "-c", "echo ns=$(readlink /proc/self/ns/cgroup)"]))
        inside = {host.namespaces_of(pid)["cgroup"] for pid in [leader, *host.children_of(leader)]}
        assert fields["ns"] in inside
        assert host.namespaces_of(1)["cgroup"] != fields["ns"]
