# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings of the output of execs: limited, without delay for the command, and replayed to authorized users."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

import execd
from execd import Attached, create, inspect, journal, request, run, shell, wait_for
from test_callers import call_as

DIRECTORY = "/var/lib/execd/recordings"
UNRECORDED = "8f02e7f8bfda4441bee1cc2bf21487b2"


HARMLESS = bytes(set(range(256)) - set(range(0x20)) - {0x7f} | {0x0a})


class Cast:
    """A recording, taken apart strictly."""

    def __init__(self, data):
        assert not data.translate(None, delete=HARMLESS) and not re.search(rb"\xc2[\x80-\x9f]", data), "it controls"
        lines = data.decode("utf-8").split("\n")
        assert lines.pop() == "", "the last line has no end"
        self.header = json.loads(lines[0])
        assert self.header["version"] == 2
        self.events = [json.loads(line) for line in lines[1:]]
        times = [e[0] for e in self.events]
        assert times == sorted(times) and all(len(e) == 3 for e in self.events)

    def output(self):
        return "".join(data for _, code, data in self.events if code == "o")

    def of(self, code):
        return [data for _, kind, data in self.events if kind == code]


def recording(exec_id):
    answer = request("GET", f"/exec/{exec_id}/recording")
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/x-asciicast"
    assert int(answer.headers["content-length"]) == len(answer.body)
    return Cast(answer.body)


def record(cmd, tty=False, **fields):
    """Runs it to its end: (id, stdout, stderr)."""
    exec_id = create("web", cmd, Tty=tty, Record=True, **fields)
    out, err = Attached(exec_id, tty).read_all()
    return exec_id, out, err


@pytest.fixture(scope="module")
def users():
    """member is in group execd, stranger is not; polkit remembers what users of these names were before."""
    shell("id member >/dev/null 2>&1 || useradd -m -G execd member; id stranger >/dev/null 2>&1 || useradd -m stranger")
    shell("systemctl reset-failed polkit.service; systemctl restart polkit.service")
    yield
    shell("userdel -rf member; userdel -rf stranger", check=False)


def record_in_steps(cmd, *steps, **fields):
    """A recorded command that reads a line after each of these texts, which is sent so many seconds after it was seen: the
    recording has the pauses, however late execd reads."""
    exec_id = create("web", cmd, Record=True, AttachStdin=True, **fields)
    a = Attached(exec_id)
    for texts, seconds in steps:
        for text in texts:
            a.read_until(text)
        execd.let_pass(seconds)
        a.socket.sendall(b"\n")
    return (exec_id, *a.read_all())


def leftovers():
    return [name for name in os.listdir(DIRECTORY) if name.endswith(".partial")]


def execctl(*words, stdin=b"", timeout=60):
    return subprocess.run(["execctl", *words], input=stdin, capture_output=True, timeout=timeout, check=False)


def test_output_of_both_streams():
    # A character that is read in two parts.
    exec_id, out, err = record_in_steps(
        ["sh", "-c", "echo out; echo err >&2; read x; printf 'h\\303'; read x; printf '\\251\\377\\033[1m\\n'"],
        ([b"out\n", b"err\n"], 0.3), ([b"h\xc3"], 0), User="app", Env=["TERM=vt100"])
    assert (out, err) == (b"out\nh\xc3\xa9\xff\x1b[1m\n", b"err\n")
    cast = recording(exec_id)
    assert cast.of("o")[:2] == ["out\r\n", "err\r\n"] or cast.of("o")[:2] == ["err\r\n", "out\r\n"]
    assert cast.output().endswith("h\u00e9\ufffd\x1b[1m\r\n")
    assert cast.events[-1][0] > 0.29
    head = cast.header
    assert (head["width"], head["height"], head["env"]) == (80, 24, {"TERM": "vt100"})
    assert abs(head["timestamp"] - time.time()) < 60
    assert head["command"].startswith("sh -c ") and head["title"].startswith("web: sh -c ")
    assert head["execd"] == {"id": exec_id, "container": "web", "user": "app", "caller_uid": 0, "tty": False}

    seen = inspect(exec_id)
    path = f"{DIRECTORY}/{exec_id}.cast"
    assert (seen["Record"], seen["RecordingPath"]) == (True, path)
    assert shell(f"stat -c '%a %U' {path} {DIRECTORY}").split() == ["600", "execd", "700", "execd"]
    ended = wait_for(lambda: [r for r in journal(exec_id) if "EXIT_CODE" in r], what="the record of its end")
    assert ended[0]["RECORDING_PATH"] == path
    assert os.path.exists(path), "it has its name before the exec has ended"


