# SPDX-License-Identifier: LGPL-2.1-or-later
"""Permissions over the HTTP socket: of root, a member of group execd, and other users; and the effect of polkit's rules."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import pytest

import execd
from execd import create, journal, request, run, shell, wait_for

RULES = "/etc/polkit-1/rules.d/10-execd-test.rules"

CALL = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
os.initgroups(sys.argv[2], int(sys.argv[3])); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[4]))
import execd
body = json.loads(sys.argv[7])
r = execd.request(sys.argv[5], sys.argv[6], body)
print(json.dumps([r.status, r.json() if r.body else None]))
"""

# Sends a request, does not wait for the answer, closes the connection on a line of its stdin, and stays.
LEAVING_CALL = """
import os, pwd, sys
sys.path.insert(0, sys.argv[1])
user = pwd.getpwnam(sys.argv[2])
os.initgroups(user.pw_name, user.pw_gid); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
import execd
s = execd.connect()
s.sendall(execd.head_bytes("POST", sys.argv[3], b""))
print("sent", flush=True)
sys.stdin.readline()
s.close()
print("closed", flush=True)
sys.stdin.readline()
"""

# A caller of a login session, or of none.
LOGIN_CALL = """
import sys
sys.path.insert(0, sys.argv[1])
if len(sys.argv) > 2:
    with open("/proc/self/loginuid", "w") as f:
        f.write(sys.argv[2])
import execd
exec_id = execd.create("web", ["cat", "/proc/self/loginuid"])
print(exec_id, execd.Attached(exec_id).read_all()[0].decode())
"""

UPGRADE_CALL = """
import os, pwd, sys
sys.path.insert(0, sys.argv[1])
user = pwd.getpwnam(sys.argv[2])
os.initgroups(user.pw_name, user.pw_gid); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
import execd
body = b'{"Detach": false}'
s = execd.connect()
s.sendall(execd.head_bytes("POST", f"/exec/{sys.argv[3]}/start", body, [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
status, _, rest = execd.read_head(s)
print(status, rest)
"""


def call_as(user, method, path, body=None):
    uid, gid = (shell(f"id -{k} {user}").strip() for k in "ug")
    done = subprocess.run([sys.executable, "-c", CALL, os.path.dirname(execd.__file__), user, gid, uid, method, path,
                           json.dumps(body)], capture_output=True, text=True, timeout=60, cwd="/")
    if done.returncode:
        return None, done.stderr
    return json.loads(done.stdout)


def allow(action, container):
    """A rules file of five lines: member may do one thing in one container."""
    with open(RULES, "w") as f:
        f.write('polkit.addRule(function(action, subject) {\n'
                f'    if (action.id == "{action}" && subject.user == "member" &&\n'
                f'        action.lookup("container") == "{container}")\n'
                '        return polkit.Result.YES;\n'
                '});\n')
    os.chmod(RULES, 0o644)


def test_member_may_exec(users):
    status, answer = call_as("member", "POST", "/containers/web/exec", {"Cmd": ["true"]})
    assert status == 201, answer
    assert call_as("member", "POST", f"/exec/{answer['Id']}/start", {"Detach": True})[0] == 200
    status, seen = call_as("member", "GET", f"/exec/{answer['Id']}/json")
    assert status == 200 and seen["CallerUID"] == int(shell("id -u member"))
    records = wait_for(lambda: (r := journal(answer["Id"])) and len(r) >= 3 and r)
    assert {r["CALLER_UID"] for r in records} == {shell("id -u member").strip()}
    assert call_as("member", "GET", "/containers/json")[0] == 200


def test_member_may_not_exec_privileged(users):
    begun = execd.cursor()
    status, answer = call_as("member", "POST", "/containers/web/exec", {"Cmd": ["true"], "Privileged": True})
    assert status == 403 and answer["error"]["code"] == "FORBIDDEN"
    assert "org.execd1.exec-privileged" in answer["message"]
    denied = wait_for(lambda: [r for r in execd.records_since(begun, "execd.service")
                               if r.get("MESSAGE_ID") == "9b64e2bb69b54967818a6c2220391d34"])
    assert denied[-1]["EXEC_PRIVILEGED"] == "1" and denied[-1]["CALLER_UID"] == shell("id -u member").strip()


