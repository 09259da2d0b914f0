# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small client of execd's HTTP socket, and helpers to look at the host it runs on. Used inside the sandbox."""

import json
import os
import socket
import struct
import subprocess
import time

SOCKET = os.environ.get("EXECD_TEST_SOCKET", "/run/execd/execd.sock")
DEADLINE = 30


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(DEADLINE)
    s.connect(SOCKET)
    return s


def head_bytes(method, path, body=None, headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{k}: {v}" for k, v in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def read_head(s):
    """Status, headers and the bytes that came behind the head."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            raise EOFError(f"closed within the head: {data!r}")
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        k, v = line.split(":", 1)
        headers[k.strip().lower()] = v.strip()
    return int(lines[0].split()[1]), headers, rest


def request(method, path, body=None, headers=()):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    with connect() as s:
        s.sendall(head_bytes(method, path, body, list(headers) + [("Connection", "close")]))
        status, reply_headers, data = read_head(s)
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
    return Reply(status, reply_headers, data)


def create(container, cmd, **fields):
    body = {"Cmd": cmd, "AttachStdout": True, "AttachStderr": True}
    body.update(fields)
    reply = request("POST", f"/v1.41/containers/{container}/exec", body)
    assert reply.status == 201, reply.body
    return reply.json()["Id"]


class Attached:
    """A started exec with its hijacked socket."""

    def __init__(self, exec_id, tty=False):
        self.id = exec_id
        self.tty = tty
        self.socket = connect()
        body = json.dumps({"Detach": False, "Tty": tty}).encode()
        self.socket.sendall(head_bytes("POST", f"/v1.41/exec/{exec_id}/start", body,
                                       [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
        self.status, self.headers, self.rest = read_head(self.socket)
        assert self.status == 101, self.rest

    def read_all(self):
        """Everything until the end: (stdout, stderr), on a tty all in the first."""
        pieces = [self.rest]
        while piece := self.socket.recv(1 << 20):
            pieces.append(piece)
        data = b"".join(pieces)
        if self.tty:
            return data, b""
        return demux(data)

    def read_until(self, text):
        while text not in self.rest:
            piece = self.socket.recv(65536)
            assert piece, f"ended before {text!r}: {self.rest!r}"
            self.rest += piece
        return self.rest


def demux(data):
    streams = {1: [], 2: []}
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(">BxxxI", data, at)
        at += 8
        assert len(data) >= at + size, "a frame is cut"
        streams[kind].append(data[at:at + size])
        at += size
    return b"".join(streams[1]), b"".join(streams[2])


def run(container, cmd, stdin=None, tty=False, **fields):
    """Runs to the end: (exit code, stdout, stderr)."""
    exec_id = create(container, cmd, Tty=tty, AttachStdin=stdin is not None, **fields)
    a = Attached(exec_id, tty)
    if stdin is not None:
        a.socket.sendall(stdin)
        a.socket.shutdown(socket.SHUT_WR)
    out, err = a.read_all()
    return inspect(exec_id)["ExitCode"], out, err


def inspect(exec_id):
    reply = request("GET", f"/exec/{exec_id}/json")
    assert reply.status == 200, reply.body
    return reply.json()


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
    return [json.loads(line) for line in text.splitlines()]


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
