# SPDX-License-Identifier: LGPL-2.1-or-later
"""The purpose of the label: a command has its container's rights and no others, whatever the container does."""

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
    time.sleep(0.2)  # records of the kernel come later than the answer
    assert any("avc:  denied" in r and "s0:c1,c2" in r and "s0:c3,c4" in r for r in vm.records(before))


def do_to_mounts_of(pid, steps):
    """As root of the VM, with the mounts of a process: does things to a container that it could not do to itself. All in one
    go: a spawner that is not needed exits after some seconds."""
    words = [word for step in steps for word in ("--", *step)]
    vm.sh(["python3", "/usr/lib/execd-tests/selinux/in-mounts.py", str(pid)] + words[1:])


LABEL = "system_u:system_r:spc_t:s0"
# A file of the kernel's that takes what is written and makes something else of it; not every kernel has one.
WRONG = "/proc/1/sched" if os.path.exists("/proc/1/sched") else "/proc/1/comm"
FAKE = {
    "attr-file": [("tmpfs", "/proc")] + [
        ("write", f"/proc/{who}/attr/{name}", LABEL)
        for who in ("self", "thread-self", "1") for name in ("exec", "keycreate", "current", "prev")],
    "symlink": [("tmpfs", "/proc"), ("write", "/proc/x/attr/exec", LABEL), ("link", "x", "/proc/self"),
                ("link", "x", "/proc/thread-self")],
    "nothing": [("tmpfs", "/proc")],
    "attr-bound": [("bind", WRONG, f"/proc/1/{attr}{name}") for attr in ("attr/", "task/1/attr/")
                   for name in ("exec", "keycreate", "current")],
    "attr-hidden": [("tmpfs", "/proc/1/attr"), ("tmpfs", "/proc/1/task/1/attr")],
    "no selinuxfs": [("tmpfs", "/sys")],
    "read-only selinuxfs": [("selinuxfs", "/sys/fs/selinux")],
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


def test_a_label_that_is_not_set_is_missed():
    """Behind the runner's own /proc there is something else, which takes what is written as if all were well. No container
    can do this; it is what the look at what was set is for. Where the kernel has system calls, there is no path to lead
    astray. SELinux does not help here: it would refuse to have the file written."""
    machine = vm.Machine("fake")
    ran = f"{machine.root}/root/ran"
    helper = "execd-spawner.service"
    if os.path.exists(ran):
        os.unlink(ran)
    try:
        assert machine.run(["true"]).code == 0
        vm.sh(["setenforce", "0"])
        # The runners that wait already have their mounts; new ones come with the spawner's.
        vm.sh(["systemctl", "stop", "execd.service", helper])
        vm.sh(["systemctl", "start", helper])
        do_to_mounts_of(vm.vm_value("systemctl", "show", "-p", "MainPID", "--value", helper), [
            ("tmpfs", "/mnt"), ("write", "/mnt/false/attr/exec", ""), ("write", "/mnt/false/attr/keycreate", ""),
            ("bind", WRONG, "/mnt/false/attr/exec"), ("bind", WRONG, "/mnt/false/attr/keycreate"),
            ("link", "/mnt/false", "/mnt/link"), ("bind-link", "/mnt/link", "/proc/thread-self")])
        outcome = machine.run(["sh", "-c", "cat /proc/self/attr/current >/root/ran"])
        if vm.has_attribute_calls():
            assert outcome.ran and outcome.code == 0, outcome
            assert vm.read(ran).rstrip("\n\0") == machine.label
            return
        client.assert_refused(outcome, "failed to apply the container's security label", machine.label)
        assert not os.path.exists(ran)
    finally:
        vm.sh(["systemctl", "stop", "execd.service", helper])
        vm.sh(["setenforce", "1"])
        machine.stop()


def test_a_container_that_is_not_confined_is_refused_by_default():
    """A machine without a label of its own is in its maker's domain: entering that is a boolean's matter."""
    machine = vm.Machine("plain", labels=False)
    try:
        assert vm.label_of(machine.leader()).split(":")[2] == "unconfined_t"
        outcome = machine.run(["true"])
        client.assert_refused(outcome)
        vm.sh(["setsebool", "execd_enter_unconfined", "on"])
        # A failed read of the first process is tried again after three seconds.
        assert vm.wait_for(lambda: machine.run(["true"]).code == 0)
        outcome = machine.run(["cat", "/proc/self/attr/current"])
        assert outcome.code == 0 and outcome.out.decode().rstrip("\n\0") == vm.label_of(machine.leader()), outcome
    finally:
        vm.sh(["setsebool", "execd_enter_unconfined", "off"])
        machine.stop()
