# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd is killed in the midst of its work. Commands, their statuses and attached clients go on, and no client ends
with a status that its command did not have."""

import hashlib
import os
import random
import socket
import subprocess
import sys
import threading

import pytest

from execd import Attached, connect, create, halt, head_bytes, inspect, journal, read_head, request, shell, wait_for

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dbus"))
from bus import Bus, BusError  # noqa: E402 (from another suite)

DOCKER = ["docker", "-H", "unix:///run/execd/execd.sock"]


def main_pid():
    return int(shell("systemctl show -P MainPID execd.service"))


def crash():
    pid = main_pid()
    assert pid > 0
    shell(f"kill -KILL {pid}")
    wait_for(lambda: main_pid() not in (pid, 0), what="execd to have been started again")


def go(name):
    """A gate in the container that a command waits at: it reads from the FIFO."""
    shell(f"execctl run web -- sh -c 'rm -f /tmp/{name}; mkfifo /tmp/{name}'")
    return lambda: shell(f"execctl run web -- sh -c 'echo go >/tmp/{name}'")


def wait_for_begin(exec_id):
    """A command is called a moment after its client has the head of the answer. A start under way does not outlive execd."""
    def has_begun():
        seen = inspect(exec_id)
        return seen["Pid"] > 0 or seen["State"] not in ("created", "running")
    wait_for(has_begun)


def end_of(exec_id):
    reply = request("POST", f"/exec/{exec_id}/wait")
    assert reply.status == 200, reply.body
    return reply.json()["StatusCode"]


@pytest.mark.parametrize("times", [1, 3])
def test_docker_exec_goes_on(times):
    open_gate = go("crash-docker")
    docker = subprocess.Popen([*DOCKER, "exec", "-i", "web", "sh", "-c", "echo up; read x </tmp/crash-docker; cat; exit 7"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert docker.stdout.readline() == b"up\n"
    for _ in range(times):
        crash()
    open_gate()
    assert docker.communicate(b"typed after\n", timeout=30)[0] == b"typed after\n"
    assert docker.returncode == 7


def numbered(n, lines, crashes):
    """That many clients, each with numbered lines of its command, while execd dies so often: (outputs, statuses)."""
    ids = [create("web", ["sh", "-c", f"i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done; exit {i}"])
           for i in range(n)]
    clients = [Attached(i) for i in ids]
    for i in ids:
        wait_for_begin(i)
    outputs = [None] * n

    def read(i):
        outputs[i] = clients[i].read_all()[0]
    threads = [threading.Thread(target=read, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for _ in range(crashes):
        crash()
    for t in threads:
        t.join()
    return outputs, [inspect(i)["ExitCode"] for i in ids]


@pytest.mark.parametrize("n,lines,crashes", [(50, 20000, 1), (20, 50000, 5)])
def test_numbered_lines(n, lines, crashes):
    """Nothing is lost or doubled, wherever execd was when it died."""
    outputs, statuses = numbered(n, lines, crashes)
    expected = b"".join(b"line %d\n" % i for i in range(lines))
    assert [o == expected for o in outputs] == [True] * n
    assert statuses == list(range(n))


@pytest.mark.parametrize("size", [16 << 20, pytest.param(256 << 20, marks=pytest.mark.slow)])
def test_both_directions(size):
    """Input of a client comes back unchanged. The larger one is spliced, and execd dies in the midst of it."""
    exec_id = create("web", ["sh", "-c", "cat; echo wrong >&2; exit 3"], AttachStdin=True)
    a = Attached(exec_id)
    wait_for_begin(exec_id)
    block = random.Random(4).randbytes(1 << 20)
    pieces = [block[i:] + block[:i] for i in range(16)]
    source, sink = hashlib.sha256(), hashlib.sha256()

    def write():
        for i in range(size >> 20):
            source.update(pieces[i % 16])
            a.socket.sendall(pieces[i % 16])
        a.socket.shutdown(socket.SHUT_WR)
    writer = threading.Thread(target=write)
    crasher = threading.Thread(target=lambda: [crash() for _ in range(3)])
    writer.start()
    crasher.start()
    out, err = a.read_all()
    sink.update(out)
    writer.join()
    crasher.join()
    assert len(out) == size and sink.digest() == source.digest()
    assert err == b"wrong\n" and end_of(exec_id) == 3


def test_terminal():
    exec_id = create("web", ["sh"], Tty=True, AttachStdin=True)
    a = Attached(exec_id, tty=True)
    a.socket.sendall(b"x=kept; echo rea''dy\n")
    a.read_until(b"ready")
    for i in range(3):
        crash()
        a.socket.sendall(b"echo x''is $x %d\n" % i)
        a.read_until(b"xis kept %d" % i)
    assert request("POST", f"/exec/{exec_id}/resize?h=33&w=44").status in (200, 201)
    a.socket.sendall(b"stty size; exit 5\n")
    assert a.read_all()[0].rstrip().endswith(b"33 44")
    assert inspect(exec_id)["ExitCode"] == 5


@pytest.mark.parametrize("tty", [False, True])
def test_its_client_leaves_while_execd_is_away(tty):
    """Execs that are bound to the client end with it, and a terminal is hung up: nothing else holds it open."""
    exec_id = create("web", ["sh", "-c", "trap 'exit 3' HUP; echo ready; while :; do sleep 0.1; done"], Tty=tty,
                     OnDisconnect="hangup")
    a = Attached(exec_id, tty=tty)
    a.read_until(b"ready")
    pid = main_pid()
    halt(pid)  # and not its children, which outlive it
    a.socket.close()
    shell(f"kill -KILL {pid}")
    wait_for(lambda: main_pid() not in (pid, 0))
    assert end_of(exec_id) == 3


def test_detached_exec_goes_on():
    open_gate = go("crash-detached")
    exec_id = create("web", ["sh", "-c", "echo early; read x </tmp/crash-detached; echo late; exit 6"])
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    for _ in range(2):
        crash()
        assert inspect(exec_id)["Running"]
    open_gate()
    assert end_of(exec_id) == 6
    records = wait_for(lambda: [r for r in journal(exec_id) if r.get("EXIT_CODE")])
    assert [r["EXIT_CODE"] for r in records] == ["6"], "the end is recorded once"


def test_ends_while_execd_is_away():
    """The status waits in the runner's socket, the output in its pipe."""
    go("crash-away")
    exec_id = create("web", ["sh", "-c", "read x </tmp/crash-away; echo late; exit 6"])
    a = Attached(exec_id)
    wait_for_begin(exec_id)
    pid = main_pid()
    command = inspect(exec_id)["Pid"]
    root = f"/proc/{command}/root"
    fifo = os.open(f"{root}/tmp/crash-away", os.O_WRONLY)
    halt(pid)  # and not its children, which outlive it
    os.write(fifo, b"go\n")
    os.close(fifo)
    wait_for(lambda: not os.path.exists(root), what="the command to have ended")
    shell(f"kill -KILL {pid}")
    wait_for(lambda: main_pid() not in (pid, 0))
    assert a.read_all()[0] == b"late\n"
    assert inspect(exec_id)["ExitCode"] == 6