def test_on_a_terminal():
    exec_id = create("web", ["sh", "-c", "read x; stty size; printf 'a\\nb\\n'"], Tty=True, Record=True, AttachStdin=True,
                     ConsoleSize=[30, 100])
    request("GET", "/_ping")
    a = Attached(exec_id, tty=True)
    wait_for(lambda: inspect(exec_id)["Pid"] > 0, what="the command")
    assert request("POST", f"/exec/{exec_id}/resize?h=40&w=120").status == 200
    a.socket.sendall(b"go\n")
    out, _ = a.read_all()
    cast = recording(exec_id)
    assert cast.output().encode() == out
    assert cast.of("r") == ["120x40"]
    assert cast.header["env"] == {"TERM": "xterm"} and cast.header["execd"]["tty"] is True


def test_input_that_is_not_echoed_is_not_recorded():
    exec_id = create("web", ["sh", "-c", "stty -echo; echo ready; read secret; stty echo; echo bye"], Tty=True, Record=True,
                     AttachStdin=True)
    a = Attached(exec_id, tty=True)
    a.read_until(b"ready")
    a.socket.sendall(b"correct horse\n")
    out, _ = a.read_all()
    assert b"bye" in out
    assert "bye" in recording(exec_id).output()
    assert b"horse" not in request("GET", f"/exec/{exec_id}/recording").body
    code, out, _ = run("web", ["sh", "-c", "read x; echo got ${#x}"], stdin=b"correct horse\n", Record=True)
    assert (code, out) == (0, b"got 13\n")
    assert shell(f"grep -rl horse {DIRECTORY} || true") == ""


def test_nothing_is_recorded_that_is_not_to_be():
    before = set(os.listdir(DIRECTORY))
    exec_id = create("web", ["echo", "hi"])
    assert Attached(exec_id).read_all() == (b"hi\n", b"")
    seen = inspect(exec_id)
    assert (seen["Record"], seen["RecordingPath"]) == (False, None)
    assert request("GET", f"/exec/{exec_id}/recording").status == 404
    failed, _, _ = record(["nosuch"])
    assert inspect(failed)["RecordingPath"] is None
    assert request("GET", f"/exec/{failed}/recording").status == 404
    assert request("GET", f"/exec/{'0' * 64}/recording").status == 404
    assert set(os.listdir(DIRECTORY)) == before


def test_detached_goes_to_both():
    exec_id = create("web", ["sh", "-c", "echo line"], Record=True)
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    request("POST", f"/exec/{exec_id}/wait")
    assert recording(exec_id).output() == "line\r\n"
    wait_for(lambda: [r for r in journal(exec_id) if r["MESSAGE"] == "line"], what="the line in the journal")


def test_while_it_runs():
    exec_id = create("web", ["sh", "-c", "echo begun; sleep 1000"], Record=True)
    a = Attached(exec_id)
    a.read_until(b"begun\n")
    wait_for(lambda: recording(exec_id).output() == "begun\r\n", what="what was printed to be written")
    assert f"{exec_id}.cast.partial" in leftovers()
    assert inspect(exec_id)["RecordingPath"].endswith(".cast")
    request("POST", f"/exec/{exec_id}/kill")
    a.read_all()
    assert leftovers() == []


def test_much_output_is_bounded_and_runs_on():
    """The limit is 64 MiB; the command does not notice."""
    size = 200_000_000
    exec_id = create("web", ["sh", "-c", f"head -c {size} /dev/zero | tr '\\0' 'a'; echo end >&2"], Record=True)
    a = Attached(exec_id)
    peak = max(memory_of_execd() for _ in range(3))
    total = drain(a)
    assert total["out"] == size and total["err"] == b"end\n"
    assert inspect(exec_id)["ExitCode"] == 0
    path = f"{DIRECTORY}/{exec_id}.cast"
    assert 60 << 20 < os.path.getsize(path) <= 64 << 20
    with open(path, "rb") as f:
        cast = Cast(f.read())
    assert cast.events[-1][1:] == ["m", "recording truncated"] and len(cast.of("m")) == 1
    told = told_of(exec_id)
    assert len(told) == 1 and told[0]["RECORDING_PATH"] == path
    assert "recorded because it has reached its limit of 67108864 bytes: " in told[0]["MESSAGE"]
    if os.environ.get("EXECD_TEST_VARIANT") != "asan":  # which keeps what was freed
        assert memory_of_execd() < peak + (16 << 20)
    assert leftovers() == []


