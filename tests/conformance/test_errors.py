# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors: statuses, texts, exit codes (exec-api §3)."""

import threading

import pytest

import target as targets
from wire import STDOUT, build, unique_name

NO_EXEC = "1" * 64


@pytest.fixture(scope="module", autouse=True)
def files(api):
    result = api.sh("echo '#!/bin/sh' > /tmp/noexec; chmod 644 /tmp/noexec;"
                    "printf '#!/nonexistent/sh\\n' > /tmp/badshebang; chmod 755 /tmp/badshebang;"
                    "printf 'no program\\n' > /tmp/noformat; chmod 755 /tmp/noformat;"
                    "ln -sf loop /tmp/loop")
    assert result.code == 0


# Unknown execs.

@pytest.mark.parametrize("method,route", [("POST", "start"), ("POST", "resize?h=1&w=1"), ("GET", "json")])
def test_unknown_exec(api, method, route):
    body = {"Detach": False} if route == "start" else None
    answer = api.call(method, f"/exec/{NO_EXEC}/{route}", body)
    assert (answer.status, answer.message) == (404, f"No such exec instance: {NO_EXEC}")


def test_unknown_exec_with_upgrade(api):
    answer = api.post(f"/exec/{NO_EXEC}/start", {}, upgrade=True)
    assert (answer.status, answer.message) == (404, f"No such exec instance: {NO_EXEC}")


def test_unknown_exec_detached(api):
    assert api.start_detached(NO_EXEC).status == 404


# The body of start.

@pytest.mark.parametrize("body,text", [("{", "unexpected EOF"), ("hello", "invalid character 'h'"),
                                       ('{"Tty":"x"}', "cannot unmarshal string"), ('{"Detach":1}', "cannot unmarshal number"),
                                       ("[]", "cannot unmarshal array")])
def test_bad_start_body(api, body, text):
    exec_id = api.create("true")
    answer = api.post(f"/exec/{exec_id}/start", body)
    assert answer.status == 400
    assert text in answer.message
    assert api.inspect(exec_id)["ExitCode"] is None


@pytest.mark.parametrize("body", ["{}", "null", '{"hijack":true,"stdin":true}', '{"detach":false,"tty":null}', "{}\n"])
def test_start_body_is_lenient(api, body):
    exec_id = api.create("echo", "hi")
    with api.conn() as c:
        c.send(build_start(exec_id, body.encode()))
        assert c.read_head().status == 101
        assert c.read_frames() == [(STDOUT, b"hi\n")]


def build_start(exec_id, body, **kw):
    return build("POST", f"/exec/{exec_id}/start", body, upgrade=True, **kw)


def test_start_without_a_body(api, differ):
    exec_id = api.create("echo", "hi")
    with api.conn() as c:
        c.send(build_start(exec_id, None))
        assert c.read_head().status == differ(dockerd=400, execd=101)


def test_start_content_type(api):
    exec_id = api.create("true")
    answer = api.post(f"/exec/{exec_id}/start", {}, content_type="text/plain")
    assert answer.status == 400
    assert "must be 'application/json'" in answer.message


def test_start_content_after_the_value(api, differ):
    exec_id = api.create("true")
    with api.conn() as c:
        c.send(build_start(exec_id, b"{}x"))
        assert c.read_head().status == differ(dockerd=101, execd=400)


# Started twice. Since moby 28.2 the texts are in lower case and without "Error: ".

def test_already_ran_attached(api, target, differ):
    exec_id = api.run("true").id
    text = differ(dockerd=f"Error: Exec command {exec_id} has already run\r\n",
                  execd=f"exec command {exec_id} has already run\r\n")
    with api.start(exec_id) as c:
        assert c.read_frames() == [(STDOUT, text.encode())]
    assert api.inspect(exec_id)["ExitCode"] == 0


def test_already_ran_attached_raw(api, target, differ):
    exec_id = api.run("true").id
    text = differ(dockerd=f"Error: Exec command {exec_id} has already run\r\n",
                  execd=f"exec command {exec_id} has already run\r\n")
    with api.start(exec_id, tty=True) as c:
        assert c.read_to_eof() == text.encode()


def test_already_ran_detached(api, target, differ):
    exec_id = api.run("true").id
    answer = api.start_detached(exec_id)
    assert answer.status == 409
    assert answer.message == differ(dockerd=f"Error: Exec command {exec_id} has already run",
                                    execd=f"exec command {exec_id} has already run")


def test_already_running_attached(api, running, differ):
    exec_id, _ = running("sleep", "30")
    api.wait_running(exec_id)
    with api.start(exec_id) as c:
        assert c.read_frames() == [(STDOUT, differ(
            dockerd=f"Error: Exec command {exec_id} is already running\r\n",
            execd=f"exec command {exec_id} is already running\r\n").encode())]
    assert api.inspect(exec_id)["Running"] is True


