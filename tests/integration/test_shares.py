# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers share: whoever takes all that he can leaves something to those who have little, and to root."""

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

# Takes orders on stdin, one a line, and answers each with a line. It holds what it was told to open.
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
