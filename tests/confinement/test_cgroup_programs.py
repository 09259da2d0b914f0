# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-D1: programs of a container's control group, of any kind, apply to its commands as well."""

import os

import bpf
import client
import host
import pytest
import services

FORBIDDEN = 13


@pytest.fixture(scope="module")
def programmed():
    made = services.Service("programs", ["User=daemon"])
    yield made
    made.remove()


@pytest.mark.parametrize("kind", bpf.KINDS)
def test_forbidden(programmed, kind):
    """Also for a program that was attached when the service had commands already, and no longer when it was detached."""
    release = tuple(int(n) for n in os.uname().release.split(".")[:2])
    if kind in bpf.NEWER and release < (6, 7):
        pytest.skip("this kernel has no such programs")
    command = services.script(bpf.ATTEMPT, kind)
    assert client.run(programmed.name, command).code == services.by_itself(programmed, command) == 0
    program = bpf.Program(kind)
    program.attach(programmed.group())
    try:
        assert services.by_itself(programmed, command) == FORBIDDEN
        assert client.run(programmed.name, command).code == FORBIDDEN
    finally:
        program.detach(programmed.group())
        program.close()
    assert client.run(programmed.name, command).code == 0


def test_forbidden_between_create_and_start():
    """The scope of a command, which may have been made long before, has what is forbidden when the command starts."""
    group = host.cgroup_of(int(host.sh(["machinectl", "show", "web", "-p", "Leader", "--value"])))
    created = client.create("web", ["/bin/cat", "/proc/sys/kernel/ostype"]).json()["Id"]
    host.wait_until(lambda: f"exec-{created}.scope" in host.exec_scopes(), "its scope")
    program = bpf.Program("sysctl")
    program.attach(group)
    try:
        outcome = client.start(created)
        assert outcome.code != 0 and "not permitted" in outcome.text, outcome
    finally:
        program.detach(group)
        program.close()
    assert client.output("web", ["/bin/cat", "/proc/sys/kernel/ostype"]) == "Linux\n"