def told_of(exec_id):
    """The message about output that is not recorded."""
    return wait_for(lambda: [r for r in journal(exec_id) if r.get("MESSAGE_ID") == UNRECORDED], what="a record of it")


def memory_of_execd():
    pid = shell("systemctl show -P MainPID execd.service").strip()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1]) * 1024


def drain(a):
    """Counts stdout, and keeps stderr."""
    total, data = {"out": 0, "err": b""}, bytearray(a.rest)
    left, kind = 0, 0
    while True:
        at = 0
        while at < len(data):
            if left == 0:
                if len(data) - at < 8:
                    break
                kind, left = data[at], int.from_bytes(data[at + 4:at + 8], "big")
                at += 8
                continue
            size = min(left, len(data) - at)
            if kind == 1:
                total["out"] += size
            else:
                total["err"] += data[at:at + size]
            left -= size
            at += size
        del data[:at]
        more = a.socket.recv(1 << 20)
        if not more:
            return total
        data += more


def test_a_slow_reader_of_a_recording_holds_up_nobody():
    exec_id, _, _ = record(["sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' 'x'"])
    with execd.connect() as s:
        s.sendall(execd.head_bytes("GET", f"/exec/{exec_id}/recording"))
        status, headers, rest = execd.read_head(s)
        assert status == 200
        assert run("web", ["true"])[0] == 0
        size = len(rest)
        while size < int(headers["content-length"]):
            piece = s.recv(1 << 20)
            assert piece
            size += len(piece)
        s.sendall(execd.head_bytes("GET", "/_ping"))
        assert execd.read_head(s)[0] == 200, "the connection goes on"


def test_who_may_read_it(users):
    exec_id, _, _ = record(["echo", "for root"])
    status, answer = call_as("member", "GET", f"/exec/{exec_id}/recording")
    assert status == 403 and "org.execd1.replay" in answer["message"]
    assert call_as("stranger", "GET", f"/exec/{exec_id}/recording")[0] is None
    for user in ("member", "stranger"):
        done = subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", "execctl", "replay",
                               "--no-ask-password", "--no-wait", exec_id], capture_output=True, timeout=30, check=False)
        assert done.returncode == 1 and b"access denied" in done.stderr and not done.stdout, done
        assert shell(f"setpriv --reuid={user} --regid={user} --init-groups -- cat {DIRECTORY}/{exec_id}.cast 2>&1 || true"
                     ).endswith("Permission denied\n")

    # One's own.
    words = ["setpriv", "--reuid=member", "--regid=member", "--init-groups", "--", "execctl"]
    done = subprocess.run([*words, "run", "--record", "web", "--", "echo", "for", "member"], capture_output=True,
                          timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b"for member\n"), done
    own = newest()
    done = subprocess.run([*words, "replay", "--no-wait", own], capture_output=True, timeout=30, check=True)
    assert done.stdout == b"for member\n"


def newest():
    names = [n for n in os.listdir(DIRECTORY) if n.endswith(".cast")]
    return max(names, key=lambda n: os.stat(f"{DIRECTORY}/{n}").st_mtime_ns)[:64]


def busctl(*words):
    return subprocess.run(["busctl", "--json=short", *words], capture_output=True, timeout=30, check=False)


MANAGER = ("call", "--", "org.execd1", "/org/execd1", "org.execd1.Manager")


def test_on_dbus():
    done = busctl(*MANAGER, "CreateExec", "sasa{sv}", "web", "2", "echo", "hi", "1", "Record", "b", "true")
    assert done.returncode == 0, done
    exec_id, path = json.loads(done.stdout)["data"]

    def prop(name):
        return json.loads(busctl("get-property", "org.execd1", path, "org.execd1.Exec", name).stdout)["data"]

    assert prop("Record") is True and prop("RecordingPath") == ""
    assert b"has no recording" in busctl(*MANAGER, "GetRecording", "s", exec_id).stderr
    assert busctl("call", "--", "org.execd1", path, "org.execd1.Exec", "Start").returncode == 0
    assert busctl("call", "--", "org.execd1", path, "org.execd1.Exec", "Wait", "t", "0").returncode == 0
    assert prop("RecordingPath") == f"{DIRECTORY}/{exec_id}.cast"
    assert recording(exec_id).output() == "hi\r\n"
    assert b"no such exec" in busctl(*MANAGER, "GetRecording", "s", "0" * 64).stderr
    features = json.loads(busctl("get-property", "org.execd1", "/org/execd1", "org.execd1.Manager", "Features").stdout)
    assert "recording" in features["data"]


