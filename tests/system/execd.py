# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs that are to be made and to run, and helpers to look at the host. Used inside the sandbox."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shared"))

import exchange  # noqa: E402
from exchange import SOCKET, connect, demux, inspect, read_head, request  # noqa: E402
from exchange import request_bytes as head_bytes  # noqa: E402

__all__ = ["SOCKET", "connect", "demux", "head_bytes", "inspect", "read_head", "request"]


def create(container, cmd, **fields):
    reply = exchange.create(container, cmd, **fields)
    assert reply.status == 201, reply.body
    return reply.json()["Id"]


class Attached(exchange.Stream):
    """A started exec with its hijacked socket."""

    def __init__(self, exec_id, tty=False):
        super().__init__(exec_id, tty)
        assert self.status == 101, self.rest


def run(container, cmd, stdin=None, tty=False, **fields):
    """Runs to the end: (exit code, stdout, stderr)."""
    exec_id = create(container, cmd, Tty=tty, AttachStdin=stdin is not None, **fields)
    a = Attached(exec_id, tty)
    if stdin is not None:
        a.socket.sendall(stdin)
        a.socket.shutdown(socket.SHUT_WR)
    out, err = a.read_all()
    return inspect(exec_id)["ExitCode"], out, err


def shell(command, check=True, timeout=120):
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout)
    if check:
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def journal(exec_id):
    """The records of an exec, oldest first; waits for the journal to have caught up."""
    subprocess.run(["journalctl", "--sync"], check=False)
    text = shell(f"journalctl --all -o json --no-pager EXEC_ID={exec_id}")
    return [json.loads(line) for line in text.split("\n") if line]


def cursor():
    """Where the journal is now."""
    subprocess.run(["journalctl", "--sync"], check=False)
    return shell("journalctl -n 0 --show-cursor -q").split("cursor: ", 1)[1].strip()


def records_since(begun, unit):
    """Records of a unit after a cursor, and of systemd about it. journalctl gets no matches: with them, the version of
    systemd 252 leaves out the first record that matches if the one at the cursor does not."""
    subprocess.run(["journalctl", "--sync"], check=False)
    text = shell(f"journalctl --all -o json --no-pager --after-cursor='{begun}'")
    return [r for r in map(json.loads, text.splitlines()) if unit in (r.get("_SYSTEMD_UNIT"), r.get("UNIT"))]


def halt(pid):
    """Stops a process, and waits for it, because it may go on for a moment after the signal."""
    assert pid > 1, "it is not there"
    os.kill(pid, signal.SIGSTOP)

    def is_stopped():
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(") ")[2][0] in "TZ"
    wait_for(is_stopped, what=f"process {pid} to be stopped")


def monitor_bus(*matches):
    """A busctl that monitors the bus, one message of JSON a line: it has seen something, and so will miss nothing."""
    monitor = subprocess.Popen(["busctl", "monitor", "--json=short", "--match=member='ReadyToWatch'",
                                *(f"--match={m}" for m in matches)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
    while not select.select([monitor.stdout], [], [], 0.1)[0]:
        shell("busctl emit / execd.Test ReadyToWatch")
    return monitor


def reload_execd():
    """Until execd has said that it is done: before systemd 253, `systemctl reload` does not wait for that."""
    begun = cursor()
    shell("systemctl reload execd.service")
    wait_for(lambda: any("Configuration reloaded" in str(r["MESSAGE"]) for r in records_since(begun, "execd.service")),
             what="the reload")
    wait_for(lambda: shell("systemctl show -P ActiveState execd.service").strip() == "active", what="the unit to be active again")
    return begun


def let_pass(seconds):
    """Gives an event that must not happen the time to happen. Events that have to happen are waited for instead."""
    time.sleep(seconds)


def wait_for(condition, seconds=30, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)  # until it looks again
    raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
