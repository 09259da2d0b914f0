# SPDX-License-Identifier: LGPL-2.1-or-later
"""docker-py."""

import os
import select
import socket as sockets
import time

import docker
import pytest

import target as targets


@pytest.fixture(scope="module")
def client(target):
    made = docker.DockerClient(base_url=target.url, timeout=30)
    yield made
    made.close()


@pytest.fixture
def web(client, target):
    return client.containers.get(target.container)


@pytest.fixture
def low(client):
    return client.api


def read_for(raw, wanted, timeout=30):
    """Reads the raw socket until `wanted` came."""
    deadline, data = time.monotonic() + timeout, b""
    while wanted not in data:
        assert select.select([raw], [], [], max(0, deadline - time.monotonic()))[0], f"no {wanted!r} in {data!r}"
        part = raw.recv(65536)
        assert part, f"ended before {wanted!r}: {data!r}"
        data += part
    return data


def test_negotiation(target):
    made = docker.DockerClient(base_url=target.url, version="auto")
    assert made.ping() is True
    assert made.api.api_version
    made.close()


def test_list_and_get(client, target, web):
    assert web.name == target.container and web.status == "running"
    assert target.container in [c.name for c in client.containers.list()]
    assert [c.id for c in client.containers.list(filters={"name": f"^/{target.container}$"})] == [web.id]
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("nosuch")


def test_run(web):
    code, out = web.exec_run("echo hello world")
    assert (code, out) == (0, b"hello world\n")


def test_exit_code(web):
    assert web.exec_run(["sh", "-c", "exit 42"]).exit_code == 42


def test_both_outputs(web):
    out = web.exec_run(["sh", "-c", "echo out; sleep 1; echo err >&2"]).output  # two pipes have no order of their own
    assert out == b"out\nerr\n"


def test_only_one_output(web):
    assert web.exec_run(["sh", "-c", "echo out; echo err >&2"], stderr=False).output == b"out\n"
    assert web.exec_run(["sh", "-c", "echo out; echo err >&2"], stdout=False).output == b"err\n"


def test_demux(web):
    code, (out, err) = web.exec_run(["sh", "-c", "echo out; echo err >&2; exit 3"], demux=True)
    assert (code, out, err) == (3, b"out\n", b"err\n")


def test_demux_of_one(web):
    assert web.exec_run("echo out", demux=True).output == (b"out\n", None)


def test_stream(web):
    # So that each is read alone.
    script = "for i in 1 2 3; do echo $i; until rm /tmp/read-$i 2>/dev/null; do sleep 0.1; done; done"
    code, chunks = web.exec_run(["sh", "-c", script], stream=True)
    assert code is None
    parts = []
    for chunk in chunks:
        parts.append(chunk)
        web.exec_run(["touch", f"/tmp/read-{len(parts)}"])
    assert parts == [b"1\n", b"2\n", b"3\n"]


def test_stream_demux(web):
    # So that each is read alone.
    script = "echo out; until rm /tmp/read-out 2>/dev/null; do sleep 0.1; done; echo err >&2"
    _, chunks = web.exec_run(["sh", "-c", script], stream=True, demux=True)
    assert next(chunks) == (b"out\n", None)
    web.exec_run(["touch", "/tmp/read-out"])
    assert list(chunks) == [(None, b"err\n")]


def test_large_stream(web):
    _, chunks = web.exec_run("head -c 20000000 /dev/zero", stream=True)
    assert sum(map(len, chunks)) == 20000000


def test_tty(web):
    assert web.exec_run(["sh", "-c", "tty; echo $TERM"], tty=True).output.endswith(b"\r\nxterm\r\n")


@pytest.mark.parametrize("environment", [{"A": "1", "B": "x y"}, ["A=1", "B=x y"]])
def test_environment(web, environment):
    assert web.exec_run(["sh", "-c", "echo $A-$B"], environment=environment).output == b"1-x y\n"


def test_user(web):
    assert web.exec_run("id -u", user="app").output == b"1000\n"
    assert web.exec_run("id -g", user="app:wheel").output == b"10\n"


def test_workdir(web):
    assert web.exec_run("pwd", workdir="/tmp").output == b"/tmp\n"


def test_privileged(web):
    code, out = web.exec_run("echo x", privileged=True)
    # If root itself lacks capabilities, runc fails.
    assert (code, out) == (0, b"x\n") or b"unable to apply caps" in out


