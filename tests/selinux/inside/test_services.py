# SPDX-License-Identifier: LGPL-2.1-or-later
"""A domain that cannot be entered by executing a program as it is refused, and the error says why."""

import os

import pytest

import client
import vm

SERVICE = "system_u:system_r:execd_test_service_t:s0:c1,c2"


@pytest.fixture(scope="module")
def service():
    machine = vm.Machine("service", label=SERVICE)
    yield machine
    machine.stop()


@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("privileged", [False, True])
def test_a_type_that_is_no_containers(service, user, tty, privileged):
    """A confined service's domain, say: its policy lets no caller enter it with a program of the caller's choice."""
    assert vm.label_of(service.leader()) == SERVICE
    ran = "/home/app/ran" if user else "/root/ran"
    outcome = service.run(["touch", ran], User=user, tty=tty, Privileged=privileged)
    client.assert_refused(outcome, "SELinux policy", SERVICE, "execd_target_domain", "execd_enter_")
    assert not os.path.exists(service.root + ran)


@pytest.mark.parametrize("user", ["", "1000"])
def test_a_program_that_is_no_entry_point(web, user):
    """The type can be entered, but not with any file that happens to be executable."""
    path = f"{web.root}/bin/not-a-program"
    if not os.path.exists(path):
        vm.sh(["cp", f"{web.root}/bin/busybox", path])
        os.setxattr(path, "security.selinux", b"system_u:object_r:execd_test_data_t:s0:c1,c2\0")
    outcome = web.run(["/bin/not-a-program", "true"], User=user)
    client.assert_refused(outcome, "permission denied", "SELinux", web.label)
