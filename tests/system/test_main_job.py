# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job, end to end on real parts: a command in a running container, its scope, its record."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

import execd
from execd import Attached, create, inspect, journal, request, run, shell, wait_for

MACHINES = ["web", "booted", "userns"]


def test_product_contract():
    out = shell("curl -s -w '\\n%{http_code}' --unix-socket /run/execd/execd.sock -X POST "
                "http://localhost/v1.33/containers/web/exec -H 'content-type: application/json' "
                "-d '{\"Cmd\":[\"id\"],\"AttachStdout\":true}'")
    body, status = out.rsplit("\n", 1)
    answer = json.loads(body)
    assert status == "201"
    assert re.fullmatch("[0-9a-f]{64}", answer["Id"])
    assert answer["data"]["id"] == answer["Id"]
    assert answer["success"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["data"]["created_at"])


def test_unknown_container():
    reply = request("POST", "/v1.33/containers/nosuch/exec", {"Cmd": ["id"]})
    assert reply.status == 404
    assert reply.json()["error"]["code"] == "NOT_FOUND"
    assert reply.json()["message"] == "No such container: nosuch"


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("code", [0, 1, 42, 126, 127, 255])
def test_exit_codes(machine, code):
    assert run(machine, ["sh", "-c", f"exit {code}"]) == (code, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_killed_by_signal(number):
    assert run("web", ["sh", "-c", f"kill -{int(number)} $$"])[0] == 128 + number


@pytest.mark.parametrize("machine", MACHINES)
def test_streams_are_apart(machine):
    assert run(machine, ["sh", "-c", "echo out; echo err >&2"]) == (0, b"out\n", b"err\n")


def test_string_cmd_is_a_shell_command():
    assert run("web", "echo $((6*7)) | tr 2 3") == (0, b"43\n", b"")


def test_command_not_found():
    code, out, _ = run("web", ["nosuch"])
    assert code == 127
    assert b'exec: "nosuch": executable file not found in $PATH' in out


def test_path_taken_away():
    code, out, _ = run("web", ["env"], Env=["PATH"])
    assert code == 127 and b"executable file not found in $PATH" in out


def test_command_not_executable():
    assert run("web", ["/etc/passwd"])[0] == 126


@pytest.mark.parametrize("machine", ["web", "userns"])
@pytest.mark.parametrize("user, expected", [
    (None, "uid=0(root) gid=0(root)"),
    ("app", "uid=1000(app) gid=1000(app) groups=1000(app),10(wheel)"),
    ("1000", "uid=1000(app) gid=1000(app) groups=1000(app),10(wheel)"),
    ("app:wheel", "uid=1000(app) gid=10(wheel) groups=10(wheel)"),
    ("4242", "uid=4242 gid=0(root)"),
    ("4242:4343", "uid=4242 gid=4343"),
])
def test_user(machine, user, expected):
    code, out, err = run(machine, ["id"], User=user)
    assert (code, err) == (0, b"")
    ids, _, groups = out.decode().strip().partition(" groups=")
    expected_ids, _, expected_groups = expected.partition(" groups=")
    assert ids == expected_ids
    if expected_groups:
        assert set(groups.split(",")) == set(expected_groups.split(","))


def test_unknown_user():
    reply = request("POST", "/v1.41/containers/web/exec", {"Cmd": ["id"], "User": "nosuch"})
    assert reply.status == 400
    assert "unable to find user nosuch: no matching entries in passwd file" in reply.json()["message"]


def test_environment():
    code, out, _ = run("web", ["env"], Env=["A=1", "B=x y", "A=2", "HOSTNAME"], User="app")
    env = dict(line.split("=", 1) for line in out.decode().splitlines())
    assert code == 0
    assert "HOSTNAME" not in env
    assert env["A"] == "2" and env["B"] == "x y"
    assert env["HOME"] == "/home/app"
    assert not [k for k in env if k.startswith(("NOTIFY_", "LISTEN_", "INVOCATION", "JOURNAL", "SYSTEMD"))]


def test_working_dir():
    assert run("web", ["pwd"], WorkingDir="/tmp") == (0, b"/tmp\n", b"")
    code, out, _ = run("web", ["pwd"], WorkingDir="/nosuch")
    assert code == 127 and b'chdir to cwd ("/nosuch")' in out


def test_stdin_half_close():
    assert run("web", ["sh", "-c", "cat; echo end"], stdin=b"hello\n") == (0, b"hello\nend\n", b"")


def test_without_stdin_it_is_the_null_device():
    assert run("web", ["readlink", "/proc/self/fd/0"])[1] == b"/dev/null\n"


def test_start_without_upgrade():
    exec_id = create("web", ["echo", "plain"])
    with execd.connect() as s:
        s.sendall(execd.head_bytes("POST", f"/exec/{exec_id}/start", b"{}"))
        status, headers, data = execd.read_head(s)
        while piece := s.recv(65536):
            data += piece
    assert status == 200
    assert headers["content-type"] == "application/vnd.docker.raw-stream"
    assert execd.demux(data) == (b"plain\n", b"")


def test_detached():
    exec_id = create("web", ["sh", "-c", "echo one; echo two; exit 3"])
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    wait_for(lambda: inspect(exec_id)["ExitCode"] == 3, what="the exit code")
    lines = wait_for(lambda: len(r := [r["MESSAGE"] for r in journal(exec_id) if r.get("EXEC_STREAM") == "stdout"]) == 2 and r)
    assert lines == ["one", "two"]


def test_tty_and_resize():
    exec_id = create("web", ["sh"], Tty=True, AttachStdin=True)
    a = Attached(exec_id, tty=True)
    assert request("POST", f"/exec/{exec_id}/resize?h=33&w=99").status == 200
    a.socket.sendall(b"stty size; tty; exit 5\n")
    out, _ = a.read_all()
    assert b"33 99" in out
    assert b"/dev/pts/" in out
    assert inspect(exec_id)["ExitCode"] == 5


@pytest.mark.parametrize("machine", MACHINES)
def test_tty_is_that_of_the_user(machine):
    code, out, _ = run(machine, ["sh", "-c", "echo x > $(tty) && stat -c %u:%g:%a $(tty)"], tty=True,
                       User="1000" if machine != "booted" else "0")
    uid = 1000 if machine != "booted" else 0
    assert code == 0
    assert f"{uid}:5:620" in out.decode()


def test_fifty_megabytes_both_ways():
    data = os.urandom(1 << 20) * 50
    proc = subprocess.run(["docker", "exec", "-i", "web", "cat"], input=data, capture_output=True, timeout=120)
    assert proc.returncode == 0
    assert hashlib.sha256(proc.stdout).hexdigest() == hashlib.sha256(data).hexdigest()


def test_docker_lists_the_machines():
    names = shell("docker ps --format '{{.Names}}'").split()
    assert set(MACHINES) <= set(names)


@pytest.mark.parametrize("machine", MACHINES)
def test_docker_exec(machine):
    assert subprocess.run(["docker", "exec", machine, "sh", "-c", "exit 42"]).returncode == 42
    proc = subprocess.run(["docker", "exec", "-i", machine, "cat"], input=b"hi\n", capture_output=True)
    assert (proc.returncode, proc.stdout) == (0, b"hi\n")


def test_container_by_id_and_prefix():
    full = request("GET", "/containers/web/json").json()["Id"]
    assert re.fullmatch("[0-9a-f]{64}", full)
    for reference in (full, full[:12]):
        assert run(reference, ["hostname"])[1] == run("web", ["hostname"])[1]


def test_scope():
    exec_id = create("web", ["sleep", "1000"])
    a = Attached(exec_id)
    wait_for(lambda: inspect(exec_id)["Pid"] > 0, what="running")
    unit = f"exec-{exec_id}.scope"
    # One that was made in advance is called what it is for a moment later.
    wait_for(lambda: "Description=web: sleep 1000" in shell(f"systemctl show -p Description {unit}"),
             what="the description")
    show = shell(f"systemctl show -p Slice,CollectMode,ActiveState {unit}")
    assert "ActiveState=active" in show
    assert re.search(r"^Slice=machine-execd[0-9a-f]{12}\.slice$", show, re.MULTILINE), show
    assert "CollectMode=inactive-or-failed" in show
    assert unit in shell("systemd-cgls --no-pager")
    assert str(inspect(exec_id)["Pid"]) in shell(f"systemctl status --no-pager {unit}")
    shell(f"systemctl stop {unit}")
    a.read_all()
    assert inspect(exec_id)["ExitCode"] in (137, 143)
    wait_for(lambda: "could not be found" in shell(f"systemctl status {unit} 2>&1 || true"), what="no unit")


def test_scope_made_in_advance():
    def description(exec_id):
        return shell(f"systemctl show --value -p Description exec-{exec_id}.scope").strip()

    def made_in_advance():
        """The scope of an exec that has just ended can still be called so, and is not the next one's."""
        assert run("web", ["true"])[0] == 0
        wait_for(lambda: "web: runner for an exec" in shell("systemctl list-units --plain --no-legend 'exec-*.scope'"),
                 what="the spare")
        exec_id = create("web", ["sleep", "1000"])
        return description(exec_id) == "web: runner for an exec" and exec_id
    exec_id = wait_for(made_in_advance, what="an exec whose scope was made in advance")
    a = Attached(exec_id)
    wait_for(lambda: description(exec_id) == "web: sleep 1000", what="the description")
    shell(f"systemctl stop exec-{exec_id}.scope")
    a.read_all()


def test_journal_tells_the_story():
    exec_id = create("web", ["sh", "-c", "exit 9"], User="app", Env=["SECRET=hunter2"])
    Attached(exec_id).read_all()
    records = wait_for(lambda: (r := journal(exec_id)) and len(r) >= 3 and r, what="three records")
    assert [r["MESSAGE_ID"] for r in records] == sorted({r["MESSAGE_ID"] for r in records},
                                                       key=[r["MESSAGE_ID"] for r in records].index)
    created, started, exited = records
    for r in records:
        assert r["CONTAINER_NAME"] == "web" and r["CONTAINER_KIND"] == "machine"
        assert r["CALLER_UID"] == "0" and r["CALLER_USER"] == "root" and r["PRIORITY"] == "5" and int(r["CALLER_PID"]) > 0
        assert r["EXEC_USER"] == "app" and r["EXEC_PRIVILEGED"] == "0"
        assert r["EXEC_CMDLINE"] == 'sh -c "exit 9"'
        assert r["EXEC_UNIT"] == f"exec-{exec_id}.scope"
        assert "hunter2" not in json.dumps(r)
    assert exited["EXIT_CODE"] == "9" and int(exited["DURATION_USEC"]) > 0
    assert [r["MESSAGE"] for r in records] == [f'Exec {exec_id[:12]} in web {what}: sh -c "exit 9"' for what in (
        "created by uid 0 (root), to run as app", "started by uid 0 (root), to run as app", "exited with status 9")]


@pytest.mark.parametrize("command, said", [
    (["sh", "-c", "kill -9 $$"], "was ended by SIGKILL"),
    (["nosuch"], 'could not be started ("nosuch": executable file not found in $PATH)'),
])
def test_journal_tells_of_another_end(command, said):
    exec_id = create("web", command)
    Attached(exec_id).read_all()
    records = wait_for(lambda: (r := journal(exec_id)) and len(r) >= 3 and r, what="three records")
    assert records[-1]["MESSAGE"].startswith(f"Exec {exec_id[:12]} in web {said}: ")


def test_restart_between_create_and_start_runs_nothing():
    shell("/usr/lib/execd-tests/machine start restarted")
    try:
        exec_id = create("restarted", ["touch", "/ran"])
        shell("/usr/lib/execd-tests/machine stop restarted; /usr/lib/execd-tests/machine start restarted")
        reply = request("POST", f"/exec/{exec_id}/start", {"Detach": True})
        assert reply.status in (404, 409)
        assert run("restarted", ["ls", "/ran"])[0] != 0
    finally:
        shell("/usr/lib/execd-tests/machine stop restarted; /usr/lib/execd-tests/machine remove restarted",
              check=False)


def test_execd_is_unprivileged():
    request("GET", "/_ping")
    pid = shell("systemctl show -P MainPID execd.service").strip()
    status = open(f"/proc/{pid}/status").read()
    uid = shell("id -u execd").strip()
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.M)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{kind}:\t0+$", status, re.M), kind
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)