def test_member_may_not_touch_the_execs_of_others(users):
    exec_id = create("web", ["true"])
    for verb in ("start", "kill", "resize?h=1&w=1"):
        assert call_as("member", "POST", f"/exec/{exec_id}/{verb}", {})[0] == 403, verb
    assert call_as("member", "GET", f"/exec/{exec_id}/json")[0] == 200, "looking is what the group may"


def test_stranger_does_not_reach_the_socket(users):
    status, error = call_as("stranger", "GET", "/_ping")
    assert status is None and "PermissionError" in error


def test_rules_decide(users):
    """Privileged execs of one user in one container."""
    allow("org.execd1.exec-privileged", "web")
    try:
        def allowed():
            return call_as("member", "POST", "/containers/web/exec", {"Cmd": ["true"], "Privileged": True})[0] == 201
        wait_for(allowed, what="polkit to have read the rule")
        assert call_as("member", "POST", "/containers/booted/exec", {"Cmd": ["true"], "Privileged": True})[0] == 403
    finally:
        os.unlink(RULES)
        time.sleep(1)  # polkit reads its rules when it likes


@pytest.mark.parametrize("pattern", ["a{1,32767}", "a" * 300, "(a)\\1"])
def test_costly_name_filters_are_refused(pattern):
    query = urllib.parse.quote(json.dumps({"name": [pattern]}))
    reply = request("GET", f"/containers/json?filters={query}")
    assert reply.status == 400 and "name" in reply.json()["message"]
    query = urllib.parse.quote(json.dumps({"name": ["^/?w.b$"]}))
    assert [c["Names"] for c in request("GET", f"/containers/json?filters={query}").json()] == [["/web"]]


@contextlib.contextmanager
def halted_polkit():
    """Asked, it does not answer before what this gives is called."""
    pid = int(shell("systemctl start polkit; systemctl show -P MainPID polkit"))

    def go_on():
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pytest.fail("polkit has ended:\n" + shell("journalctl --no-pager -n 40 -u polkit"))
    execd.halt(pid)
    try:
        yield go_on
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_container_goes_while_polkit_is_asked(users):
    """An attached start that comes too late is refused in HTTP; it does not become a stream about nothing."""
    machine = "/usr/lib/execd-tests/machine"
    shell(f"{machine} start leaving")
    allow("org.execd1.manage", "leaving")
    exec_id = create("leaving", ["true"])
    wait_for(lambda: call_as("member", "POST", f"/exec/{exec_id}/kill", {})[0] == 409,
             what="polkit to have read the rule")
    try:
        with halted_polkit() as go_on:
            starter = subprocess.Popen([sys.executable, "-c", UPGRADE_CALL, os.path.dirname(execd.__file__), "member",
                                        exec_id], stdout=subprocess.PIPE, text=True, cwd="/")
            time.sleep(1)  # nothing shows that polkit was asked
            shell(f"{machine} remove leaving")
            assert starter.poll() is None
            go_on()
            answer = starter.communicate(timeout=60)[0]
        assert answer.startswith("409 ") and "container leaving is not running" in answer, answer
    finally:
        os.unlink(RULES)
        shell(f"{machine} remove leaving", check=False)


