# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs that are to be made and to run, and helpers to look at the host. Used inside the sandbox."""

import json
import os
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
    """What a unit has recorded after a cursor, and systemd about it. journalctl is given no matches: with them, that of
    systemd 252 leaves out the first record that matches if the one at the cursor does not."""
    subprocess.run(["journalctl", "--sync"], check=False)
    text = shell(f"journalctl --all -o json --no-pager --after-cursor='{begun}'")
    return [r for r in map(json.loads, text.splitlines()) if unit in (r.get("_SYSTEMD_UNIT"), r.get("UNIT"))]


def let_pass(seconds):
    """Gives what must not happen the time to happen. What is to happen is waited for instead."""
    time.sleep(seconds)


def wait_for(condition, seconds=30, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)  # until it looks again
    raise AssertionError(f"not within {seconds} s: {what}")
