# SPDX-License-Identifier: LGPL-2.1-or-later
"""A command has its container's label, whoever it runs as and however."""

import pytest

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


def test_what_runs_is_ours():
    """The three programs are in the domains of the policy, and the policy judges them."""
    for unit, domain in (("execd.service", "execd_t"), ("execd-spawner.service", "execd_spawner_t")):
        pid = vm.sh(["systemctl", "show", "-p", "MainPID", "--value", unit]).strip()
        assert vm.label_of(pid).split(":")[2] == domain
    assert vm.read("/sys/fs/selinux/enforce") == "1"
