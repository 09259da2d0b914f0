# SPDX-License-Identifier: LGPL-2.1-or-later
"""A command's stdin, stdout and stderr, where its container has categories that its caller has not, and the other way
round: the kernel silently replaces descriptors that the policy denies by the null device."""

import json
import os
import subprocess

import pytest

import client
import vm


def shell(script, **more):
    return subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100,
                          check=False, **more)


@pytest.mark.parametrize("machine", ["web", "userns"])
def test_execctl_in_pipelines(machine, request):
    name = request.getfixturevalue(machine).name
    r = shell(f"echo in | execctl run -i {name} -- sh -c 'cat; echo out; echo err >&2; exit 7' | cat; echo ${{PIPESTATUS[@]}}")
    assert (r.stdout, r.stderr) == ("in\nout\n0 7 0\n", "err\n"), r


def test_execctl_with_files(web, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    data = os.urandom(3 << 20)
    source.write_bytes(data)
    r = shell(f"execctl run -i {web.name} -- cat < {source} > {target}")
    assert r.returncode == 0 and target.read_bytes() == data, r
    r = shell(f"execctl run {web.name} -- sh -c 'echo out; echo err >&2' > {target} 2>&1 < /dev/null")
    assert r.returncode == 0 and target.read_text() == "out\nerr\n", r
    r = shell(f"execctl run {web.name} -- sh -c 'wc -c; readlink /proc/self/fd/0' | cat")
    assert r.stdout == "0\n/dev/null\n", r


def test_execctl_in_a_unit(web):
    r = shell("systemd-run --quiet --wait --unit=streams --property=SELinuxContext=unconfined_u:unconfined_r:unconfined_t:s0 "
              f"execctl run {web.name} -- sh -c 'echo here; exit 3'")
    assert r.returncode == 3, r
    vm.sh(["journalctl", "--sync"])
    assert vm.sh(["journalctl", "-q", "-b", "-o", "cat", "-u", "streams", "-t", "execctl"]) == "here\n"


def test_streams_have_names(web):
    """Not for writing, since what opens a file to write to it would also make it, and ask for the directory."""
    r = shell(f"echo in | execctl run -i {web.name} -- cat /proc/self/fd/0 | cat")
    assert (r.stdout, r.stderr) == ("in\n", ""), r


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "tty"])
@pytest.mark.parametrize("user", ["", "1000"])
@pytest.mark.parametrize("machine", ["web", "userns"])
def test_detached_output_is_of_the_scope(machine, user, tty, request):
    """The runner writes it to the journal, which says by itself whose it is."""
    name = request.getfixturevalue(machine).name
    exec_id = client.create(name, ["sh", "-c", "echo out; echo err >&2"], User=user, Tty=tty).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    assert client.request("POST", f"/exec/{exec_id}/wait").status == 200
    assert client.inspect(exec_id)["ExitCode"] == 0

    def lines():
        text = vm.sh(["journalctl", "--no-pager", "-q", "-b", "-o", "json", f"_SYSTEMD_UNIT=exec-{exec_id}.scope"])
        return [line for line in map(json.loads, text.splitlines()) if "EXEC_STREAM" in line]

    assert vm.wait_for(lambda: len(lines()) == 2), lines()
    for line in lines():
        assert line["_SELINUX_CONTEXT"].rstrip("\n\0") == "system_u:system_r:execd_runner_t:s0", line
        assert line["EXEC_ID"] == exec_id and line["CONTAINER_NAME"] == name, line
    found = sorted((line["EXEC_STREAM"], line["MESSAGE"]) for line in lines())
    assert found == sorted([("stdout" if tty else "stderr", "err"), ("stdout", "out")]), found


def test_nothing_was_denied(web):
    before = vm.cursor()
    for redirect in ("| cat", "> /dev/null", "2>&1 | cat"):
        assert shell(f"echo x | execctl run -i {web.name} -- cat {redirect}").returncode == 0
    found = [r for r in vm.records(before) if "fifo_file" in r or "tclass=fd" in r]
    assert not found, "\n".join(found)
