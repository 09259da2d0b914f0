# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd is killed in the midst of its work: no client takes that for the success of its command."""

import subprocess

import pytest

from execd import shell, wait_for

DOCKER = ["docker", "-H", "unix:///run/execd/execd.sock"]


def main_pid():
    return int(shell("systemctl show -P MainPID execd.service"))


def stored():
    return int(shell("systemctl show -P NFileDescriptorStore execd.service"))


def crash():
    pid = main_pid()
    shell(f"kill -KILL {pid}")
    wait_for(lambda: main_pid() not in (pid, 0), what="execd to have been started again")


@pytest.mark.parametrize("kept", [False, True])
def test_docker_exec_does_not_report_success(kept):
    """Its command runs on. If execd has it still, the client is answered for it, and must not read that as a 0."""
    docker = subprocess.Popen([*DOCKER, "exec", "web", "sh", "-c", "echo up; sleep 40"], stdout=subprocess.PIPE)
    assert docker.stdout.readline() == b"up\n"
    if kept:
        wait_for(stored, seconds=17, what="systemd to have the descriptors")
    crash()
    status = docker.wait(60)
    assert status != 0
    shell("pkill -fx 'sleep 40'")
