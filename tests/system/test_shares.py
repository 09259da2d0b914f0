# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared resources: a user who takes as much as possible leaves something to users with little, and to root."""

import contextlib
import json
import os
import pwd
import socket
import subprocess
import sys

import pytest

import execd
from execd import request, shell, wait_for

CONFIG = "/run/execd/execd.conf.d/50-test-shares.conf"
MEMBERS = ["share1", "share2", "share3", "share4"]

# Takes orders on stdin, one a line, and answers each with a line. It holds the connections that it has opened.
MEMBER = """
import json, os, socket, sys
sys.path.insert(0, sys.argv[1])
os.initgroups(sys.argv[2], int(sys.argv[4])); os.setgid(int(sys.argv[4])); os.setuid(int(sys.argv[3]))
import execd
held = []
def connect(count):
    for _ in range(count):
        s = execd.connect()
        s.sendall(b"GET /_ping HTTP/1.1\\r\\nHost: x\\r\\n")
        held.append(s)
    return count
def create(count):
    return [execd.request("POST", "/containers/web/exec", {"Cmd": ["true"]}).status for _ in range(count)]
def create_many_arguments(count):
    body = {"Cmd": ["true"] + [""] * 200000}
    return [execd.request("POST", "/containers/web/exec", body).status for _ in range(count)]
def create_large(count):
    return [execd.request("POST", "/containers/web/exec", {"Cmd": ["true", "x" * 900000]}).status for _ in range(count)]
def hold_bodies(count):
    body = json.dumps({"Cmd": ["true", "x" * 1000000]}).encode()
    busy, limit = 0, False
    for _ in range(count):
        s = execd.connect()
        s.settimeout(1)
        held.append(s)
        try:
            s.sendall(execd.head_bytes("POST", "/containers/web/exec", body)[:-1])
        except OSError:
            pass
        s.setblocking(False)
        try:
            said = s.recv(4096)
            busy += said.startswith(b"HTTP/1.1 503 ")
            limit = limit or b"RequestMemoryPerUserMax=" in said and b"Retry-After: 1" in said
        except BlockingIOError:
            pass
    return {"busy": busy, "limit": limit}
def print_and_leave_unread(count, size):
    def start(exec_id):
        s = execd.connect()
        s.sendall(execd.head_bytes("POST", f"/exec/{exec_id}/start", b"{}", [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
        execd.read_head(s)
        held.append(s)
        return s
    command = ["sh", "-c", f"head -c {size} /dev/zero | tr '\\\\0' x; read forever </proc/self/fd/0"]
    body = {"Cmd": command, "AttachStdout": True, "AttachStdin": True}
    for i in range(count):
        r = execd.request("POST", "/containers/web/exec", body)
        assert r.status == 201, r.body
        last = start(r.json()["Id"])
    return r.json()["Id"]
def read_last(size):
    s, n = held[-1], 0
    while n < size:
        n += len(s.recv(65536))
    return n
def ask_and_leave_unread(path, count):
    for _ in range(count):
        s = execd.connect()
        s.sendall(execd.head_bytes("GET", path))
        s.recv(1)
        held.append(s)
    return count
def drain():
    ends = {"cut": 0, "whole": 0}
    for s in held:
        data = b""
        while piece := s.recv(1 << 20):
            data = data[-16:] + piece
        ends["whole" if data.endswith(b"0\\r\\n\\r\\n") else "cut"] += 1
    return ends
def ask_without_end():
    s = execd.connect()
    s.setblocking(False)
    block = execd.head_bytes("GET", "/_ping") * 1000
    print(json.dumps("asking"), flush=True)
    rest = block
    while True:
        try:
            rest = rest[s.send(rest):] or block
        except BlockingIOError:
            pass
        try:
            s.recv(1 << 20)
        except BlockingIOError:
            pass
def follow_events(action, count):
    s = execd.connect()
    s.sendall(execd.head_bytes("GET", "/events"))
    rest = execd.read_head(s)[2]
    print(json.dumps("following"), flush=True)
    seen, text = 0, b'"status":"' + action.encode() + b": "
    while seen < count:
        seen += rest.count(text)
        if seen < count:
            rest = rest[1 - len(text):] + s.recv(1 << 20)  # it may have been cut in the middle
    return seen
def call(method, path, body=None):
    r = execd.request(method, path, body)
    return [r.status, r.headers, r.body.decode()]
def close():
    while held:
        held.pop().close()
for line in sys.stdin:
    try:
        print(json.dumps(eval(line)), flush=True)
    except Exception as e:
        print(json.dumps(repr(e)), flush=True)
"""


