# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs over execd's HTTP socket, with nothing between the test and the bytes."""

import json
import os
import socket
import struct

SOCKET = os.environ.get("EXECD_TEST_SOCKET", "/run/execd/execd.sock")
DEADLINE = 40
REFUSED_CODES = (126, 127, 128)


class Reply:
    def __init__(self, status, body):
        self.status = status
        self.body = body

    @property
    def message(self):
        try:
            return json.loads(self.body)["message"]
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


class Outcome:
    """What became of one exec: it ran (code, out, err), or was refused by an answer (status, message), or by a text
    in the stream (status 101, code 126 or 127)."""

    def __init__(self, status, message="", exec_id=None, code=None, out=b"", err=b""):
        self.status = status
        self.message = message
        self.id = exec_id
        self.code = code
        self.out = out
        self.err = err

    @property
    def ran(self):
        """True if a command was executed. What refuses in the stream says so on stdout and has its own codes; a
        refusal without a word is one, too, and assert_refused() does not let it pass."""
        words = ("OCI runtime", "exec", "Error")
        return self.status == 101 and not (self.code in REFUSED_CODES and (not self.text or self.text.startswith(words)))

    @property
    def text(self):
        return self.message or (self.out + self.err).decode(errors="replace")

    def __repr__(self):
        return f"<{self.status} code {self.code}: {self.text[:600]!r}>"


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
    lines += list(headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def read_head(s):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            raise EOFError(f"closed within the head: {data!r}")
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), head, rest


def read_to_end(s, data=b""):
    pieces = [data]
    while True:
        piece = s.recv(1 << 20)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def request(method, path, body=None, headers=()):
    with connect() as s:
        s.sendall(request_bytes(method, path, body, ["Connection: close", *headers]))
        status, head, rest = read_head(s)
        data = read_to_end(s, rest)
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            data = dechunk(data)
        return Reply(status, data)


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


def create(container, cmd, **fields):
    body = {"Cmd": cmd, "AttachStdout": True, "AttachStderr": True}
    body.update(fields)
    return request("POST", f"/v1.41/containers/{container}/exec", body)


class Stream:
    """A started exec and its hijacked socket, or the refusal."""

    def __init__(self, exec_id, tty=False):
        self.tty = tty
        self.socket = connect()
        self.socket.sendall(request_bytes("POST", f"/v1.41/exec/{exec_id}/start", {"Detach": False, "Tty": tty},
                                          ["Connection: Upgrade", "Upgrade: tcp"]))
        self.status, self.head, self.rest = read_head(self.socket)
        self.refusal = None
        if self.status != 101:
            length = next((int(line.split(b":")[1]) for line in self.head.lower().split(b"\r\n")
                           if line.startswith(b"content-length:")), 0)
            while len(self.rest) < length:
                self.rest += self.socket.recv(65536)
            self.refusal = Reply(self.status, self.rest)

    def read_until(self, text):
        while text not in self.rest:
            piece = self.socket.recv(65536)
            assert piece, f"ended before {text!r}: {self.rest!r}"
            self.rest += piece
        return self.rest

    def read_all(self):
        data = read_to_end(self.socket, self.rest)
        return (data, b"") if self.tty else demux(data)

    def close(self):
        self.socket.close()


def demux(data):
    streams = {1: [], 2: []}
    at = 0
    while at < len(data):
        kind, size = struct.unpack(">BxxxI", data[at:at + 8])
        assert len(data) >= at + 8 + size, "a frame is cut"
        streams[kind].append(data[at + 8:at + 8 + size])
        at += 8 + size
    return b"".join(streams[1]), b"".join(streams[2])


def start(exec_id, tty=False, stdin=None):
    """Runs a created exec to its end."""
    stream = Stream(exec_id, tty)
    try:
        if stream.refusal:
            return Outcome(stream.refusal.status, stream.refusal.message, exec_id)
        if stdin is not None:
            stream.socket.sendall(stdin)
        if stdin is not None and not tty:
            stream.socket.shutdown(socket.SHUT_WR)
        out, err = stream.read_all()
    finally:
        stream.close()
    return Outcome(101, "", exec_id, inspect(exec_id).get("ExitCode"), out, err)


def run(container, cmd, tty=False, stdin=None, **fields):
    created = create(container, cmd, Tty=tty, AttachStdin=stdin is not None, **fields)
    if created.status != 201:
        return Outcome(created.status, created.message)
    return start(created.json()["Id"], tty, stdin)


def output(container, cmd, **fields):
    """The stdout of a command that must succeed."""
    outcome = run(container, cmd, **fields)
    assert outcome.status == 101 and outcome.code == 0, f"{cmd}: {outcome}"
    return outcome.out.decode()


def fields(outcome):
    """The lines of the probe, as far as it could be run."""
    assert outcome.ran and outcome.code == 0, outcome
    return dict(line.split("=", 1) for line in outcome.out.decode().replace("\r\n", "\n").splitlines())


def inspect(exec_id):
    reply = request("GET", f"/exec/{exec_id}/json")
    assert reply.status == 200, reply.body
    return reply.json()


def start_detached(exec_id):
    return request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": False})


def assert_refused(outcome, *words, statuses=(400, 403, 404, 409, 500, 501, 503)):
    """The exec did not run, and the client was told why in words."""
    if outcome.status == 101:
        assert outcome.code in REFUSED_CODES, f"a command ran: {outcome}"
    else:
        assert outcome.status in statuses, f"{outcome}"
    assert outcome.text.strip(), "refused without a word"
    for word in words:
        assert word.lower() in outcome.text.lower(), f"{word!r} is not in {outcome.text!r}"
