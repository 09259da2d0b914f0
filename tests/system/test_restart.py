# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd is restarted while commands run, as by an upgrade: no exec is lost, and nothing remains of it."""

import hashlib
import json
import random
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

import execd
from execd import connect, create, head_bytes, inspect, journal, read_head, request, shell, wait_for


class Attached(execd.Attached):
    """Of a command that has begun: its client has the head before that, and a start under way does not outlive execd."""

    def __init__(self, exec_id, *arguments, **words):
        super().__init__(exec_id, *arguments, **words)

        def has_begun():
            seen = inspect(exec_id)
            return seen["Pid"] or not seen["Running"]
        wait_for(has_begun, what="the command to have begun")


def restart():
    shell("systemctl restart execd.service")


def start_detached(*cmd, **fields):
    exec_id = create("web", list(cmd), **fields)
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    return exec_id


def end_of(exec_id):
    reply = request("POST", f"/exec/{exec_id}/wait")
    assert reply.status == 200, reply.body
    return reply.json()["StatusCode"]


def ask(method, path, *headers):
    s = connect()
    s.sendall(head_bytes(method, path, headers=headers))
    return s


def answer_of(s):
    """Its status and its body, and whether the connection is kept."""
    status, headers, body = read_head(s)
    while len(body) < int(headers["content-length"]):
        body += s.recv(4096)
    return status, body, headers.get("connection") != "close"


