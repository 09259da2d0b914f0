# SPDX-License-Identifier: LGPL-2.1-or-later
"""Start and the stream: heads, frames, ends, half-closes, disconnects (exec-api §4.1–§4.5)."""

import hashlib
import json
import os
import signal
import time

import pytest

import target as targets
from wire import STDERR, STDOUT, Api, build, chunked, host_pid_alive, join

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


# Heads.

def test_upgrade_head(api, target):
    exec_id = api.create("true")
    with api.start(exec_id) as c:
        lines = c.head.raw.decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 101 UPGRADED"
        kind = MULTIPLEXED if target.is_execd else RAW
        assert lines[1:4] == [f"Content-Type: {kind}", "Connection: Upgrade", "Upgrade: tcp"]
        assert c.head.names()[3:] == ["Api-Version", "Docker-Experimental", "Ostype", "Server"]


def test_plain_head(api):
    exec_id = api.create("true")
    with api.start(exec_id, upgrade=False) as c:
        lines = c.head.raw.decode().split("\r\n")
        assert lines[:2] == ["HTTP/1.1 200 OK", f"Content-Type: {RAW}"]
        assert c.head.names()[1:] == ["Api-Version", "Docker-Experimental", "Ostype", "Server"]


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("tty", [True, False])
def test_no_length_no_coding_no_date(api, upgrade, tty):
    exec_id = api.create("true", Tty=tty)
    with api.start(exec_id, tty=tty, upgrade=upgrade) as c:
        for name in ("Date", "Content-Length", "Transfer-Encoding"):
            assert name not in c.head
        assert c.head.get("Connection") == ("Upgrade" if upgrade else None)


MEDIA = [("/v1.41", False, True, RAW), ("/v1.41", True, True, RAW), ("/v1.24", False, True, RAW),
         ("/v1.41", False, False, RAW), ("", True, True, RAW), ("", True, False, RAW), ("", False, False, RAW)]


@pytest.mark.parametrize("prefix,tty,upgrade,kind", MEDIA)
def test_media_type(api, prefix, tty, upgrade, kind):
    old = Api(api.path, api.container, prefix)
    exec_id = old.create("true", Tty=tty)
    with old.start(exec_id, tty=tty, upgrade=upgrade) as c:
        assert c.head.get("Content-Type") == kind


@pytest.mark.execd_only
@pytest.mark.parametrize("version", ["/v1.42", "/v1.44", "/v1.51"])
@pytest.mark.parametrize("tty", [False, True])
def test_media_type_since_142(api, version, tty):
    """By the flag of start, not of create."""
    new = Api(api.path, api.container, version)
    exec_id = new.create("true", Tty=not tty)
    with new.start(exec_id, tty=tty) as c:
        assert c.head.get("Content-Type") == (RAW if tty else MULTIPLEXED)


@pytest.mark.parametrize("headers", [{"Upgrade": "tcp"}, {"Upgrade": ""}, {"Upgrade": "anything"},
                                     {"Upgrade": "tcp", "Connection": "close"},
                                     {"Upgrade": "tcp", "Connection": "keep-alive, Upgrade"}, {"upgrade": "TCP"}])
def test_upgrade_is_decided_by_one_header(api, headers):
    exec_id = api.create("echo", "hi")
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/start", b"{}", headers))
        head = c.read_head()
        assert (head.status, head.get("Upgrade")) == (101, "tcp")
        assert c.read_frames() == [(STDOUT, b"hi\n")]


def test_connection_upgrade_alone_is_no_upgrade(api):
    exec_id = api.create("echo", "hi")
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/start", b"{}", {"Connection": "Upgrade"}))
        assert c.read_head().status == 200
        assert c.read_frames() == [(STDOUT, b"hi\n")]


def test_detached_ignores_upgrade(api):
    exec_id = api.create("true")
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/start", b'{"Detach":true}', upgrade=True))
        answer = c.read_response()
        assert (answer.status, answer.body) == (200, b"")
        assert answer.head.get("Content-Length") == "0"
        assert "Content-Type" not in answer.head and "Upgrade" not in answer.head


def test_detached_connection_lives_on(api):
    exec_id = api.create("true")
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/start", b'{"Detach":true}'))
        assert c.read_response().status == 200
        c.send(build("GET", "/_ping"))
        assert c.read_response().body == b"OK"


