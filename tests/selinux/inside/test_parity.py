# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-PAR where the limits are: a command of execd's in a machine with limits has what the machine's own init gives to its
children, field by field; and its scope has the limits of the machine's unit."""

import shutil

import pytest

import client
import parity
import vm

LIMITS = ["MemoryMax=96M", "MemoryHigh=80M", "MemorySwapMax=0", "TasksMax=40", "CPUQuota=50%", "CPUWeight=50", "DevicePolicy=closed"]
CONTROLS = ("memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight")
RLIMITS = "--rlimit=NOFILE=1000:2000 --rlimit=NPROC=5000:6000 --rlimit=STACK=4194304:8388608 --rlimit=MEMLOCK=65536:65536"
USERS = {"root": (0, 0, [0]), "app": (1000, 1000, [1000, 10])}
PROBE = "/usr/lib/execd-tests/selinux/probe"


@pytest.fixture(scope="module")
def machine():
    # A domain that may do all that the probe tries: where it may not be another user, there is nothing to compare.
    machine = vm.Machine("parity", label="system_u:system_r:spc_t:s0:c1,c2", options=f"--as-pid2 {RLIMITS}", properties=LIMITS, payload="/probe/probe serve /probe",
                         prepare=prepare)
    machine.shared = f"{machine.root}/probe"
    yield machine
    machine.stop()


def prepare(root):
    # Not sticky: its init may remove files of a user inside.
    vm.sh(["install", "-d", "-m", "777", f"{root}/probe"])
    shutil.copy(PROBE, f"{root}/probe/probe")
    vm.sh(["chcon", "-R", "system_u:object_r:container_file_t:s0:c1,c2", f"{root}/probe"])


def by_execd(machine, user, tty=False, privileged=False):
    return parity.parse("\n".join(f"{k}={v}" for k, v in client.fields(
        machine.run(["/probe/probe", "report"], tty=tty, User=user, Privileged=privileged)).items()))


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "tty"])
@pytest.mark.parametrize("user", USERS)
def test_equal(machine, user, tty):
    reference = parity.from_payload(machine, *USERS[user], tty=tty)
    assert reference["label.current"].removesuffix("\\x00") == machine.label
    assert reference["limit.nofile"] == "1000 2000" and reference["limit.nproc"] == "5000 6000"
    tags = {"all", "limited", "selinux"} | ({"tty"} if tty else set()) | ({"user"} if user != "root" else set())
    got = by_execd(machine, user, tty)
    found = parity.differences(reference, got, tags)
    assert not found, "\n".join(found)
    assert machine.label in got["keyring.session.security"]


@pytest.mark.parametrize("user", USERS)
def test_equal_but_for_capabilities_when_privileged(machine, user):
    reference = parity.from_payload(machine, *USERS[user])
    tags = {"all", "limited", "selinux", "privileged"} | ({"user"} if user != "root" else set())
    found = parity.differences(reference, by_execd(machine, user, privileged=True), tags)
    assert not found, "\n".join(found)


def controls_of(pid, depth=None):
    """The limit that the control group of a process, or one above it, sets."""
    path = vm.read(f"/proc/{pid}/cgroup").strip().split("::", 1)[1]
    if depth:
        path = "/".join(path.split("/")[:depth + 1])
    return {name: vm.read(f"/sys/fs/cgroup{path}/{name}").strip() for name in CONTROLS}


def test_the_slice_has_the_units_limits(machine):
    exec_id = client.create(machine.name, ["sleep", "100"]).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    found = controls_of(client.inspect(exec_id)["Pid"], depth=2)
    client.request("POST", f"/exec/{exec_id}/kill?signal=KILL")
    assert found == controls_of(machine.leader(), depth=2)
    assert found["memory.max"] == str(96 << 20) and found["pids.max"] == "40" and found["cpu.max"].startswith("50000 ")