def attach(exec_id):
    a = object.__new__(Attached)
    a.tty = False
    a.socket = connect()
    a.socket.sendall(head_bytes("POST", f"/exec/{exec_id}/attach", b"", [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
    status, _, a.rest = read_head(a.socket)
    assert status == 101, a.rest
    return a


@pytest.mark.parametrize("times", [1, 3])
def test_detached_exec_goes_on(times):
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    exec_id = start_detached("sh", "-c", "echo before; read x </tmp/go; echo after; echo wrong >&2; exit 7")
    pid = inspect(exec_id)["Pid"]
    for _ in range(times):
        restart()
        seen = inspect(exec_id)
        assert seen["Running"] and seen["Pid"] == pid and seen["ExitCode"] is None
        assert exec_id in [e["ID"] for e in request("GET", "/exec/json").json()]
    shell("execctl run web -- sh -c 'echo x >/tmp/go'")
    assert end_of(exec_id) == 7
    logs = request("GET", f"/exec/{exec_id}/logs").body
    assert b"after" in logs and b"wrong" in logs
    ended = wait_for(lambda: [r for r in journal(exec_id) if r.get("EXIT_CODE") == "7"])
    assert ended[-1]["CALLER_UID"] == "0"


@pytest.mark.parametrize("times", [1, 3])
def test_who_waits_is_answered(times):
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    exec_id = start_detached("sh", "-c", "read x </tmp/go; exit 7")
    path = f"/v1.41/exec/{exec_id}/wait"
    kept = [ask("POST", path) for _ in range(3)]
    closing = [ask("POST", path, ("Connection", "close")) for _ in range(2)]
    leaving = ask("POST", path)
    for _ in range(times):
        for _ in range(2):
            assert request("GET", "/_ping").status == 200  # those before have been read
        restart()
        leaving.close()
    shell("execctl run web -- sh -c 'echo >/tmp/go'")
    for s in kept + closing:
        status, body, is_kept = answer_of(s)
        assert status == 200 and json.loads(body)["StatusCode"] == 7 and is_kept == (s in kept)
    for s in kept:
        s.sendall(head_bytes("GET", "/_ping"))
        assert answer_of(s)[:2] == (200, b"OK")
    for s in closing:
        assert s.recv(1) == b""


def test_who_waits_is_answered_after_a_crash():
    """Over HTTP: the connection is not execd's alone."""
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    exec_id = create("web", ["sh", "-c", "read x </tmp/go; exit 7"])
    path = f"/v1.41/exec/{exec_id}/wait"
    waiting = [ask("POST", path), ask("POST", path, ("Connection", "close"))]
    assert request("GET", "/_ping").status == 200
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    waiting.append(ask("POST", path))
    leaving = ask("POST", path)
    assert request("GET", "/_ping").status == 200
    leaving.close()
    for _ in range(2):
        shell("systemctl kill -s KILL execd.service")
        assert request("GET", "/_ping").status == 200
    shell("execctl run web -- sh -c 'echo >/tmp/go'")
    for s in waiting:
        status, body, _ = answer_of(s)
        assert status == 200 and json.loads(body)["StatusCode"] == 7
    waiting[0].sendall(head_bytes("GET", "/_ping"))
    assert answer_of(waiting[0])[:2] == (200, b"OK")
    assert waiting[1].recv(1) == b""
    # Nothing of it is left with systemd.
    assert shell("systemctl show -P NFileDescriptorStore execd.service").strip() != ""
    assert "wait-" not in shell("systemd-analyze fdstore execd.service 2>/dev/null || true")


def test_who_waits_is_told_of_an_end_that_nobody_saw():
    exec_id = start_detached("sh", "-c", "sleep 3336; exit 7")
    waiting = ask("POST", f"/exec/{exec_id}/wait")
    assert request("GET", "/_ping").status == 200
    pid = shell("systemctl show -P MainPID execd.service").strip()
    wait_for(lambda: shell("pgrep -fx 'sleep 3336'", check=False), what="the command")
    shell(f"kill -STOP {pid}; pkill -fx 'sleep 3336'")
    wait_for(lambda: not shell("pgrep -fx 'sh -c sleep 3336; exit 7'", check=False), what="the end of the command")
    # systemd has a process go on that is to end.
    restart()
    assert json.loads(answer_of(waiting)[1])["StatusCode"] == 7


def test_who_waits_is_cut_off_by_a_stop():
    exec_id = start_detached("sleep", "3334")
    waiting = ask("POST", f"/exec/{exec_id}/wait")
    assert request("GET", "/_ping").status == 200
    shell("systemctl stop execd.service")
    assert waiting.recv(1) == b""
    shell("pkill -fx 'sleep 3334'; systemctl start execd.service")


def test_output_waits_for_the_next_start():
    """The command speaks after the restart."""
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    exec_id = start_detached("sh", "-c", "read x </tmp/go; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    restart()
    shell("execctl run web -- sh -c 'echo >/tmp/go'")
    assert end_of(exec_id) == 0
    assert b"line 19999" in request("GET", f"/exec/{exec_id}/logs").body


@pytest.mark.parametrize("times", [1, 3])
def test_attached_client_notices_nothing(times):
    """Its terminal goes on: input from before the restart, from the time without execd, and from after it."""
    exec_id = create("web", ["sh"], Tty=True, AttachStdin=True)
    a = Attached(exec_id, tty=True)
    a.socket.sendall(b"x=kept; echo rea''dy\n")
    a.read_until(b"ready")
    for i in range(times):
        restart()
        a.socket.sendall(b"echo x''is $x %d\n" % i)
        a.read_until(b"xis kept %d" % i)
    assert request("POST", f"/exec/{exec_id}/resize?h=33&w=44").status in (200, 201)
    a.socket.sendall(b"stty size; exit 5\n")
    out = a.read_all()[0]
    assert b"33 44" in out and out.rstrip().endswith(b"33 44")
    assert inspect(exec_id)["ExitCode"] == 5


@pytest.mark.parametrize("looked_on", [False, True])
def test_no_byte_of_streams_is_lost(looked_on):
    """Both directions over some restarts; with one that looks on nothing is spliced."""
    size = 24 << 20
    source = hashlib.sha256()
    # The first bytes wait for it.
    exec_id = create("web", ["sh", "-c", "sleep 0.3; cat; echo wrong >&2; exit 3"], AttachStdin=True)
    a = Attached(exec_id)

    def write():
        block = random.Random(4).randbytes(1 << 20)
        for i in range(size >> 20):
            piece = block[i:] + block[:i]
            source.update(piece)
            a.socket.sendall(piece)
            time.sleep(0.05)  # so that a restart comes in the middle
        a.socket.shutdown(socket.SHUT_WR)

    onlooker = attach(exec_id) if looked_on else None
    writer = threading.Thread(target=write)
    writer.start()
    stop = threading.Event()

    def restarts():
        while not stop.wait(0.4):
            restart()
    restarter = threading.Thread(target=restarts)
    restarter.start()
    seen = []
    looker = threading.Thread(target=lambda: seen.extend(onlooker.read_all() if looked_on else []))
    looker.start()
    try:
        out, err = a.read_all()
    finally:
        stop.set()
        restarter.join()
    writer.join()
    assert len(out) == size and hashlib.sha256(out).hexdigest() == source.hexdigest()
    assert err == b"wrong\n" and end_of(exec_id) == 3
    looker.join()
    assert seen == ([out, err] if looked_on else [])


def test_end_of_input_while_execd_is_away():
    exec_id = create("web", ["sh", "-c", "wc -c"], AttachStdin=True)
    a = Attached(exec_id)
    a.socket.sendall(b"before ")
    # Its successor finds the messages that arrive meanwhile.
    execd.halt(int(shell("systemctl show -P MainPID execd.service")))  # and not its children, which outlive it
    a.socket.sendall(b"meanwhile")
    a.socket.shutdown(socket.SHUT_WR)
    restart()
    assert a.read_all()[0].split() == [b"16"]


def test_stopped_for_good_it_cuts_its_clients_off():
    """They would not be served; the command lives on, as when its client detaches. It reads on where systemd, from 254 on,
    keeps the other end of its input, and sees the end of it otherwise."""
    exec_id = create("web", ["sh", "-c", "read x; exec sleep 3333"], AttachStdin=True)
    a = Attached(exec_id)
    a.socket.settimeout(30)
    pid = inspect(exec_id)["Pid"]
    shell("systemctl stop execd.service")
    assert a.socket.recv(1) == b""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        assert f.read().rpartition(")")[2].split()[0] not in "ZX"
    shell(f"kill -KILL {pid}; systemctl start execd.service")


def test_client_that_leaves_while_execd_is_away():
    exec_id = create("web", ["sleep", "1000"], OnDisconnect="kill")
    a = Attached(exec_id)
    stopped = subprocess.Popen(["sh", "-c", "systemctl restart execd.service"])
    a.socket.close()
    stopped.wait()
    assert end_of(exec_id) == 137


def test_output_that_nobody_has_read_yet():
    """The command has ended; its client reads after the restart."""
    exec_id = create("web", ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 2"])
    a = Attached(exec_id)
    time.sleep(0.5)  # nothing shows that the pipes are full
    while len(a.rest) < 1 << 21:
        a.rest += a.socket.recv(1 << 17)
    wait_for(lambda: not inspect(exec_id)["Running"])
    restart()
    assert len(a.read_all()[0]) == 3000000
    assert inspect(exec_id)["ExitCode"] == 2


def test_logs_go_back_before_the_restart():
    ended = start_detached("sh", "-c", "echo this was early")
    assert end_of(ended) == 0
    running = start_detached("sh", "-c", "echo early; sleep 2; echo late")  # over the restart
    wait_for(lambda: b"early" in request("GET", f"/exec/{running}/logs").body, what="the first line")
    restart()
    assert b"this was early" in request("GET", f"/exec/{ended}/logs").body
    assert end_of(running) == 0
    logs = request("GET", f"/exec/{running}/logs").body
    assert b"early" in logs and b"late" in logs


def test_detach_keys_begun_before():
    exec_id = create("web", ["sh", "-c", "stty raw -echo; echo ready; exec cat"], Tty=True, AttachStdin=True,
                     OnDisconnect="kill")
    a = Attached(exec_id, tty=True)
    a.read_until(b"ready")
    a.socket.sendall(b"\x10")
    time.sleep(0.2)  # nothing shows that the first key was read
    restart()
    a.socket.sendall(b"\x11")
    assert a.read_all()[0].strip() == b"ready"
    a.socket.close()
    restart()
    assert inspect(exec_id)["Running"], "who detaches does not hang up"
    assert request("POST", f"/exec/{exec_id}/kill").status in (200, 204)


def test_docker_exec_goes_on():
    docker = subprocess.Popen(["docker", "-H", "unix:///run/execd/execd.sock", "exec", "-i", "web", "sh", "-c",
                               "read a; echo $a; read b; echo $b; exit 9"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    docker.stdin.write(b"one\n")
    docker.stdin.flush()
    assert docker.stdout.readline() == b"one\n"
    restart()
    docker.stdin.write(b"two\n")
    docker.stdin.flush()
    assert docker.stdout.readline() == b"two\n"
    assert docker.wait(20) == 9


def test_one_that_is_bound_to_its_client_ends_with_it():
    exec_id = create("web", ["sleep", "1000"], OnDisconnect="kill")
    a = Attached(exec_id)
    restart()
    assert inspect(exec_id)["Running"]
    a.socket.close()
    assert end_of(exec_id) == 137


def test_starts_under_way_are_waited_for():
    ids = [create("web", ["sh", "-c", f"sleep 1; exit {i}"]) for i in range(20)]  # over the restart
    streams = [Attached(i) for i in ids]
    restart()
    assert [end_of(i) for i in ids] == list(range(20))
    for s in streams:
        s.socket.close()


def test_signals_and_limits_reach_it():
    exec_id = start_detached("sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done", Labels={"a": "b"},
                             Properties={"RuntimeMaxSec": "60"})
    wait_for(lambda: b"ready" in request("GET", f"/exec/{exec_id}/logs").body, what="the trap")
    restart()
    query = urllib.parse.quote(json.dumps({"label": ["a=b"]}))
    seen = next(e for e in request("GET", f"/exec/json?filters={query}").json() if e["ID"] == exec_id)
    assert seen["Labels"] == {"a": "b"}
    assert request("POST", f"/exec/{exec_id}/kill?signal=USR1").status in (200, 204)
    assert end_of(exec_id) == 9


def test_command_with_fds_of_its_caller(tmp_path):
    out = tmp_path / "out"
    script = "echo begun; until rm /tmp/go 2>/dev/null; do sleep 0.1; done; echo done; exit 4"
    shell(f"execctl run web -- rm -f /tmp/go; execctl run web -- sh -c '{script}' >{out} 2>&1 & run=$!;"
          f"until grep -q begun {out}; do sleep 0.1; done; systemctl restart execd.service;"
          "execctl run web -- touch /tmp/go; wait $run", check=False)
    wait_for(lambda: "done" in out.read_text(), what="the command to have written to its own stdout")


def test_execctl_notices_nothing(tmp_path):
    """All of their commands, and the one who feeds two of them, go on when a file is there."""
    wait = "until [ -e /tmp/go-all ]; do sleep 0.1; done"
    ends = shell(f"""
        execctl run web -- rm -f /tmp/go-all
        ready() {{ until [ "$(cat {tmp_path}/$1 2>/dev/null)" ]; do sleep 0.1; done; }}
        go() {{ until [ -e {tmp_path}/go ]; do sleep 0.1; done; }}
        execctl run web -- sh -c 'echo begun; {wait}; echo done; exit 4' >{tmp_path}/run & run=$!
        (echo one; go; echo two) | execctl run -i web -- sh -c 'cat; exit 5' >{tmp_path}/input & input=$!
        id=$(execctl run --detach web -- sh -c 'echo early; {wait}; echo late; exit 6')
        execctl attach $id >{tmp_path}/attach & attach=$!
        execctl wait $id & wait=$!
        (go; echo exit 7) | script -qec "execctl shell web" /dev/null >{tmp_path}/shell 2>&1 & shell=$!
        for name in run input attach shell; do ready $name; done
        sleep 1  # nothing shows that execctl wait waits
        systemctl restart execd.service
        touch {tmp_path}/go
        execctl run web -- touch /tmp/go-all
        for pid in $run $input $attach $wait $shell; do wait $pid; echo ended $?; done
        cat {tmp_path}/run {tmp_path}/input {tmp_path}/attach
    """).split()
    assert [w for w in ends if w.isdigit()] == ["4", "5", "6", "6", "7"], ends
    assert {"done", "one", "two", "late"} <= set(ends)


def test_many():
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    ids = [start_detached("sh", "-c", f"read x </tmp/go; exit {i % 50}") for i in range(100)]
    restart()
    # All read the end of it when this is over, but those that come late and find none.
    shell("execctl run web -- sh -c 'exec 3<>/tmp/go; rm /tmp/go; sleep 0.5'")
    assert [end_of(i) for i in ids] == [i % 50 for i in range(100)]


def test_command_with_fds_of_a_caller_that_it_is_bound_to():
    """execctl stays on the bus while execd is away; when it leaves, its command ends."""
    caller = subprocess.Popen(["execctl", "run", "--on-disconnect=kill", "web", "--", "sleep", "1234"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    find = "pgrep -fx 'sleep 1234' || :"
    wait_for(lambda: shell(find))
    for _ in range(2):
        restart()
        request("GET", "/_ping")
        time.sleep(0.5)  # no mistake has had time to happen before
        assert caller.poll() is None and shell(find)
    caller.kill()
    caller.wait()
    wait_for(lambda: not shell(find), what="the command to have ended with its caller")


@pytest.mark.slow
def test_spawner_that_cannot_be_started_is_told_of():
    """The error says where to look; after the cause is removed, the next exec runs."""
    drop_in = "/run/systemd/system/execd-spawner.service.d/broken.conf"
    shell(f"mkdir -p {drop_in.rpartition('/')[0]}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{drop_in};"
          "systemctl daemon-reload; systemctl stop execd-spawner.service")
    try:
        reply = request("POST", "/containers/web/exec", {"Cmd": ["true"]})
    finally:
        shell(f"rm {drop_in}; systemctl daemon-reload; systemctl reset-failed execd-spawner.service", check=False)
    assert reply.status == 503
    assert "systemctl status execd-spawner.service" in reply.json()["message"]
    wait_for(lambda: request("POST", "/containers/web/exec", {"Cmd": ["true"]}).status == 201)


def test_ended_execs_are_read_when_asked_for():
    """They come before those that were made since, whichever way they are first asked for, and outlive a second restart."""
    def ended():
        exec_id = create("web", ["true"])
        Attached(exec_id).read_all()
        return exec_id

    first = ended()
    shell("systemctl restart execd.service")
    second = ended()
    listed = [e["ID"] for e in request("GET", "/exec/json").json()]
    assert listed.index(first) < listed.index(second)
    for _ in range(2):
        shell("systemctl restart execd.service")
    assert request("GET", f"/exec/{'0' * 64}/json").status == 404
    assert inspect(first)["ExitCode"] == 0 and inspect(second)["ExitCode"] == 0
    shell("systemctl restart execd.service")
    assert f"/org/execd1/exec/_{first}" in shell("busctl tree --list org.execd1")