def test_detached_is_answered_when_it_runs(api, kill):
    exec_id = api.create("sleep", "30")
    assert api.start_detached(exec_id).status == 200
    seen = api.inspect(exec_id)
    assert seen["Running"] is True and seen["Pid"] > 0
    kill(exec_id)


def test_head_comes_before_the_process_ends(api):
    exec_id = api.create("cat", AttachStdin=True)
    with api.start(exec_id) as c:
        assert api.inspect(exec_id)["Running"] is True
        c.half_close()
        assert c.read_frames() == []


# Frames.

def test_frames(api):
    # Two pipes have no order of their own.
    _, c = api.open("sh", "-c", "echo out; read x; echo err >&2; read x; echo out2", AttachStdin=True)
    with c:
        assert c.read_frame() == (STDOUT, b"out\n")
        c.send(b"\n")
        assert c.read_frame() == (STDERR, b"err\n")
        c.send(b"\n")
        assert c.read_frames() == [(STDOUT, b"out2\n")]


@pytest.mark.parametrize("stdout,stderr", [(True, True), (True, False), (False, True), (False, False)])
def test_only_what_is_attached(api, stdout, stderr):
    result = api.sh("echo out; echo err >&2; sleep 0.2", AttachStdout=stdout, AttachStderr=stderr)  # both are read before the end
    assert result.out == (b"out\n" if stdout else b"")
    assert result.err == (b"err\n" if stderr else b"")


def test_no_frame_is_empty(api):
    result = api.sh("printf a; printf ''; sleep 0.1; printf b; printf '' >&2; : ")  # so that each is read alone
    assert all(data for _, data in result.frames)
    assert result.out == b"ab"


def test_binary_output(api):
    result = api.sh("i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\"; i=$((i+1)); done")
    assert result.out == bytes(range(256))


def test_10_mib_of_output(api):
    result = api.run("head", "-c", "10485760", "/dev/zero", timeout=60)
    assert result.out == bytes(10485760)


def test_both_outputs_at_once(api):
    result = api.sh("head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait", timeout=30)
    assert (len(result.out), len(result.err)) == (3000000, 3000000)


def test_a_slow_reader_loses_nothing(api):
    """Back-pressure: the command blocks, nothing is dropped and nothing grows."""
    exec_id, c = api.open("sh", "-c", "head -c 30000000 /dev/zero; echo done >&2")
    with c:
        time.sleep(1)  # the buffers fill up meanwhile
        assert api.inspect(exec_id)["Running"] is True
        frames = c.read_frames(60)
    assert len(join(frames, STDOUT)) == 30000000
    assert join(frames, STDERR) == b"done\n"


def test_tty_is_raw(api):
    result = api.sh("echo one; echo two >&2", Tty=True)
    assert result.raw == b"one\r\ntwo\r\n"


# Stdin.

def test_stdin_to_its_end(api):
    data = os.urandom(3000000)
    result = api.run("cat", stdin=data, timeout=60)
    assert hashlib.sha256(result.out).digest() == hashlib.sha256(data).digest()
    assert result.code == 0


def test_stdin_is_not_framed(api):
    assert api.run("cat", stdin=b"\1\0\0\0\0\0\0\1x").out == b"\1\0\0\0\0\0\0\1x"


def test_stdin_piecewise(api):
    exec_id, c = api.open("cat", AttachStdin=True)
    with c:
        for word in (b"one\n", b"two\n", b"three\n"):
            c.send(word)
            assert c.frames_until(word) == word
        c.half_close()
        assert c.read_frames() == []
    assert api.inspect(exec_id)["ExitCode"] == 0


def test_stdin_without_upgrade(api):
    assert api.run("cat", stdin=b"plain", upgrade=False).out == b"plain"


def test_empty_stdin(api):
    assert api.run("wc", "-c", stdin=b"").out.strip() == b"0"


def test_stdin_is_ignored_when_not_attached(api):
    exec_id, c = api.open("sh", "-c", "cat; sleep 0.3; echo end")  # what was sent would be there by then
    with c:
        c.send(b"nobody reads this\n")
        assert c.read_frames() == [(STDOUT, b"end\n")]