def test_spawner_is_for_execd_only():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(30)
        s.connect("/run/execd/spawner.sock")  # root may connect, and is turned away all the same
        try:
            s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
            answer = s.recv(100)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
        assert answer == b""


@pytest.fixture
def soon_idle():
    path = "/run/execd/execd.conf.d/50-idle.conf"
    shell(f"mkdir -p {path.rpartition('/')[0]}; printf '[Daemon]\\nIdleTimeoutSec=1s\\nIdleTimeoutMaxSec=0\\n' >{path}; systemctl reload-or-restart execd.service")
    yield
    shell(f"rm {path}; systemctl reload-or-restart execd.service")


@pytest.mark.slow
def test_leaves_when_idle_and_comes_back(soon_idle):
    # A created exec that is never started would keep it: start all that other tests have left.
    for e in request("GET", '/exec/json?filters={"status":["created"]}').json():
        request("POST", f"/exec/{e['ID']}/start", {"Detach": True})
    for e in request("GET", '/exec/json?filters={"status":["running"]}').json():
        request("POST", f"/exec/{e['ID']}/kill")
    exec_id = create("web", ["true"])
    Attached(exec_id).read_all()
    wait_for(lambda: shell("pgrep -x execd; pgrep -f '^/usr/lib/execd/' ; true").strip() == "", seconds=100,
             what="all programs to leave")
    assert request("GET", "/_ping").body == b"OK"
    assert inspect(exec_id)["ExitCode"] == 0, "an ended exec is remembered"
    assert run("web", ["true"])[0] == 0
