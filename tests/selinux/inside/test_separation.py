# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the label is for: a command has its container's rights and no others, whatever the container does."""

import os
import time

import pytest

import client
import vm

CONTENT = "system_u:object_r:container_file_t:"


def put(machine, name, level):
    path = f"{machine.root}/{name}"
    with open(path, "w", encoding="utf-8") as f:
        f.write("content\n")
    os.setxattr(path, "security.selinux", (CONTENT + level).encode() + b"\0")


def test_a_command_reads_what_is_its_containers(web):
    put(web, "own", "s0:c1,c2")
    outcome = web.run(["cat", "/own"])
    assert (outcome.code, outcome.out) == (0, b"content\n"), outcome


@pytest.mark.parametrize("privileged", [False, True])
def test_a_command_does_not_read_what_is_anothers(web, privileged):
    put(web, "foreign", "s0:c3,c4")
    before = vm.cursor()
    outcome = web.run(["cat", "/foreign"], Privileged=privileged)
    assert outcome.code == 1 and b"Permission denied" in outcome.err, outcome
    time.sleep(0.2)
    assert any("avc:  denied" in r and "s0:c1,c2" in r and "s0:c3,c4" in r for r in vm.records(before))


def do_to_mounts_of(pid, steps):
    """As root of the VM, with the mounts of a machine: what no container could do to itself is done to it."""
    words = ["python3", "/usr/lib/execd-tests/selinux/in-mounts.py", str(pid)]
    for step in steps:
        vm.sh(words + list(step))


LABEL = "system_u:system_r:spc_t:s0"
FAKE = {
    "attr-file": [("tmpfs", "/proc")] + [
        ("write", f"/proc/{who}/attr/{name}", LABEL)
        for who in ("self", "thread-self", "1") for name in ("exec", "keycreate", "current", "prev")],
    "symlink": [("tmpfs", "/proc"), ("write", "/proc/x/attr/exec", LABEL), ("link", "x", "/proc/self"),
                ("link", "x", "/proc/thread-self")],
    "nothing": [("tmpfs", "/proc")],
    "sched": [("bind", "/proc/1/sched", "/proc/1/attr/exec"), ("bind", "/proc/1/sched", "/proc/1/attr/current")],
    "no selinuxfs": [("tmpfs", "/sys")],
}


@pytest.mark.parametrize("kind", sorted(FAKE))
@pytest.mark.parametrize("user", ["", "1000"])
def test_a_false_proc_changes_no_label(kind, user):
    """The label is the container's, seen from outside, or nothing has run."""
    machine = vm.Machine("fake")
    try:
        assert machine.run(["true"]).code == 0
        do_to_mounts_of(machine.leader(), FAKE[kind])
        created = client.create(machine.name, ["/bin/sleep", "100"], User=user)
        assert created.status == 201, created.body
        exec_id = created.json()["Id"]
        assert client.start_detached(exec_id).status in (200, 204)
        state = client.inspect(exec_id)
        assert state["Running"], state
        assert vm.label_of(state["Pid"]) == machine.label
    finally:
        machine.stop()


def test_a_container_that_is_not_confined_is_refused_by_default():
    """A machine without a label of its own is in its maker's domain: entering that is a boolean's matter."""
    machine = vm.Machine("plain", labels=False)
    try:
        assert vm.label_of(machine.leader()).split(":")[2] == "unconfined_t"
        outcome = machine.run(["true"])
        client.assert_refused(outcome)
        vm.sh(["setsebool", "execd_enter_unconfined", "on"])
        outcome = machine.run(["cat", "/proc/self/attr/current"])
        assert outcome.code == 0 and outcome.out.decode().rstrip("\n\0") == vm.label_of(machine.leader()), outcome
    finally:
        vm.sh(["setsebool", "execd_enter_unconfined", "off"])
        machine.stop()


def test_nothing_that_was_not_expected_was_denied():
    """Of all that SELinux has denied since boot, only what tests have asked for has to do with execd."""
    text = vm.sh(["journalctl", "--no-pager", "-b", "-o", "cat", "_TRANSPORT=audit", "+", "_TRANSPORT=kernel"])
    unexpected = set()
    for line in text.splitlines():
        if "avc:  denied" in line and ("execd_" in line or "container_t" in line):
            # The file that is another's, and what a command sees of the false /proc.
            if any(part in line for part in ('name="foreign"', "user_tmpfs_t", "tclass=containerexec")):
                continue
            unexpected.add(line)
        assert "permissive=1" not in line or "scontext=system_u:system_r:execd_" not in line, line
    assert not unexpected, "\n".join(sorted(unexpected))
