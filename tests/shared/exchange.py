# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests over execd's HTTP socket, and the streams that come of them. The caller judges errors; the tests of the
protocol itself have a client of their own, conformance/wire.py."""

import json
import os
import socket
import struct

SOCKET = os.environ.get("EXECD_TEST_SOCKET", "/run/execd/execd.sock")
DEADLINE = 40


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def message(self):
        try:
            return json.loads(self.body)["message"]
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


def connect(path=SOCKET):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(DEADLINE)
    s.connect(path)
    return s


def request_bytes(method, path, body=None, headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if body is not None:
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{k}: {v}" for k, v in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def read_head(s):
    """Status, headers and the bytes that came after them."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            raise EOFError(f"closed within the header: {data!r}")
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:])
    return int(lines[0].split()[1]), {k.strip().lower(): v.strip() for k, v in pairs}, rest


def read_to_end(s, data=b""):
    pieces = [data]
    while piece := s.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def dechunk(data):
    out = b""
    while data:
        size, data = data.split(b"\r\n", 1)
        size = int(size.split(b";")[0], 16)
        if size == 0:
            break
        out += data[:size]
        data = data[size + 2:]
    return out


def request(method, path, body=None, headers=()):
    with connect() as s:
        s.sendall(request_bytes(method, path, body, [*headers, ("Connection", "close")]))
        status, reply_headers, rest = read_head(s)
        data = read_to_end(s, rest)
    if reply_headers.get("transfer-encoding") == "chunked":
        data = dechunk(data)
    return Reply(status, reply_headers, data)


def create(container, cmd, **fields):
    """The reply to the creation of an exec that is attached to its output."""
    body = {"Cmd": cmd, "AttachStdout": True, "AttachStderr": True, **fields}
    return request("POST", f"/v1.41/containers/{container}/exec", body)


def inspect(exec_id):
    reply = request("GET", f"/exec/{exec_id}/json")
    assert reply.status == 200, reply.body
    return reply.json()


def demux(data):
    """Stdout and stderr, of the frames of a stream."""
    streams = {1: [], 2: []}
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(">BxxxI", data, at)
        at += 8
        assert len(data) >= at + size, "a frame is cut"
        streams[kind].append(data[at:at + size])
        at += size
    return b"".join(streams[1]), b"".join(streams[2])


class Stream:
    """A started exec and its hijacked socket, or the refusal."""

    def __init__(self, exec_id, tty=False):
        self.id = exec_id
        self.tty = tty
        self.socket = connect()
        self.socket.sendall(request_bytes("POST", f"/v1.41/exec/{exec_id}/start", {"Detach": False, "Tty": tty},
                                          [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
        self.status, self.headers, self.rest = read_head(self.socket)
        self.refusal = None
        if self.status != 101:
            while len(self.rest) < int(self.headers.get("content-length", 0)):
                self.rest += self.socket.recv(65536)
            self.refusal = Reply(self.status, self.headers, self.rest)

    def read_until(self, text):
        while text not in self.rest:
            piece = self.socket.recv(65536)
            assert piece, f"ended before {text!r}: {self.rest!r}"
            self.rest += piece
        return self.rest

    def read_all(self):
        """Everything until the end: (stdout, stderr), on a tty all in the first."""
        data = read_to_end(self.socket, self.rest)
        return (data, b"") if self.tty else demux(data)

    def close(self):
        self.socket.close()