FDS = """
import os, sys
sys.path.insert(0, sys.argv[1])
import bus
pipe = os.open(f"/proc/self/fd/{os.pipe()[0]}", os.O_RDWR)
with bus.Bus() as b:
    def refused(call):
        try:
            call()
        except bus.BusError as e:
            return f"{e.name} {e}"
        return "not refused"
    print(refused(lambda: b.manager("RunExec", "sasa{sv}hhh", "web", ["true"], {"Record": ("b", True)}, pipe, pipe, pipe)))
    _, path = b.manager("CreateExec", "sasa{sv}", "web", ["true"], {"Record": ("b", True)})
    print(refused(lambda: b.exec(path, "StartWithFds", "hhh", pipe, pipe, pipe)))
    print(b.exec(path, "StartAttached")[0] >= 0)
    ident = path[-64:]
    b.exec(path, "Wait", "t", 0)
    fd = b.manager("GetRecording", "s", ident)[0]
    print(os.read(fd, 100).decode()[:13])
    try:
        os.write(fd, b"x")
    except OSError:
        print("read-only")
"""


FDS_ALWAYS = """
import os, sys
sys.path.insert(0, sys.argv[1])
import bus
pipe = os.open(f"/proc/self/fd/{os.pipe()[0]}", os.O_RDWR)
with bus.Bus() as b:
    try:
        b.manager("RunExec", "sasa{sv}hhh", "web", ["true"], {}, pipe, pipe, pipe)
    except bus.BusError as e:
        print(e)
"""


def test_passed_fds_cannot_be_recorded():
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, "-c", FDS, os.path.join(here, "../dbus")], capture_output=True, text=True,
                          timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("org.execd1.Error.BadRequest") and "Record" in lines[0] and "StartAttached" in lines[0]
    assert lines[1].startswith("org.execd1.Error.BadRequest") and "StartAttached" in lines[1]
    assert lines[2:] == ["True", '{"version": 2', "read-only"]


def long_pause(directory):
    """A recording with five minutes between its lines."""
    path = directory / "pause.cast"
    path.write_text('{"version": 2, "width": 80, "height": 24}\n[0.1, "o", "one\\r\\n"]\n[300.0, "o", "two\\r\\n"]\n')
    return str(path)


def test_replay_as_text(tmp_path):
    exec_id, _, _ = record_in_steps(["sh", "-c", "printf '\\033[1mbold\\033[0m\\n'; read x; echo two"], ([b"bold\x1b[0m\n"], 0.5))
    began = time.monotonic()
    done = execctl("replay", exec_id[:12])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"bold\ntwo\n", b"")
    assert time.monotonic() - began > 0.4
    assert execctl("replay", "--no-wait", "--raw", exec_id).stdout == b"\x1b[1mbold\x1b[0m\r\ntwo\r\n"
    began = time.monotonic()
    assert execctl("replay", "--speed=0.5", exec_id).stdout == b"bold\ntwo\n"
    assert time.monotonic() - began > 0.9
    for words in (["--speed=600"], ["--idle-limit=0.05"], ["--no-wait"]):
        began = time.monotonic()
        assert execctl("replay", *words, long_pause(tmp_path)).stdout == b"one\ntwo\n"
        assert time.monotonic() - began < 60, words
    path = f"{DIRECTORY}/{exec_id}.cast"
    assert execctl("replay", "--no-wait", path).stdout == b"bold\ntwo\n"
    with open(path, "rb") as f:
        assert execctl("replay", "--no-wait", "-", stdin=f.read()).stdout == b"bold\ntwo\n"