class Member:
    def __init__(self, name):
        user = pwd.getpwnam(name)
        self.process = subprocess.Popen([sys.executable, "-c", MEMBER, os.path.dirname(execd.__file__), name,
                                         str(user.pw_uid), str(user.pw_gid)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd="/")

    def tell(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="module")
def users():
    for name in MEMBERS:
        shell(f"id {name} >/dev/null 2>&1 || useradd -M -N -G execd {name}")
    yield
    for name in MEMBERS:
        shell(f"userdel -f {name}", check=False)


@pytest.fixture
def members(users):
    made = [Member(name) for name in MEMBERS]
    yield made
    for m in made:
        m.end()


@contextlib.contextmanager
def limits(text):
    os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
    with open(CONFIG, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(CONFIG, 0o644)
    shell("systemctl stop execd.service execd-spawner.service")
    try:
        yield
    finally:
        os.unlink(CONFIG)
        shell("systemctl stop execd.service execd-spawner.service")


def test_execs_have_reserves(members):
    """Two take three quarters of all; the third gets an eighth of what one may have, and root the rest."""
    with limits("[Exec]\nExecsMax=40\nExecsPerUserMax=16\n"):
        first, second, third, fourth = members
        assert first.tell("create(17)") == [201] * 16 + [429]
        assert second.tell("create(15)") == [201] * 14 + [503]
        status, headers, body = second.tell("call('POST', '/containers/web/exec', {'Cmd': ['true']})")
        assert status == 503 and headers["retry-after"] == "1" and json.loads(body)["error"]["code"] == "UNAVAILABLE"
        assert "ExecsMax=" in body and "reserved" in body and "denied" not in body
        assert third.tell("create(3)") == [201, 201, 503]
        assert fourth.tell("create(3)") == [201, 201, 503]
        said = shell("setpriv --reuid=share2 --regid=execd --clear-groups busctl call org.execd1 /org/execd1 "
                     "org.execd1.Manager CreateExec 'sasa{sv}' web 1 true 0 2>&1 | cat", check=False)
        assert "ExecsMax=" in said and "denied" not in said, said
        for _ in range(6):
            assert request("POST", "/containers/web/exec", {"Cmd": ["true"]}).status == 201
        reply = request("POST", "/containers/web/exec", {"Cmd": ["true"]})
        assert reply.status == 503 and "the limit is 40" in reply.json()["message"], reply.body


def test_connections_have_reserves(members):
    """Connections that say half a request each; those who come later are served."""
    with limits("[HTTP]\nConnectionsMax=40\nConnectionsPerUserMax=16\nHeadTimeoutSec=1min\n"):
        first, second, third, fourth = members
        assert first.tell("connect(16)") == 16 and second.tell("connect(14)") == 14
        assert third.tell("call('GET', '/containers/json')")[0] == 200
        assert third.tell("connect(2)") == 2 and fourth.tell("connect(2)") == 2
        assert fourth.tell("call('GET', '/_ping')")[0] == 200, "its own oldest gives way"
        assert request("GET", "/containers/json").status == 200
        held = [execd.connect() for _ in range(6)]
        try:
            assert request("GET", "/_ping").status == 200
        finally:
            for s in held:
                s.close()


def test_who_is_turned_away_is_told(members):
    """All that one may have waits for answers, so that nothing of it can give way."""
    with limits("[HTTP]\nConnectionsPerUserMax=4\n"):
        exec_id = execd.create("web", ["true"])
        held = []
        try:
            for _ in range(4):
                s = execd.connect()
                s.sendall(execd.head_bytes("POST", f"/exec/{exec_id}/wait"))
                held.append(s)
            wait_for(lambda: not shell(f"ss -xH src {execd.SOCKET} | awk '$3 > 0'").strip(), what="them to be read")
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(execd.SOCKET)
                status, headers, rest = execd.read_head(s)
                assert status == 503 and headers["retry-after"] == "1"
                while piece := s.recv(65536):
                    rest += piece
            assert json.loads(rest)["error"]["code"] == "UNAVAILABLE" and b"ConnectionsPerUserMax=" in rest, rest
            assert members[0].tell("call('GET', '/_ping')")[0] == 200
        finally:
            for s in held:
                s.close()


RSS_MAX = 96 * 1024
UNBOUND = os.environ.get("EXECD_TEST_VARIANT") == "asan"  # which keeps what was freed


def assert_small():
    """At no time since it was started has execd taken more."""
    pid = shell("systemctl show -P MainPID execd.service").strip()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
    assert UNBOUND or peak < RSS_MAX, f"{peak} KiB"
    assert shell("systemctl show -P NRestarts execd.service").strip() == "0"


def assert_served(*others):
    """Root and other members get what they ask for."""
    for other in others:
        assert other.tell("call('GET', '/containers/json')")[0] == 200
        assert other.tell("create(2)") == [201, 201]
        assert other.tell("call('POST', '/containers/web/exec', {'Cmd': ['echo', 'x' * 100000]})")[0] == 201
    assert execd.run("web", ["echo", "served"]) == (0, b"served\n", b"")


def test_client_that_always_asks(members):
    """R-C1: one more request of it waits whenever one is answered. It has its turn as others have theirs."""
    with limits(""):
        first, second = members[:2]
        first.process.stdin.write("ask_without_end()\n")
        first.process.stdin.flush()
        assert first.process.stdout.readline() == '"asking"\n'
        try:
            for _ in range(20):
                assert request("GET", "/_ping").status == 200
                assert second.tell("call('GET', '/_ping')")[0] == 200
            assert execd.run("web", ["echo", "served"]) == (0, b"served\n", b"")
        finally:
            first.process.kill()


def test_clients_of_one_exec(members):
    """Each holds a file descriptor for as long as it likes."""
    with limits(""):
        exec_id = execd.create("web", ["sh", "-c", "read line; echo $line"], AttachStdin=True)
        first = execd.Attached(exec_id)
        assert first.status == 101
        held = []
        try:
            while len(held) < 100:
                s = execd.connect()
                s.sendall(execd.head_bytes("POST", f"/exec/{exec_id}/attach", b"",
                                           [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
                held.append(s)
                status, headers, rest = execd.read_head(s)
                if status != 101:
                    break
            assert len(held) == 32 and status == 503 and headers["retry-after"] == "1", (len(held), status)
            assert b"the limit is 32" in rest, rest
            first.socket.sendall(b"still there\n")
            assert first.read_until(b"still there")
        finally:
            for s in held:
                s.close()
            first.socket.close()


def test_bodies_that_do_not_end(members):
    """T-H2: one user sends requests that are complete but for a byte."""
    with limits("[HTTP]\nBodyTimeoutSec=5min\n"):
        told = members[0].tell("hold_bodies(200)")
        assert told["busy"] > 100 and told["limit"], told
        assert_served(*members[1:3])
        assert_small()
        members[0].tell("close()")
        wait_for(lambda: members[0].tell("create(1)") == [201], what="what was held to be given back")


def test_requests_of_execs(members):
    """T-H2: the requests of execs are kept for as long as these exist."""
    with limits(""):
        statuses = members[0].tell("create_large(40)")
        assert 8 < statuses.count(201) < 30 and set(statuses) == {201, 503}, statuses
        status, headers, body = members[0].tell("call('POST', '/containers/web/exec', {'Cmd': ['true', 'x' * 900000]})")
        assert status == 503 and "RequestMemoryPerUserMax=" in body and headers["retry-after"] == "1", body[:500]
        assert_served(*members[1:3])
        assert_small()


def test_requests_of_many_arguments(members):
    """T-H2: short arguments take many times their length."""
    with limits(""):
        statuses = members[0].tell("create_many_arguments(12)")
        assert set(statuses) == {201, 503}, statuses
        assert_served(*members[1:3])
        assert_small()


def test_answers_that_nobody_reads(members):
    with limits("[HTTP]\nBodyTimeoutSec=5min\n"):
        exec_id = execd.create("web", ["true", "x" * 900000])
        told = members[0].tell(f"ask_and_leave_unread('/exec/{exec_id}/json', 150)")
        assert told == 150
        assert_served(*members[1:3])
        assert_small()
        assert request("GET", f"/exec/{exec_id}/json").status == 200


def test_list_that_is_too_large(members):
    """Lists have the beginning of a command; one for which there is no room names the limit, and what to do."""
    with limits("[Daemon]\nRequestMemoryPerUserMax=1M\n"):
        assert set(members[0].tell("[execd.request('POST', '/containers/web/exec', {'Cmd': ['true', 'x' * 9000], "
                                   "'Labels': {'test': 'large'}}).status for _ in range(200)]")) == {201, 503}
        status, headers, body = members[0].tell("call('GET', '/exec/json')")
        assert status == 503 and headers["retry-after"] == "1", body[:500]
        assert "RequestMemoryPerUserMax=" in body and "use filters" in body, body[:500]
        shown = [e for e in request("GET", "/exec/json").json() if e["Labels"] == {"test": "large"}]
        assert len(shown) > 50 and {tuple(e["ProcessConfig"]["arguments"]) for e in shown} == {("…",)}
        assert execd.inspect(shown[0]["ID"])["ProcessConfig"]["arguments"] == ["x" * 9000]


def memory_of_execd():
    with open(f"/proc/{shell('systemctl show -P MainPID execd.service').strip()}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def test_output_that_nobody_reads(members):
    """T-H2: each command of one user prints more than is kept; only some of them have a large buffer."""
    with limits("[Daemon]\nAuthorizationTimeoutSec=2min\n[Exec]\nOutputMemoryPerUserMax=4M\n"):  # 200 questions to polkit
        execd.run("web", ["true"])
        before = memory_of_execd()
        last = members[0].tell("print_and_leave_unread(200, 400000)")
        assert len(last) == 64, last
        wait_for(lambda: execd.inspect(last)["Running"], what="the last one")
        assert_served(*members[1:3])
        # 200 of 128 KiB are 25 MiB.
        assert UNBOUND or memory_of_execd() - before < 18 * 1024, (before, memory_of_execd())
        assert members[0].tell("read_last(400000)") >= 400000, "nothing is lost"
        members[0].tell("close()")


def test_all_at_once(members):
    """T-H2: one user takes all that there is of everything."""
    with limits("[Daemon]\nAuthorizationTimeoutSec=2min\n[HTTP]\nBodyTimeoutSec=5min\n[Exec]\nOutputMemoryPerUserMax=8M\n"):
        first = members[0]
        assert len(first.tell("print_and_leave_unread(150, 400000)")) == 64
        assert first.tell("ask_and_leave_unread('/events', 150)") == 150
        assert set(first.tell("create_large(30)")) == {201, 503}
        assert first.tell("hold_bodies(100)")["busy"] > 50
        assert first.tell("connect(300)") == 300
        assert_served(*members[1:3])
        assert_small()
        first.tell("close()")


def test_events_that_nobody_reads(members):
    """All readers share one memory; one that falls behind is disconnected, and sees that."""
    with limits(""):
        assert members[0].tell("ask_and_leave_unread('/events', 300)") == 300
        reader = Member(MEMBERS[1])
        reader.process.stdin.write("follow_events('exec_create', 650)\n")
        reader.process.stdin.flush()
        assert reader.process.stdout.readline() == '"following"\n'
        for _ in range(650):
            execd.create("web", ["true", "x" * 4000])
        assert json.loads(reader.process.stdout.readline()) == 650
        reader.end()
        assert_served(*members[2:4])
        assert_small()
        whole = members[0].tell("drain()")
        assert whole == {"cut": 300, "whole": 0}


def test_execs_that_have_ended(members):
    """They are remembered, but not all that they were asked for; the journal has the others."""
    with limits(""):
        first = None
        for _ in range(25):
            exec_id = execd.create("web", ["true"] + ["x" * 100000] * 9)
            first = first or exec_id
            execd.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
            wait_for(lambda e=exec_id: not execd.inspect(e)["Running"], what="its end")
        assert execd.inspect(exec_id)["ExitCode"] == 0
        wait_for(lambda: execd.request("GET", f"/exec/{first}/json").status == 404, what="the oldest to be gone")
        assert_small()