def test_stdin_nobody_reads_is_bounded(api, kill):
    """The client blocks at some point, and is let go when the command ends."""
    exec_id, c = api.open("sleep", "60", AttachStdin=True)
    with c:
        api.wait_running(exec_id)
        sent = c.send_some(bytes(64 * 1024 * 1024), timeout=1)
        assert sent < 16 * 1024 * 1024
        kill(exec_id)
        assert c.ends_within(30)


# Bytes after the request.

SAME_SEGMENT = b"typed ahead\n"


@pytest.mark.parametrize("upgrade", [True, False])
def test_stdin_in_the_segment_of_the_request(api, upgrade, differ):
    """dockerd drops what its HTTP buffer holds; execd delivers it, once."""
    exec_id = api.create("cat", AttachStdin=True)
    with api.conn() as c:
        c.send(api.start_request(exec_id, upgrade=upgrade) + SAME_SEGMENT)
        assert c.read_head().status in (101, 200)
        time.sleep(0.3)  # what comes next is a segment of its own
        c.send(b"later\n")
        c.half_close()
        assert join(c.read_frames(), STDOUT) == differ(dockerd=b"later\n", execd=SAME_SEGMENT + b"later\n")


@pytest.mark.execd_only
def test_stdin_behind_a_chunked_body(api):
    """The body ends with its last chunk and trailer, to the byte."""
    exec_id = api.create("cat", AttachStdin=True)
    head = build("POST", f"/exec/{exec_id}/start", None,
                 {"Content-Length": None, "Transfer-Encoding": "chunked", "Content-Type": "application/json",
                  "Upgrade": "tcp"})
    with api.conn() as c:
        c.send(head + chunked(b'{"Tty"', b":false}", trailer=b"X: y\r\n") + SAME_SEGMENT)
        c.half_close()
        assert c.read_head().status == 101
        assert join(c.read_frames(), STDOUT) == SAME_SEGMENT


@pytest.mark.execd_only
def test_a_request_behind_a_start_is_stdin(api):
    """After the hijack nothing is parsed."""
    exec_id = api.create("cat", AttachStdin=True)
    ping = build("GET", "/_ping")
    with api.conn() as c:
        c.send(api.start_request(exec_id) + ping)
        c.half_close()
        assert c.read_head().status == 101
        assert join(c.read_frames(), STDOUT) == ping


@pytest.mark.execd_only
def test_2_mib_behind_the_request(api):
    data = os.urandom(2 * 1024 * 1024)
    exec_id = api.create("cat", AttachStdin=True)
    with api.conn() as c:
        c.send(api.start_request(exec_id) + data[:1000])
        c.read_head()
        sender = c.feed(data[1000:])
        assert join(c.read_frames(30), STDOUT) == data
        sender.join(5)


def test_json_with_a_newline_behind_it(api):
    """As the CLI sends it; the newline is within the body and reaches no stdin."""
    exec_id = api.create("cat", AttachStdin=True)
    body = b'{"Detach":false,"Tty":false}\n'
    with api.conn() as c:
        head, rest = build("POST", f"/exec/{exec_id}/start", body, upgrade=True).split(b"\r\n\r\n")
        c.send(head + b"\r\n\r\n", rest)
        assert c.read_head().status == 101
        c.send(b"x")
        c.half_close()
        assert join(c.read_frames(), STDOUT) == b"x"


def test_output_does_not_come_with_the_head(api):
    """docker-py loses what arrives in one read with the head (exec-api §4.3)."""
    together = 0
    for _ in range(30):
        exec_id = api.create("echo", "immediately")
        with api.conn() as c:
            c.send(api.start_request(exec_id))
            c.read_until(b"\r\n\r\n")
            together += bool(c.buf)
            assert c.read_frames() == [(STDOUT, b"immediately\n")]
    assert together == 0


# Half-close.

def test_half_close_without_stdin_is_no_hangup(api):
    """The CLI does so right after the head."""
    exec_id, c = api.open("sh", "-c", "sleep 0.5; echo later")  # the client has closed its half by then
    with c:
        c.half_close()
        assert c.read_frames() == [(STDOUT, b"later\n")]


def test_half_close_ends_stdin_and_nothing_else(api):
    exec_id, c = api.open("sh", "-c", "cat; sleep 0.5; echo after", AttachStdin=True)  # the client has closed its half by then
    with c:
        c.send(b"data\n")
        c.half_close()
        assert join(c.read_frames(), STDOUT) == b"data\nafter\n"


