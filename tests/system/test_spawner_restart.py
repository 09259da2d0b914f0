# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd-spawner is restarted or dies while execs are created and started: none is lost, and none runs twice."""

import contextlib
import ctypes
import os
import re
import socket
import subprocess
import threading

import pytest

from execd import Attached, connect, create, halt, head_bytes, inspect, read_head, request, run, shell, wait_for

WORKERS = 8
RESTARTS = 15
LOST = b"execd-spawner ended while it started the command: the command was ended, and may have run\r\n"


def spawner():
    return int(shell("systemctl show -P MainPID execd-spawner.service"))


def need_spawner():
    assert run("web", ["true"])[0] == 0
    return spawner()


class Load:
    """Workers that run numbered commands, each of which leaves its number in a file."""

    def __init__(self):
        self.stop = threading.Event()
        self.done, self.ids, self.failed, self.broken = [], [], [], []
        shell("execctl run web -- sh -c 'rm -f /tmp/ran.*'")
        self.threads = [threading.Thread(target=self.work, args=(k,)) for k in range(WORKERS)]

    def one(self, k, number):
        exec_id = create("web", ["sh", "-c", f"echo {number} >>/tmp/ran.{k}; echo {number}"])
        self.ids.append(exec_id)
        out = Attached(exec_id).read_all()[0]
        code = inspect(exec_id)["ExitCode"]
        if code == 126 and out == LOST:
            self.failed.append(number)
        else:
            assert (code, out) == (0, b"%s\n" % number.encode())
        self.done.append(number)

    def work(self, k):
        i = 0
        while not self.stop.is_set():
            i += 1
            try:
                self.one(k, f"{k}-{i}")
            except (AssertionError, OSError, EOFError) as e:
                self.broken.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def wait_for_more(self):
        enough = len(self.done) + WORKERS
        wait_for(lambda: len(self.done) >= enough or self.broken, what="some more execs")

    def check(self):
        assert self.broken == []
        ran = shell("execctl run web -- sh -c 'cat /tmp/ran.*'").split()
        assert len(ran) == len(set(ran)), "a command ran twice"
        assert set(self.done) - set(self.failed) <= set(ran) <= set(self.done)


def test_restarts_under_load():
    with Load() as load:
        for _ in range(RESTARTS):
            load.wait_for_more()
            shell("systemctl restart execd-spawner.service")
    load.check()
    assert load.failed == []


def test_deaths_under_load():
    """A command may be ended with the spawner that has just started it, which the client learns; it is never started twice."""
    with Load() as load:
        for _ in range(5):
            load.wait_for_more()
            shell("systemctl kill -s KILL execd-spawner.service")
    load.check()


def test_systemd_executes_itself_anew_under_load():
    """Scopes that it was asked for, and whose answers are lost, are asked for again."""
    with Load() as load:
        for _ in range(3):
            load.wait_for_more()
            pid = need_spawner()
            shell("systemctl daemon-reexec")
            load.wait_for_more()
            assert spawner() == pid
            # The next one is to find it at systemd's own socket again.
            shell("systemctl restart execd-spawner.service")
    load.check()
    assert load.failed == []


@pytest.fixture
def busy_systemd():
    """systemd waits for a generator, and does nothing else until the gate is opened."""
    need_spawner()  # and execd: meanwhile systemd could start neither
    gate, generator = "/run/execd-test-gate", "/run/systemd/system-generators/50-execd-test"
    shell(f"mkdir -p {os.path.dirname(generator)}; rm -f {gate}; mkfifo {gate}; printf '#!/bin/sh\\nread x <{gate}\\n' >{generator};"
          f"chmod +x {generator}")
    reload = subprocess.Popen(["systemctl", "daemon-reload"])
    wait_for(lambda: shell(f"pgrep -f '^/bin/sh {generator}'", check=False), what="the generator")

    def open_gate():
        os.unlink(generator)
        with open(gate, "w", encoding="ascii") as f:
            f.write("go\n")
        os.unlink(gate)
        reload.wait(60)
    yield open_gate
    if os.path.exists(gate):
        open_gate()