@pytest.mark.parametrize("words, text", [
    (["0" * 64], b"There is no exec"),
    (["./nosuch"], b"Failed to open"),
    (["/etc/passwd"], b'Failed to play "/etc/passwd": line 1: '),
    (["/dev/null"], b"empty"),
    (["--speed=0", "x"], b"--speed"), (["--speed=fast", "x"], b"--speed"), (["--speed=1001", "x"], b"--speed"),
    (["--idle-limit=-1", "x"], b"--idle-limit"),
    ([], b"too few"),
])
def test_replay_errors(words, text):
    done = execctl("replay", *words)
    assert done.returncode == 1 and text in done.stderr and done.stderr.startswith(b"execctl: "), done


def test_replay_of_what_others_made(tmp_path):
    path = tmp_path / "a.cast"
    path.write_text('{"version":2,"width":80,"height":24,"idle_time_limit":0.01}\n[1e-05,"o","a\\n"]\n\n[3,"i","x"]\n'
                    '[4,"?","y"]\n[5.5,"o","b\\n"]\n[6,"m","recording truncated"]\n')
    done = execctl("replay", str(path))
    assert (done.returncode, done.stdout) == (0, b"a\nb\n") and b"recording truncated" in done.stderr
    path.write_text('{"version":2,"width":80,"height":24}\n[0,"o","a\\n"]\n[1,"o"\n[2,"o","b"]\n')
    done = execctl("replay", "--no-wait", str(path))
    assert done.returncode == 1 and b"line 3" in done.stderr
    # The last line of one that is still being written need not be whole.
    path.write_text('{"version":2,"width":80,"height":24}\n[0,"o","a\\n"]\n[1,"o","cut of')
    assert execctl("replay", str(path)).stdout == b"a\n"