def test_half_close_of_a_tty_with_stdin(api, running):
    """The stream is closed, the command goes on without a hangup."""
    exec_id, c = running("sh", "-c", "echo ready; exec sleep 60", Tty=True, AttachStdin=True)
    c.read_until(b"ready\r\n")
    c.half_close()
    assert c.read_to_eof() == b""
    targets.let_pass(0.3)
    assert api.inspect(exec_id)["Running"] is True


def test_half_close_of_a_tty_without_stdin(api):
    exec_id, c = api.open("sh", "-c", "sleep 0.5; echo later", Tty=True)  # the client has closed its half by then
    with c:
        c.half_close()
        assert c.read_to_eof() == b"later\r\n"


# Ends.

def test_exit_ends_the_stream_while_stdin_is_open(api):
    exec_id, c = api.open("sh", "-c", "exit 4", AttachStdin=True)
    with c:
        assert c.read_frames() == []
    assert api.inspect(exec_id)["ExitCode"] == 4


def test_exit_code_is_there_at_the_end(api):
    for code in range(1, 21):
        assert api.sh(f"echo x; exit {code}").code == code


def test_closed_outputs_do_not_end_the_stream(api):
    began = time.monotonic()
    exec_id, c = api.open("sh", "-c", "exec >/dev/null 2>&1; sleep 1; exit 3")  # the time that is measured
    with c:
        assert c.read_frames() == []
    assert time.monotonic() - began > 0.8
    assert api.inspect(exec_id)["ExitCode"] == 3


def test_descendants_hold_the_stream_for_two_seconds(api):
    # Before and after the end of the two seconds.
    began = time.monotonic()
    exec_id, c = api.open("sh", "-c", "(sleep 0.3; echo late; sleep 60; echo too late) & exit 6")
    with c:
        assert api.wait_exit(exec_id)["ExitCode"] == 6
        assert join(c.read_frames(30), STDOUT) == b"late\n"
    assert time.monotonic() - began > 1.5


def test_descendants_of_a_tty(api):
    exec_id, c = api.open("sh", "-c", "trap '' HUP; (sleep 600) & exit 6", Tty=True)
    with c:
        c.read_to_eof(30)
    assert api.inspect(exec_id)["ExitCode"] == 6


def test_stdin_alone_is_attached(api, differ):
    """dockerd never ends that stream until the client speaks."""
    exec_id, c = api.open("sh", "-c", "exit 0", AttachStdin=True, AttachStdout=False, AttachStderr=False)
    with c:
        assert c.ends_within(differ(dockerd=1.5, execd=30)) is differ(dockerd=False, execd=True)
    assert api.wait_exit(exec_id)["ExitCode"] == 0


def test_nothing_attached(api, kill):
    """A head and an immediate end; the command goes on."""
    exec_id, c = api.open("sleep", "30", AttachStdout=False, AttachStderr=False)
    with c:
        assert c.read_frames() == []
    assert api.wait_running(exec_id)["Running"] is True
    kill(exec_id)


# Disconnects. The command's end is seen from inspect.

def test_client_goes_away(api, target, differ):
    """The command runs on; its output is dropped. 20.10 sometimes records 126 over the true code."""
    # It writes while no client is attached.
    gate = "until rm /tmp/nobody-is-there 2>/dev/null; do sleep 0.1; done"
    exec_id, c = api.open("sh", "-c", f"{gate}; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; exit 8")
    c.close()
    assert api.inspect(exec_id)["Running"] is True
    api.sh(": >/tmp/nobody-is-there")
    code = api.wait_exit(exec_id)["ExitCode"]
    assert code == 8 or (not target.is_execd and code == 126)


def test_client_goes_away_and_much_output_is_dropped(api, target):
    exec_id, c = api.open("sh", "-c", "sleep 0.3; head -c 5000000 /dev/zero; exit 7")  # it writes while no client is attached
    c.close()
    code = api.wait_exit(exec_id)["ExitCode"]
    assert code == 7 or (not target.is_execd and code == 126)