def test_systemd_executes_itself_anew_before_it_answers(busy_systemd):
    commands = {create("web", ["echo", str(i)]): b"%d\n" % i for i in range(16)}
    starts = [Start(exec_id) for exec_id in commands]
    again = subprocess.Popen(["systemctl", "daemon-reexec"])
    busy_systemd()
    again.wait(60)
    assert {s.id: s.end() for s in starts} == {exec_id: (0, text) for exec_id, text in commands.items()}


def test_events_go_on():
    """Followers of the events get container events from the next spawner, without a new request."""
    lines = []
    with request_events() as s:
        shell("systemctl restart execd-spawner.service")
        wait_for(spawner, what="a spawner for who listens")
        shell("/usr/lib/execd-tests/machine start heard")
        try:
            while not any(b'"heard"' in line for line in lines):
                lines.append(s.recv(65536))
                assert lines[-1]
        finally:
            shell("/usr/lib/execd-tests/machine stop heard; /usr/lib/execd-tests/machine remove heard", check=False)


def request_events():
    s = connect()
    s.sendall(head_bytes("GET", "/events"))
    assert read_head(s)[0] == 200
    return s


class Start:
    """A start that was asked for, and a thread that waits for what comes."""

    def __init__(self, exec_id):
        self.id = exec_id
        self.output = None
        self.socket = connect()
        self.socket.sendall(head_bytes("POST", f"/v1.41/exec/{exec_id}/start", b"{}",
                                       [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        for _ in range(2):
            assert request("GET", "/_ping").status == 200  # what was sent before has been read

    def read(self):
        a = object.__new__(Attached)
        a.tty, a.socket = False, self.socket
        status, _, a.rest = read_head(self.socket)
        self.output = a.read_all()[0] if status == 101 else a.rest

    def end(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return inspect(self.id)["ExitCode"], self.output


def parked(command):
    """An exec whose runner waits in its scope."""
    exec_id = create("web", command)
    wait_for(lambda: shell(f"systemctl show -P ActiveState exec-{exec_id}.scope").strip() == "active", what="the scope")
    return exec_id


def has_used_ticket():
    """The ticket of a start is a timer that is armed for some hundred years."""
    directory = f"/proc/{int(shell('systemctl show -P MainPID execd.service'))}/fdinfo"
    for fd in os.listdir(directory):
        try:
            text = open(f"{directory}/{fd}").read()
        except OSError:
            continue
        if re.search(r"^it_value: \(42949\d+,", text, re.M):
            return True
    return False


def released(exec_id):
    """A start whose runner is released and does not get on: its scope is frozen."""
    unit = f"exec-{exec_id}.scope"
    # Its job may not have been removed yet.
    wait_for(lambda: subprocess.run(["systemctl", "freeze", unit], check=False).returncode == 0, what="the scope to be frozen")
    start = Start(exec_id)
    wait_for(has_used_ticket, what="the runner to be released")
    return start


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_start_that_was_not_read(signal):
    shell("execctl run web -- rm -f /tmp/once")
    exec_id = parked(["sh", "-c", "echo x >>/tmp/once"])
    pid = need_spawner()
    halt(pid)
    start = Start(exec_id)
    shell(f"kill -{signal} {pid}; kill -CONT {pid} || true")
    assert start.end()[0] == 0
    assert run("web", ["cat", "/tmp/once"])[1] == b"x\n"
    assert spawner() != pid


def test_start_under_way_is_finished_by_a_restart():
    pid = need_spawner()
    exec_id = parked(["sh", "-c", "echo here"])
    start = released(exec_id)
    shell("systemctl restart --no-block execd-spawner.service")
    wait_for(lambda: shell("systemctl show -P ActiveState execd-spawner.service").strip() == "deactivating",
             what="the spawner to stop")
    shell(f"systemctl thaw exec-{exec_id}.scope")
    assert start.end() == (0, b"here\n")
    wait_for(lambda: spawner() not in (0, pid), what="the next one")


def test_command_that_nobody_has_verified_is_ended():
    pid = need_spawner()
    exec_id = parked(["sleep", "3336"])
    start = released(exec_id)
    shell(f"kill -KILL {pid}")
    assert start.end() == (126, LOST)
    shell(f"systemctl thaw exec-{exec_id}.scope", check=False)
    wait_for(lambda: "inactive" in shell(f"systemctl show -P ActiveState exec-{exec_id}.scope"), what="its end")
    assert shell("pgrep -fx 'sleep 3336'", check=False) == ""


def processes_of(exec_id):
    group = shell(f"systemctl show -P ControlGroup exec-{exec_id}.scope").strip()
    if not group:
        return []
    with contextlib.suppress(FileNotFoundError), open(f"/sys/fs/cgroup{group}/cgroup.procs") as f:
        return sorted(map(int, f.read().split()))
    return []


def test_runner_that_waits_is_outside_and_ends_as_a_whole():
    """A runner has forked the process that will enter. It joins nothing beforehand, and never runs without its parent."""
    exec_id = parked(["echo", "here"])
    wait_for(lambda: len(processes_of(exec_id)) == 2, what="the process that will enter")
    parent, child = processes_of(exec_id)
    for name in os.listdir("/proc/self/ns"):
        links = {os.readlink(f"/proc/{pid}/ns/{name}") for pid in (spawner(), parent, child)}
        assert len(links) == 1, name
    # Stopped, it does not come to see that it is alone.
    halt(child)
    shell(f"kill -KILL {parent}")
    wait_for(lambda: not processes_of(exec_id), what="the end of both")
    assert Start(exec_id).end() == (0, b"here\n")


def has_answered(pid):
    """The spawner has the ends of a command's pipes until it has handed them over."""
    directory = f"/proc/{pid}/fd"
    for fd in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(f"{directory}/{fd}").startswith("pipe:"):
                return False
    return True


def take_what_is_unread(pid):
    """Takes what a stopped execd has not read from the spawner out of its sockets."""
    taken = b""
    pidfd = os.pidfd_open(pid)
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
            continue
        copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, int(fd), 0)  # pidfd_getfd
        assert copy >= 0, os.strerror(ctypes.get_errno())
        with socket.socket(fileno=copy) as s, contextlib.suppress(OSError):
            if s.getpeername() == "/run/execd/spawner.sock":
                while piece := s.recv(1 << 20, socket.MSG_DONTWAIT):
                    taken += piece
    os.close(pidfd)
    return taken


def test_answer_that_is_lost_leaves_nothing():
    """The spawner has compared the command and answered, and dies, and execd never reads the answer."""
    pid = need_spawner()
    exec_id = parked(["sh", "-c", "setsid sleep 3337 & exec sleep 3338"])
    start = released(exec_id)
    execd = int(shell("systemctl show -P MainPID execd.service"))
    halt(execd)
    try:
        shell(f"systemctl thaw exec-{exec_id}.scope")
        wait_for(lambda: len(shell("pgrep -fx 'sleep 333[78]'", check=False).split()) == 2, what="the command")
        wait_for(lambda: has_answered(pid), what="the answer")
        assert take_what_is_unread(execd)
        shell(f"kill -KILL {pid}")
    finally:
        shell(f"kill -CONT {execd}")
    assert start.end() == (126, LOST)
    assert shell("pgrep -fx 'sleep 333[78]'", check=False) == ""


def test_answer_that_execd_takes_along_leaves_nothing():
    """execd dies with the answer unread: no program would know the command."""
    pid = need_spawner()
    exec_id = parked(["sleep", "3339"])
    start = released(exec_id)
    execd = int(shell("systemctl show -P MainPID execd.service"))
    halt(execd)
    shell(f"systemctl thaw exec-{exec_id}.scope")
    wait_for(lambda: shell("pgrep -fx 'sleep 3339'", check=False), what="the command")
    wait_for(lambda: has_answered(pid), what="the answer")
    shell(f"kill -KILL {execd}")
    wait_for(lambda: not shell("pgrep -fx 'sleep 3339'", check=False), what="its end")
    start.socket.close()
    start.thread.join(60)