def test_caller_goes_while_polkit_is_asked(users):
    """A later answer of polkit has no effect. The caller's process is still there."""
    exec_id = create("web", ["sleep", "1000"])
    request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    allow("org.execd1.manage", "web")
    other = create("web", ["true"])
    wait_for(lambda: call_as("member", "POST", f"/exec/{other}/kill", {})[0] == 409,
             what="polkit to have read the rule")
    with halted_polkit() as go_on:
        caller = subprocess.Popen([sys.executable, "-c", LEAVING_CALL, os.path.dirname(execd.__file__), "member",
                                   f"/exec/{exec_id}/kill?signal=KILL"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, cwd="/")
        try:
            assert caller.stdout.readline() == "sent\n"
            time.sleep(1)  # nothing shows that polkit was asked
            caller.stdin.write("close\n")
            caller.stdin.flush()
            assert caller.stdout.readline() == "closed\n"
            for _ in range(2):
                assert request("GET", "/_ping").status == 200  # execd has seen the end, which was before
            go_on()
            time.sleep(1)  # what must not happen has time to
            assert caller.poll() is None
            assert execd.inspect(exec_id)["Running"]
            # One that stays to the end of it is heard.
            assert call_as("member", "POST", f"/exec/{exec_id}/kill?signal=KILL", {})[0] in (200, 204)
        finally:
            caller.kill()
            caller.wait()
            os.unlink(RULES)
            request("POST", f"/exec/{exec_id}/kill?signal=KILL")


def test_connection_of_a_process_that_has_exited():
    """It counts as the caller, root or not, and nothing is known about those who hold its connection now."""
    passing, receiving = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        s = execd.connect()
        s.sendall(execd.head_bytes("GET", "/_ping", b""))
        s.recv(65536)
        socket.send_fds(passing, [b"x"], [s.fileno()])
        os._exit(0)
    _, fds, _, _ = socket.recv_fds(receiving, 1, 1)
    os.waitpid(pid, 0)
    with socket.socket(fileno=fds[0]) as s:
        s.settimeout(60)
        s.sendall(execd.head_bytes("POST", "/containers/web/exec", json.dumps({"Cmd": ["true"]}).encode()))
        status, _, rest = execd.read_head(s)
    assert status == 403 and b"has exited" in rest


def test_passed_connection_is_of_who_made_it(users):
    """A process that passes its connection lends its rights, and the records name it."""
    with execd.connect() as s:
        s.set_inheritable(True)
        s.setblocking(True)
        script = (f"import socket, sys; s = socket.socket(fileno={s.fileno()}); s.sendall(sys.stdin.buffer.read()); "
                  "print(s.recv(65536))")
        head = execd.head_bytes("POST", "/containers/web/exec", json.dumps({"Cmd": ["true"]}).encode())
        done = subprocess.run(["setpriv", "--reuid=stranger", "--regid=stranger", "--clear-groups", sys.executable, "-c", script],
                              input=head, capture_output=True, check=True, close_fds=False, timeout=60)
    exec_id = re.search(r'"Id":"([0-9a-f]{64})', done.stdout.decode())[1]
    assert [(r["CALLER_UID"], r["CALLER_PID"]) for r in journal(exec_id)] == [("0", str(os.getpid()))]


def test_root_needs_no_polkit():
    shell("systemctl mask --runtime --now polkit.service")
    try:
        assert run("web", ["true"])[0] == 0
    finally:
        shell("systemctl unmask --runtime polkit.service")


def test_without_polkit_nobody_else_passes(users):
    shell("systemctl mask --runtime --now polkit.service")
    try:
        status, answer = call_as("member", "POST", "/containers/web/exec", {"Cmd": ["true"]})
        assert status == 403, answer
    finally:
        shell("systemctl unmask --runtime polkit.service")
    assert request("GET", "/_ping").body == b"OK"


@pytest.mark.parametrize("login_uid", [None, "4711"])
def test_command_belongs_to_the_login_of_its_caller(login_uid):
    done = subprocess.run([sys.executable, "-c", LOGIN_CALL, os.path.dirname(execd.__file__), *filter(None, [login_uid])],
                          capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    exec_id, seen = done.stdout.split()
    assert seen == (login_uid or "4294967295")
    records = wait_for(lambda: (r := journal(exec_id)) and len(r) >= 3 and r)
    assert {r.get("CALLER_LOGINUID") for r in records} == {login_uid}