def test_detach(web, low):
    exec_id = low.exec_create(web.id, ["sh", "-c", "until rm /tmp/end-6 2>/dev/null; do sleep 0.1; done; exit 6"])["Id"]
    assert low.exec_start(exec_id, detach=True) in (b"", "")
    assert low.exec_inspect(exec_id)["Running"] is True
    web.exec_run(["touch", "/tmp/end-6"])
    targets.wait_until(lambda: low.exec_inspect(exec_id)["ExitCode"] == 6, what="exit code 6")


def test_socket(web):
    """The raw socket: typed in, framed out."""
    _, s = web.exec_run("cat", stdin=True, socket=True)
    raw = getattr(s, "_sock", s)
    raw.sendall(b"hello\n")
    assert read_for(raw, b"hello\n").endswith(b"\1\0\0\0\0\0\0\6hello\n")
    raw.shutdown(sockets.SHUT_WR)
    assert raw.recv(100) == b""
    s.close()


def test_socket_with_a_tty(web, low):
    exec_id = low.exec_create(web.id, "/bin/sh", stdin=True, tty=True)["Id"]
    s = low.exec_start(exec_id, tty=True, socket=True)
    raw = getattr(s, "_sock", s)
    raw.sendall(b"echo $((6*7)); exit 4\n")
    assert b"42\r\n" in read_for(raw, b"42\r\n")
    while raw.recv(4096):
        pass
    s.close()
    assert low.exec_inspect(exec_id)["ExitCode"] == 4


def test_resize(web, low):
    script = "until stty -a | grep -q 'columns 97'; do sleep 0.1; done; stty -a"
    exec_id = low.exec_create(web.id, ["sh", "-c", script], tty=True)["Id"]
    s = low.exec_start(exec_id, tty=True, socket=True)
    low.exec_resize(exec_id, height=31, width=97)
    raw = getattr(s, "_sock", s)
    read_for(raw, b"rows 31; columns 97;")
    s.close()


def test_low_level(web, low):
    exec_id = low.exec_create(web.id, ["sh", "-c", "echo $A; exit 7"], environment={"A": "b"}, detach_keys="ctrl-x")["Id"]
    seen = low.exec_inspect(exec_id)
    assert (seen["Running"], seen["ExitCode"], seen["DetachKeys"]) == (False, None, "GA==")
    assert low.exec_start(exec_id) == b"b\n"
    assert low.exec_inspect(exec_id)["ExitCode"] == 7


def test_errors(web, low):
    with pytest.raises(docker.errors.NotFound) as e:
        low.exec_create("nosuch", "true")
    assert "No such container: nosuch" in str(e.value)
    with pytest.raises(docker.errors.NotFound) as e:
        low.exec_inspect("0" * 64)
    assert "No such exec instance" in str(e.value)
    with pytest.raises(docker.errors.APIError):
        low.exec_create(web.id, "true", detach_keys="abc")


def test_not_found(web, target):
    code, out = web.exec_run("nosuch")
    assert code == (127 if target.is_execd else 126)
    # dockerd itself loses some of these texts: docker-py drops what comes with the head.
    assert b"executable file not found" in out or (not target.is_execd and out == b"")


def test_top(web):
    seen = web.top()
    assert "PID" in seen["Titles"] and seen["Processes"]


def test_events(client, web):
    events = client.events(filters={"event": ["exec_die"]}, decode=True)
    try:
        web.exec_run(["sh", "-c", "exit 53"])
        # The stream ends with the client's own timeout if it never comes; others may come before.
        assert any(e["Actor"]["Attributes"]["exitCode"] == "53" for e in events)
    finally:
        events.close()


def test_300_runs_lose_nothing(web, target):
    """docker-py drops what arrives in one read with the head; execd sees to it that nothing does, dockerd does not."""
    lost = [n for n in range(300) if web.exec_run(["echo", str(n)]).output != b"%d\n" % n]
    assert not lost if target.is_execd else len(lost) < 150


def test_100_error_texts_lose_nothing(web, target):
    """dockerd loses some of these."""
    lost = sum(b"executable file not found" not in web.exec_run("nosuch").output for _ in range(100))
    assert lost == 0 if target.is_execd else lost < 50


def test_stdin_of_3_mb(web):
    """Written while the answer is read: a pipe's worth in each direction must not lock both up."""
    data = os.urandom(3000000)
    _, s = web.exec_run(["sh", "-c", "cat | wc -c"], stdin=True, socket=True)
    raw = getattr(s, "_sock", s)
    raw.sendall(data)
    raw.shutdown(sockets.SHUT_WR)
    assert b"3000000" in read_for(raw, b"3000000")
    s.close()