def test_already_running_detached(api, running, differ):
    exec_id, _ = running("sleep", "30")
    api.wait_running(exec_id)
    answer = api.start_detached(exec_id)
    assert answer.status == 409
    assert answer.message == differ(dockerd=f"Error: Exec command {exec_id} is already running",
                                    execd=f"exec command {exec_id} is already running")


def test_of_concurrent_starts_one_runs(api):
    exec_id = api.create("sh", "-c", "echo ran; sleep 0.5")  # all starts come while it runs, if they can
    outputs = []

    def start():
        with api.start(exec_id) as c:
            outputs.append(b"".join(data for _, data in c.read_frames()))

    threads = [threading.Thread(target=start) for _ in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert len(outputs) == 5
    assert sorted(o == b"ran\n" for o in outputs) == [False] * 4 + [True]
    assert all(b"already" in o for o in outputs if o != b"ran\n")


# Commands that cannot be started: (Cmd, other fields, what the text must hold, 20.10's code, code since moby 28.0).
CANNOT_START = {
    "not in PATH": (["nosuch"], {}, 'exec: "nosuch": executable file not found in $PATH', 126, 127),
    "no such path": (["/nosuch"], {}, "no such file or directory", 126, 127),
    "below a file": (["/etc/passwd/x"], {}, "not a directory", 126, 127),
    "not executable": (["/tmp/noexec"], {}, "permission denied", 126, 126),
    "a directory": (["/tmp"], {}, "", 126, 126),
    "no such directory": (["true"], {"WorkingDir": "/nonexist"}, "chdir to cwd", 126, 127),
    "symlink loop": (["/tmp/loop"], {}, "too many levels of symbolic links", 126, 126),
}


@pytest.mark.parametrize("attached", [True, False], ids=["stdout", "nothing attached"])
@pytest.mark.parametrize("case", CANNOT_START)
def test_cannot_start_attached(api, case, attached, target):
    """One text, on stdout, ended by CR LF, even when stdout is not attached."""
    cmd, fields, text, _, _ = CANNOT_START[case]
    result = api.run(*cmd, AttachStdout=attached, **fields)
    assert [kind for kind, _ in result.frames] == [STDOUT]
    assert result.out.startswith(b"OCI runtime exec failed: exec failed: ")
    assert text.encode() in result.out
    # dockerd has one more sentence about mounts in place of "unknown" there.
    assert result.out.endswith(b"\r\n" if case == "below a file" else b": unknown\r\n")
    assert result.inspect["Running"] is False
    assert result.inspect["Pid"] == 0


@pytest.mark.parametrize("case", CANNOT_START)
def test_cannot_start_code(api, target, case, differ):
    cmd, fields, _, old, new = CANNOT_START[case]
    code = api.run(*cmd, **fields).code
    assert code == (old if old == new else differ(dockerd=old, execd=new))


@pytest.mark.parametrize("case", ["not in PATH", "no such path", "not executable", "no such directory"])
def test_cannot_start_detached(api, case, differ):
    cmd, fields, text, _, _ = CANNOT_START[case]
    exec_id = api.create(*cmd, **fields)
    answer = api.start_detached(exec_id)
    assert answer.status == 400
    assert answer.message.startswith("OCI runtime exec failed: exec failed: ")
    assert text in answer.message and not answer.message.endswith("\n")
    assert api.inspect(exec_id)["ExitCode"] in (126, 127)


def test_cannot_start_with_a_tty(api):
    result = api.run("nosuch", Tty=True)
    assert result.out.endswith(b": unknown\r\n") and result.out.startswith(b"OCI runtime exec failed")


def test_cannot_start_without_upgrade(api):
    result = api.run("nosuch", upgrade=False)
    assert result.out.startswith(b"OCI runtime exec failed") and result.head.status == 200


# execve itself fails: the text comes from within, on stderr, after a start that succeeded.

@pytest.mark.parametrize("path,text", [("/tmp/badshebang", b"no such file or directory"),
                                       ("/tmp/noformat", b"exec format error")])
def test_fails_late(api, path, text, differ):
    result = api.run(path)
    assert text in (result.err + result.out).lower()
    assert result.code == differ(dockerd=1, execd=255)


def test_fails_late_detached(api):
    exec_id = api.create("/tmp/noformat")
    assert api.start_detached(exec_id).status == 200
    assert api.wait_exit(exec_id)["ExitCode"] != 0


# Exit codes.

@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 126, 127, 128, 137, 254, 255])
def test_exit_code(api, code):
    assert api.sh(f"exit {code}").code == code


