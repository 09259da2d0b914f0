# SPDX-License-Identifier: LGPL-2.1-or-later
"""A command has its container's label, whoever it runs as and however."""

import os

import pytest

import client
import vm

LABEL = ["cat", "/proc/self/attr/current"]


@pytest.mark.parametrize("kind", ["web", "other", "userns", "nnp"])
@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("privileged", [False, True])
def test_label_is_the_containers(kind, user, tty, privileged, request):
    machine = request.getfixturevalue(kind)
    outcome = machine.run(LABEL, User=user, tty=tty, Privileged=privileged)
    assert outcome.ran and outcome.code == 0, outcome
    assert outcome.out.decode().strip("\r\n\0") == machine.label, outcome


def running(machine, **fields):
    created = client.create(machine.name, ["sleep", "1000"], **fields)
    assert created.status == 201, created.body
    exec_id = created.json()["Id"]
    tty = bool(fields.get("Tty"))
    assert client.request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": tty}).status in (200, 204)
    return exec_id, client.inspect(exec_id)["Pid"]


def parent_of(pid):
    return next(line.split()[1] for line in vm.read(f"/proc/{pid}/status").splitlines() if line.startswith("PPid:"))


def test_what_runs_is_ours(web):
    """The three programs are in the domains of the policy, and the policy judges them."""
    for unit, domain in (("execd.service", "execd_t"), ("execd-spawner.service", "execd_spawner_t")):
        pid = vm.vm_value("systemctl", "show", "-p", "MainPID", "--value", unit)
        assert vm.label_of(pid) == f"system_u:system_r:{domain}:s0"
    exec_id, pid = running(web)
    assert os.readlink(f"/proc/{parent_of(pid)}/exe") == "/usr/lib/execd/execd-runner"
    assert vm.label_of(parent_of(pid)) == "system_u:system_r:execd_runner_t:s0"
    client.request("POST", f"/exec/{exec_id}/kill?signal=KILL")
    assert vm.read("/sys/fs/selinux/enforce") == "1"


@pytest.mark.parametrize("kind", ["web", "other", "userns"])
@pytest.mark.parametrize("user", ["", "1000"])
def test_a_terminal_is_the_containers(kind, user, request):
    machine = request.getfixturevalue(kind)
    exec_id, pid = running(machine, Tty=True, User=user)
    assert vm.label_of(pid) == machine.label
    level = machine.label.split(":", 3)[3]
    assert vm.file_label(f"/proc/{pid}/fd/0") == f"system_u:object_r:container_file_t:{level}"
    client.request("POST", f"/exec/{exec_id}/kill?signal=KILL")


def test_sockets_are_ours():
    assert vm.file_label("/run/execd/execd.sock") == "system_u:object_r:execd_runtime_t:s0"
    assert vm.file_label("/run/execd/spawner.sock") == "system_u:object_r:execd_spawner_runtime_t:s0"
    assert vm.file_label("/usr/lib/execd/execd-runner") == "system_u:object_r:execd_runner_exec_t:s0"
