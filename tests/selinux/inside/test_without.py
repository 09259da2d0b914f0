# SPDX-License-Identifier: LGPL-2.1-or-later
"""Without the policy module, and on a kernel without SELinux: everything else works, and which of them it is, is said
where it is to be said."""

import pytest

import client
import vm


@pytest.mark.parametrize("kind", ["web", "userns", "nnp"])
@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("privileged", [False, True])
def test_execs_work(kind, user, tty, privileged, request):
    machine = request.getfixturevalue(kind)
    outcome = machine.run(["id", "-u"], User=user, tty=tty, Privileged=privileged)
    assert outcome.code == 0 and outcome.out.split() == [(user or "0").encode()], outcome
    if vm.selinux_enabled():
        outcome = machine.run(["cat", "/proc/self/attr/current"], User=user, tty=tty, Privileged=privileged)
        assert outcome.out.decode().strip("\r\n\0") == machine.label, outcome


def test_lists_kill_and_attach_work(web):
    assert any("/web" in c["Names"] for c in client.request("GET", "/v1.41/containers/json").json())
    exec_id = client.create("web", ["sleep", "1000"]).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    assert client.request("POST", f"/exec/{exec_id}/kill?signal=KILL").status in (200, 204)


def test_what_is_not_checked_is_said():
    text = vm.sh(["journalctl", "--no-pager", "-b", "-o", "cat", "-u", "execd.service"])
    assert ("SELinux checks inactive: the policy has no class containerexec" in text) == vm.selinux_enabled(), text
    if not vm.selinux_enabled():
        assert "selinux" not in text.lower(), text