@pytest.mark.parametrize("signal", [1, 2, 6, 9, 11, 15])
def test_killed_by_a_signal(api, signal):
    assert api.sh(f"kill -{signal} $$").code == 128 + signal


def test_killed_from_outside(api, running, kill):
    exec_id, c = running("sleep", "60")
    api.wait_running(exec_id)
    assert kill(exec_id)["ExitCode"] == 137
    assert c.read_frames(5) == []


def test_exit_code_with_a_tty(api):
    assert api.sh("exit 33", Tty=True).code == 33


def test_exit_code_detached(api):
    exec_id = api.create("sh", "-c", "exit 12")
    assert api.start_detached(exec_id).status == 200
    assert api.wait_exit(exec_id)["ExitCode"] == 12


# The container's state.

def test_container_is_paused(api, victim):
    exec_id = api.create("true", container=victim.name)
    full = api.inspect(exec_id)["ContainerID"]
    victim.pause()
    try:
        answer = api.try_create({"Cmd": ["true"]}, container=victim.name)
        assert (answer.status, answer.message) == (
            409, f"Container {victim.name} is paused, unpause the container before exec")
        for route in ("start", "resize?h=1&w=1"):
            answer = api.post(f"/exec/{exec_id}/{route}", {})
            assert (answer.status, answer.message) == (
                409, f"Container {full} is paused, unpause the container before exec")
        assert api.post(f"/exec/{exec_id}/start", {}, upgrade=True).status == 409
        assert api.inspect(exec_id)["ExitCode"] is None
    finally:
        victim.unpause()
    with api.start(exec_id) as c:
        assert c.read_frames() == []
    assert api.inspect(exec_id)["ExitCode"] == 0


def test_container_is_stopped(api, victim, differ):
    """Stopping drops the execs that have not finished; ended execs can still be inspected."""
    waiting = api.create("true", container=victim.name)
    done = api.run("sh", "-c", "exit 5", container=victim.name).id
    victim.stop()
    for method, route in (("POST", "start"), ("POST", "resize?h=1&w=1"), ("GET", "json")):
        answer = api.call(method, f"/exec/{waiting}/{route}", {} if method == "POST" else None)
        assert (answer.status, answer.message) == (404, f"No such exec instance: {waiting}")
    assert api.inspect(done)["ExitCode"] == 5


def test_create_in_a_stopped_container(api, target, victim, differ):
    """A machine that does not run is not there at all."""
    full = api.get(f"/containers/{victim.name}/json").json()["Id"]
    victim.stop()
    answer = api.try_create({"Cmd": ["true"]}, container=victim.name)
    assert answer.status == differ(dockerd=409, execd=404)
    assert answer.message == differ(dockerd=f"Container {full} is not running", execd=f"No such container: {victim.name}")


def test_container_stops_under_an_exec(api, victim):
    exec_id = api.create("sh", "-c", "echo ready; exec sleep 60", container=victim.name)
    with api.start(exec_id) as c:
        c.frames_until(b"ready")
        victim.stop()
        assert c.read_frames(10) == []
    answer = api.get(f"/exec/{exec_id}/json")
    if answer.status == 200:
        assert answer.json()["Running"] is False
        assert answer.json()["ExitCode"] == 137


def test_container_restarts_between_create_and_start(api, victim):
    """The exec was meant for the container that is gone."""
    exec_id = api.create("touch", "/tmp/ran", container=victim.name)
    victim.stop()
    victim.start()
    answer = api.post(f"/exec/{exec_id}/start", {})
    assert (answer.status, answer.message) == (404, f"No such exec instance: {exec_id}")
    assert api.run("ls", "/tmp/ran", container=victim.name).code != 0


def test_container_is_removed(api, victim):
    exec_id = api.create("true", container=victim.name)
    victim.remove()
    answer = api.post(f"/exec/{exec_id}/start", {})
    assert answer.status == 404
    assert api.try_create({"Cmd": ["true"]}, container=victim.name).message == f"No such container: {victim.name}"


@pytest.mark.dockerd_only
def test_container_is_restarting(api, target):
    name = unique_name("restarting")
    target.docker("run", "-d", "--network", "none", "--restart", "always", "--name", name, targets.IMAGE, "/bin/false")
    try:
        def refused():
            answer = api.try_create({"Cmd": ["true"]}, container=name)
            return answer.status == 409 and "restarting" in answer.message and answer
        answer = targets.wait_until(refused, what="a refusal while it restarts")
        full = api.get(f"/containers/{name}/json").json()["Id"]
        assert answer.message == f"Container {full} is restarting, wait until the container is running"
    finally:
        target.docker("rm", "-f", name)
