# SPDX-License-Identifier: LGPL-2.1-or-later
"""Without the policy module, and on a kernel without SELinux. Debian's policy lets no service but an engine of containers
become a container's process: without the module and enforcing, execs are refused, and all else works."""

import os

import pytest

import client
import vm

ENFORCE = "/sys/fs/selinux/enforce"
EXPECTED = "no-selinux" if "lsm=capability" in vm.read("/proc/cmdline") else "no-module"


@pytest.fixture(scope="module")
def not_enforcing():
    if vm.selinux_enabled():
        vm.sh(["setenforce", "0"])
    yield
    if vm.selinux_enabled():
        vm.sh(["setenforce", "1"])


@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("tty", [False, True])
def test_enforcing_without_the_module_nothing_runs_with_another_label(web, user, tty):
    if not vm.selinux_enabled():
        assert web.run(["true"], User=user, tty=tty).code == 0
        return
    assert vm.read(ENFORCE) == "1"
    ran = "/home/app/ran" if user else "/root/ran"
    client.assert_refused(web.run(["touch", ran], User=user, tty=tty), "SELinux")
    assert not os.path.exists(web.root + ran)


@pytest.mark.parametrize("kind", ["web", "userns", "nnp"])
@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("privileged", [False, True])
def test_execs_work(kind, user, tty, privileged, not_enforcing, request):
    machine = request.getfixturevalue(kind)
    outcome = machine.run(["id", "-u"], User=user, tty=tty, Privileged=privileged)
    assert outcome.code == 0 and outcome.out.split() == [(user or "0").encode()], outcome
    if vm.selinux_enabled():
        outcome = machine.run(["cat", "/proc/self/attr/current"], User=user, tty=tty, Privileged=privileged)
        assert outcome.out.decode().strip("\r\n\0") == machine.label, outcome


def test_lists_and_kill_work(web, not_enforcing):
    assert any("/web" in c["Names"] for c in client.request("GET", "/v1.41/containers/json").json())
    exec_id = client.create("web", ["sleep", "1000"]).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    assert client.request("POST", f"/exec/{exec_id}/kill?signal=KILL").status in (200, 204)


def test_what_is_not_checked_is_said():
    text = vm.sh(["journalctl", "--no-pager", "-b", "-o", "cat", "-u", "execd.service"])
    assert vm.selinux_enabled() == (EXPECTED != "no-selinux")
    assert ("SELinux checks inactive: the policy has no class containerexec" in text) == vm.selinux_enabled(), text
    if not vm.selinux_enabled():
        assert "SELinux" not in text, text