def test_client_goes_away_with_stdin(api):
    """No hangup: stdin ends, no more."""
    exec_id, c = api.open("sh", "-c", "cat >/dev/null; sleep 0.3; exit 9", AttachStdin=True)  # a hangup would end it meanwhile
    api.wait_running(exec_id)
    c.close()
    assert api.wait_exit(exec_id)["ExitCode"] in (9, 126)


@pytest.mark.execd_only
def test_client_goes_away_with_stdin_keeps_the_true_code(api):
    exec_id, c = api.open("sh", "-c", "cat >/dev/null; echo x; exit 9", AttachStdin=True)
    api.wait_running(exec_id)
    c.close()
    assert api.wait_exit(exec_id)["ExitCode"] == 9


def test_client_goes_away_from_a_tty(api, running):
    exec_id, c = running("sh", "-c", "trap 'exit 5' HUP; echo ready; while :; do sleep 0.1; done", Tty=True,
                         AttachStdin=True)
    c.read_until(b"ready")
    c.close()
    targets.let_pass(0.6)
    assert api.inspect(exec_id)["Running"] is True


def test_process_is_the_one_inspect_names(api, running):
    exec_id, c = running("sh", "-c", "echo ready; exec sleep 60")
    c.frames_until(b"ready")
    # dockerd may know it a moment after the first output.
    targets.wait_until(lambda: api.inspect(exec_id)["Pid"], what="a pid")
    pid = api.inspect(exec_id)["Pid"]
    assert host_pid_alive(pid)
    targets.wait_until(lambda: open(f"/proc/{pid}/cmdline", "rb").read() == b"sleep\0" b"60\0", what="exec of sleep")
    os.kill(pid, signal.SIGTERM)
    assert c.read_frames() == []
    assert api.inspect(exec_id)["ExitCode"] == 143


# Tty flags that do not match: framing by start's, pty by create's.

def test_tty_started_as_framed(api):
    exec_id = api.create("sh", "-c", "echo out; echo err >&2", Tty=True)
    with api.start(exec_id, tty=False) as c:
        frames = c.read_frames()
    assert {kind for kind, _ in frames} == {STDOUT}
    assert join(frames, STDOUT) == b"out\r\nerr\r\n"


def test_pipes_started_as_raw(api):
    """Unframed stdout only; stderr is lost."""
    exec_id = api.create("sh", "-c", "echo out; echo err >&2")
    with api.start(exec_id, tty=True) as c:
        assert c.read_to_eof() == b"out\n"


def test_tty_with_stderr_alone_attached(api, kill):
    exec_id, c = api.open("sh", "-c", "echo out; echo err >&2; sleep 30", Tty=True, AttachStdout=False)
    with c:
        assert c.read_to_eof() == b""
    kill(exec_id)


def test_interactive_shell(api):
    exec_id, c = api.open("/bin/sh", Tty=True, AttachStdin=True)
    with c:
        c.send(b"echo $((6*7)); exit 3\n")
        assert b"42\r\n" in c.read_to_eof()
    assert api.inspect(exec_id)["ExitCode"] == 3


def test_interrupt_key(api):
    exec_id, c = api.open("sh", "-c", "echo ready; exec sleep 60", Tty=True, AttachStdin=True)
    with c:
        c.read_until(b"ready")
        c.send(b"\x03")
        c.read_to_eof()
    assert api.inspect(exec_id)["ExitCode"] == 130


def test_end_of_file_key(api):
    exec_id, c = api.open("cat", Tty=True, AttachStdin=True)
    with c:
        c.send(b"word\n")
        c.read_until(b"word\r\nword\r\n")
        c.send(b"\x04")
        c.read_to_eof()
    assert api.inspect(exec_id)["ExitCode"] == 0


def test_many_at_once(api):
    """Streams do not mix."""
    conns = []
    for n in range(20):
        exec_id = api.create("sh", "-c", f"cat; echo {n}", AttachStdin=True)
        conns.append((n, exec_id, api.start(exec_id)))
    for n, _, c in conns:
        c.send(json.dumps({"n": n}).encode() + b"\n")
    for n, exec_id, c in reversed(conns):
        c.half_close()
        assert join(c.read_frames(), STDOUT) == json.dumps({"n": n}).encode() + b"\n%d\n" % n
        c.close()
        assert api.inspect(exec_id)["ExitCode"] == 0
