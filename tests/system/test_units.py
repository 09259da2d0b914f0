# SPDX-License-Identifier: LGPL-2.1-or-later
"""The protections of execd.service, by any of its settings; and both services start at once."""

import os
import subprocess

import pytest

from execd import request, run, shell, wait_for

SANITIZED = os.environ.get("EXECD_TEST_VARIANT") == "asan"


def main_pid(unit):
    return int(shell(f"systemctl show -P MainPID {unit}"))


@pytest.fixture(scope="module")
def inside():
    """Runs a shell command where execd is, as its user, without capabilities."""
    assert request("GET", "/_ping").status == 200
    pid = main_pid("execd.service")

    def call(command):
        return subprocess.run(["nsenter", "-t", str(pid), "-m", "-n", "setpriv", "--reuid=execd", "--regid=execd", "--clear-groups",
                               "--bounding-set=-all", "--no-new-privs", "sh", "-c", command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
    assert call("echo there").stdout == "there\n"
    return call


@pytest.mark.parametrize("command", [
    "echo 1 >/proc/sys/kernel/panic", "echo 1 >/proc/sysrq-trigger", "echo 1 >/sys/kernel/mm/ksm/run", "touch /sys/fs/cgroup/x",
    "head -c1 /proc/kmsg", "head -c1 /proc/kcore", "head -c1 /dev/kmsg", "head -c1 /dev/mem", "touch /etc/x", "touch /usr/x",
    "touch /home/x", "touch /root/x", "touch /run/user/x", "ls -A /home /root /run/user | grep -v :$ | grep .", "touch /var/x",
])
def test_kept_out(inside, command):
    assert inside(command).returncode != 0


def test_mounts_of_the_kernel_are_read_only(inside):
    mounts = inside("cat /proc/self/mounts").stdout
    options = {line.split()[1]: line.split()[3].split(",") for line in mounts.splitlines()}
    assert "ro" in options["/sys"] and "ro" in options["/proc/sys"] and "ro" in options["/sys/fs/cgroup"]


def test_policy_can_be_asked():
    """libselinux takes SELinux for disabled where its file system is read-only: execd would check nothing."""
    assert "/sys/fs/selinux" in shell("systemctl show -P ReadWritePaths execd.service")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer makes calls of its own, and the filter is off")
def test_calls():
    allowed = shell("systemctl show -P SystemCallFilter execd.service").split()
    assert "read" in allowed
    assert not {"syslog", "init_module", "finit_module", "delete_module", "mount", "ptrace", "bpf", "reboot"} & set(allowed)


def test_children_of_the_spawner_may_be_killed():
    """They read what containers have. systemd would stop the service of one that the kernel killed for want of memory."""
    assert shell("systemctl show -P OOMPolicy execd-spawner.service").strip() == "continue"


def test_both_services_start_at_once():
    """The spawner is there when the first command comes, and not started for it."""
    shell("systemctl stop execd.service execd-spawner.service")
    assert request("GET", "/_ping").status == 200
    wait_for(lambda: main_pid("execd-spawner.service") > 0, what="the spawner to be started with execd")
    assert run("web", ["true"])[0] == 0