def test_status_that_was_reported_before():
    """The command has ended, another process still holds its output open: the report is not lost with who read it."""
    exec_id = create("web", ["sh", "-c", "sleep 4322 & exit 5"])
    a = Attached(exec_id)
    wait_for(lambda: not inspect(exec_id)["Running"])
    crash()
    assert inspect(exec_id)["ExitCode"] == 5
    assert a.read_all() == (b"", b"")
    shell("pkill -fx 'sleep 4322'")


def test_between_create_and_start():
    """An exec that has not run is no longer known, and that is an error, not success."""
    exec_id = create("web", ["true"])
    crash()
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 404
    assert request("GET", f"/exec/{exec_id}/json").status == 404


def test_commands_of_execctl():
    """Their streams do not pass through execd; a client that waits for the status asks again."""
    open_gate = go("crash-execctl")
    run = subprocess.Popen(["execctl", "run", "web", "--", "sh", "-c", "echo up; read x </tmp/crash-execctl; echo done; exit 4"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    exec_id = next(e["ID"] for e in request("GET", "/exec/json").json()
                   if e["Running"] and "crash-execctl" in "".join(e["ProcessConfig"]["arguments"]))
    wait = subprocess.Popen(["execctl", "wait", exec_id], stdin=subprocess.DEVNULL)
    crash()
    open_gate()
    assert run.communicate(timeout=30)[0] == b"done\n"
    assert run.returncode == 4
    assert wait.wait(30) == 4


def test_full_run():
    """Neither a crash nor a restart needs space in /run."""
    open_gate = go("crash-full")
    exec_id = create("web", ["sh", "-c", "echo up; read x </tmp/crash-full; exit 7"])
    a = Attached(exec_id)
    a.read_until(b"up")
    size = shell("df -k --output=size /run | tail -1").strip()
    used = shell("df -k --output=used /run | tail -1").strip()
    shell(f"mount -o remount,size={int(used) + 64}k /run")
    try:
        shell("dd if=/dev/zero of=/run/execd-test-filler bs=4k 2>/dev/null", check=False)
        assert shell("df -k --output=avail /run | tail -1").strip() == "0"
        shell("systemctl restart execd.service")
        assert inspect(exec_id)["Running"]
        crash()
        assert inspect(exec_id)["Running"]
    finally:
        shell(f"rm -f /run/execd-test-filler; mount -o remount,size={size}k /run")
    open_gate()
    a.read_all()
    assert inspect(exec_id)["ExitCode"] == 7


def test_a_client_that_is_cut_off_does_not_report_success():
    """A stop cuts off whoever is attached. Where the exec is still known, its exit code must not read as a 0."""
    docker = subprocess.Popen([*DOCKER, "exec", "web", "sh", "-c", "echo up; exec sleep 4321"], stdout=subprocess.PIPE)
    assert docker.stdout.readline() == b"up\n"
    shell("systemctl stop execd.service")
    assert docker.wait(30) != 0
    shell("pkill -fx 'sleep 4321'; systemctl start execd.service")


def test_who_follows_events_sees_that_they_are_not_all():
    """The last chunk, which says that nothing is missing, does not come."""
    with connect() as s:
        s.sendall(head_bytes("GET", "/events"))
        data = read_head(s)[2]
        exec_id = create("web", ["true"])
        while exec_id.encode() not in data:
            data += s.recv(65536)
        crash()
        while piece := s.recv(65536):
            data += piece
    assert not data.endswith(b"0\r\n\r\n"), data


def test_follower_of_events_fails():
    docker = subprocess.Popen([*DOCKER, "events"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    # It does not see execs that were created before it followed.
    os.set_blocking(docker.stdout.fileno(), False)

    def has_seen():
        create("web", ["true"])
        return docker.stdout.read()
    wait_for(has_seen, what="docker to follow")
    crash()
    assert docker.wait(30) != 0


def test_caller_on_the_bus_gets_an_error():
    """Waiting clients ask again: the status is not lost."""
    exec_id = create("web", ["sleep", "4322"], AttachStdout=False, AttachStderr=False)
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    wait_for_begin(exec_id)
    path = f"/org/execd1/exec/_{exec_id}"
    with Bus() as bus:
        answer = bus.ask(path, "org.execd1.Exec", "Wait", "t", 0)
        bus.call(path, "org.freedesktop.DBus.Peer", "Ping")  # execd has read both
        crash()
        with pytest.raises(BusError) as caught:
            answer()
    assert caught.value.name == "org.freedesktop.DBus.Error.NoReply", caught.value
    assert request("POST", f"/exec/{exec_id}/kill?signal=KILL").status == 204
    assert end_of(exec_id) == 137
    assert shell(f"busctl call org.execd1 {path} org.execd1.Exec Wait t 0") == 'is 137 "signal"\n'


def test_systemd_forgets_what_is_not_needed():
    """The sockets are stored once, whatever the number of execs, and go when execd has nothing to keep."""
    def stored():
        return int(shell("systemctl show -P NFileDescriptorStore execd.service"))

    def run_some(n):
        for _ in range(n):
            exec_id = create("web", ["true"])
            Attached(exec_id).read_all()

    # There are more of them than are needed, made up to 32 at a time.
    run_some(16)
    before = stored()
    assert before > 0
    run_some(before + 64)
    # execd does not wait for systemd, which may get the last ones later.
    wait_for(lambda: stored() <= before + 32, what=lambda: f"systemd to forget what is not needed: {stored()}, {before} before")
    wait_for(lambda: not [e for e in request("GET", "/exec/json").json() if e["Running"]])
    shell("systemctl stop execd.service")
    assert stored() == 0
    shell("systemctl start execd.service")