def on_terminal(*words, keys=b"", at=b"", seconds=20):
    """The output on a terminal and the exit status; `keys` are typed after `at` was seen."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("execctl", ["execctl", *words])
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        seen += data
        if keys and at in seen:
            os.write(fd, keys)
            keys = b""
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return seen, os.waitstatus_to_exitcode(status)


def test_replay_on_a_terminal(tmp_path):
    # A pause that is played.
    exec_id, out, _ = record(["sh", "-c", "printf '\\033[7mseven\\033[0m\\nnext\\n'; sleep 1000 & sleep 0.2; kill $!"],
                             tty=True)
    seen, status = on_terminal("replay", exec_id)
    assert status == 0 and seen == out + b"\x1b[0m\x1b[?25h"
    slow = long_pause(tmp_path)
    seen, status = on_terminal("replay", slow, keys=b"\x03", at=b"one")
    assert status == 130 and b"two" not in seen
    seen, status = on_terminal("replay", slow, keys=b"q", at=b"one")
    assert status == 0 and b"two" not in seen


def test_shell_and_run_of_execctl():
    done = execctl("run", "--record", "-i", "web", "--", "sh", "-c", "cat; echo err >&2; exit 3", stdin=b"typed\n")
    said = f"Recording exec {newest()[:12]}; to play it: execctl replay {newest()[:12]}\n".encode()
    assert (done.returncode, done.stdout, done.stderr) == (3, b"typed\n", said + b"err\n")
    assert sorted(recording(newest()).of("o")) == ["err\r\n", "typed\r\n"]
    done = execctl("shell", "-q", "--record", "web", "echo", "hello")
    assert done.returncode == 0 and b"hello" in done.stdout and not done.stderr
    exec_id = newest()
    assert recording(exec_id).output() == "hello\r\n"
    assert f"{exec_id}.cast" in execctl("status", exec_id).stdout.decode()
    assert json.loads(execctl("status", "--json=short", exec_id).stdout)["recording"].endswith(f"{exec_id}.cast")


def begun():
    # The output is read before the end.
    exec_id = create("web", ["sh", "-c", "echo begun; read x </tmp/go; echo gone on; sleep 0.2"], Record=True)
    a = Attached(exec_id)
    a.read_until(b"begun\n")
    return exec_id


def test_a_crash_leaves_nothing_open():
    """As if execd had been killed in the middle of a line."""
    path = f"{DIRECTORY}/{'c' * 64}.cast"
    shell("systemctl stop execd.service")
    with open(f"{path}.partial", "wb") as f:
        f.write(b'{"version": 2, "width": 80, "height": 24}\n[1.5, "o", "begun\\r\\n"]\n[2.5, "o", "cut of')
    shell(f"chown execd: {path}.partial; chmod 600 {path}.partial")
    assert request("GET", "/_ping").body == b"OK"
    wait_for(lambda: leftovers() == [], what="it to be completed")
    with open(path, "rb") as f:
        cast = Cast(f.read())
    assert cast.output() == "begun\r\n" and cast.of("m") == ["recording interrupted"]
    done = execctl("replay", "--no-wait", path)
    assert done.stdout == b"begun\n" and b"recording interrupted" in done.stderr
    os.unlink(path)


def test_a_restart_is_not_seen_in_it():
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    exec_id = begun()
    since = time.monotonic()
    for _ in range(2):
        shell("systemctl restart execd.service")
        assert inspect(exec_id)["RecordingPath"] == f"{DIRECTORY}/{exec_id}.cast"
        assert leftovers() == [f"{exec_id}.cast.partial"]
    passed = time.monotonic() - since
    shell("execctl run web -- sh -c 'echo x >/tmp/go'")
    assert request("POST", f"/exec/{exec_id}/wait").json()["StatusCode"] == 0
    cast = recording(exec_id)
    assert cast.of("o") == ["begun\r\n", "gone on\r\n"] and not cast.of("m")
    assert cast.events[1][0] - cast.events[0][0] >= passed - 0.001
    assert leftovers() == []


def test_after_a_restart_it_can_still_be_read():
    exec_id, _, _ = record(["echo", "still here"])
    shell("systemctl restart execd.service")
    assert inspect(exec_id)["RecordingPath"] == f"{DIRECTORY}/{exec_id}.cast"
    assert recording(exec_id).output() == "still here\r\n"
    os.unlink(f"{DIRECTORY}/{exec_id}.cast")
    assert request("GET", f"/exec/{exec_id}/recording").status == 404


DROP_IN = "/etc/execd/execd.conf.d/60-recording-test.conf"


@pytest.fixture
def configured():
    """Starts execd with this in the section [Recording]."""
    def write(text):
        os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
        with open(DROP_IN, "w", encoding="ascii") as f:
            f.write("[Recording]\n" + text)
        shell("systemctl reset-failed execd.service; systemctl restart execd.service")

    yield write
    if os.path.exists(DROP_IN):
        os.unlink(DROP_IN)
    shell("systemctl reset-failed execd.service; systemctl restart execd.service")


def test_always(configured):
    configured("Record=always\n")
    exec_id = create("web", ["echo", "hi"], Record=False)
    assert Attached(exec_id).read_all() == (b"hi\n", b"")
    assert inspect(exec_id)["Record"] is True and recording(exec_id).output() == "hi\r\n"
    done = busctl(*MANAGER, "Run", "sas", "web", "2", "echo", "by hand")
    assert done.returncode == 0 and recording(json.loads(done.stdout)["data"][1][-64:]).output() == "by hand\r\n"

    # Streams that cannot be recorded are refused, and execctl lets the daemon carry them.
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, "-c", FDS_ALWAYS, os.path.join(here, "../dbus")], capture_output=True, text=True,
                          timeout=60, check=True)
    assert done.stdout.startswith("org.execd1.Error.NotSupported") and "Record=always" in done.stdout
    before = set(os.listdir(DIRECTORY))
    done = execctl("run", "-i", "web", "--", "sh", "-c", "cat; exit 5", stdin=b"typed\n")
    assert (done.returncode, done.stdout, done.stderr) == (5, b"typed\n", b"")
    new = set(os.listdir(DIRECTORY)) - before
    assert len(new) == 1 and recording(new.pop()[:64]).output() == "typed\r\n"


def test_off(configured):
    exec_id, _, _ = record(["echo", "earlier"])
    configured("Record=off\n")
    answer = request("POST", "/containers/web/exec", {"Cmd": ["true"], "Record": True})
    assert answer.status == 501 and "Record=off" in answer.json()["message"]
    assert run("web", ["echo", "hi"]) == (0, b"hi\n", b"")
    assert recording(exec_id).output() == "earlier\r\n", "what there is can be read"
    features = json.loads(busctl("get-property", "org.execd1", "/org/execd1", "org.execd1.Manager", "Features").stdout)
    assert "recording" not in features["data"]


def test_limits_of_the_configuration(configured):
    configured("RecordingSizeMax=200K\nRecordingsTotalMax=700K\n")
    ids = [record(["sh", "-c", "head -c 150000 /dev/zero | tr '\\0' 'x'"])[0] for _ in range(6)]
    kept = [i for i in ids if os.path.exists(f"{DIRECTORY}/{i}.cast")]
    assert kept == ids[-4:], "the oldest go first"
    assert sum(os.path.getsize(f"{DIRECTORY}/{n}") for n in os.listdir(DIRECTORY)) <= 700 << 10
    assert request("GET", f"/exec/{ids[0]}/recording").status == 404
    exec_id, out, _ = record(["sh", "-c", "head -c 400000 /dev/zero | tr '\\0' 'x'"])
    assert len(out) == 400000 and recording(exec_id).of("m") == ["recording truncated"]
    assert os.path.getsize(f"{DIRECTORY}/{exec_id}.cast") <= 200 << 10


def test_nobody_displaces_the_recordings_of_others(configured, users):
    """R-H3: a member who records without end loses his own recordings, and no others."""
    configured("RecordingSizeMax=200K\nRecordingsTotalMax=700K\n")
    shell(f"rm -f {DIRECTORY}/*.cast; systemctl restart execd.service")
    mine = record(["echo", "of root"])[0]
    much = "su member -c 'execctl run --record web -- sh -c \"head -c 150000 /dev/zero | tr \\\\0 x\"' >/dev/null"
    for _ in range(6):
        shell(much)
    assert recording(mine).output() == "of root\r\n"
    others = [n for n in os.listdir(DIRECTORY) if not n.startswith(mine)]
    assert others and sum(os.path.getsize(f"{DIRECTORY}/{n}") for n in others) <= 350 << 10


def test_a_directory_that_cannot_be_used(configured, tmp_path):
    path = str(tmp_path / "casts")
    configured(f"RecordingDirectory={path}\n")
    answer = request("POST", "/containers/web/exec", {"Cmd": ["true"], "Record": True})
    assert answer.status == 503 and path in answer.json()["message"]
    assert run("web", ["echo", "hi"]) == (0, b"hi\n", b"")
    # A recording that the configuration demands but that is not possible delays no exec, and is reported.
    configured(f"RecordingDirectory={path}\nRecord=always\n")
    exec_id = create("web", ["echo", "hi"])
    assert Attached(exec_id).read_all() == (b"hi\n", b"")
    told = told_of(exec_id)
    assert len(told) == 1 and "its file could not be created" in told[0]["MESSAGE"]


def test_a_disk_that_is_full(configured):
    """On a file system of 1 MiB."""
    mount = "/var/lib/execd/small"
    drop_in = "/run/systemd/system/execd.service.d/50-small.conf"
    shell(f"mkdir -p {mount} {os.path.dirname(drop_in)}; mount -t tmpfs -o size=1M,mode=700,uid=execd,gid=execd small {mount}")
    try:
        with open(drop_in, "w", encoding="ascii") as f:
            f.write(f"[Service]\nReadWritePaths={mount}\n")
        shell("systemctl daemon-reload")
        configured(f"RecordingDirectory={mount}\n")
        exec_id, out, _ = record(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' 'x'; echo end"])
        assert len(out) == 3000004 and out.endswith(b"end\n")
        cast = recording(exec_id)
        assert cast.of("m") == ["recording truncated"] and 500_000 < len(cast.output()) < 1 << 20
        told = told_of(exec_id)
        assert len(told) == 1 and "No space left" in told[0]["MESSAGE"]
    finally:
        os.unlink(drop_in)
        shell("systemctl daemon-reload; systemctl stop execd.service", check=False)
        shell(f"umount -l {mount}; rmdir {mount}", check=False)


def test_limits_are_reloaded():
    exec_id = create("web", ["sh", "-c", "read x </tmp/go; head -c 400000 /dev/zero | tr '\\0' 'x'"], Record=True)
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    a = Attached(exec_id)
    wait_for(lambda: inspect(exec_id)["Pid"] > 0, what="the command")
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    try:
        with open(DROP_IN, "w", encoding="ascii") as f:
            f.write("[Recording]\nRecordingSizeMax=100K\n")
        execd.reload_execd()
        shell("execctl run web -- sh -c 'echo x >/tmp/go'")
        assert len(a.read_all()[0]) == 400000
        assert recording(exec_id).of("m") == ["recording truncated"]
    finally:
        os.unlink(DROP_IN)
        shell("systemctl reload execd.service")
