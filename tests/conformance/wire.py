# SPDX-License-Identifier: LGPL-2.1-or-later
"""A raw HTTP/1.1 client on a Unix socket, for tests that care about single bytes.

It sends exactly the given bytes, cut at the given places, and never waits for ever: every operation
has a deadline and raises Timeout with the bytes that had arrived until then. It understands just enough of HTTP to
find the end of an answer; nothing is repaired, retried or hidden.
"""

import json
import os
import select
import socket
import struct
import threading
import time
from urllib.parse import quote

DEFAULT_TIMEOUT = 30.0

STDIN, STDOUT, STDERR = 0, 1, 2


class WireError(Exception):
    """The peer broke the protocol, or closed where more was due."""


class Timeout(WireError):
    """Nothing (more) came in time."""


class Head:
    """The status line and header fields of one answer, as sent."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.status_line = lines[0]
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise WireError(f"not a status line: {lines[0]!r}")
        self.version = parts[0]
        self.status = int(parts[1])
        self.reason = parts[2] if len(parts) > 2 else ""
        self.fields = []
        for line in lines[1:]:
            if line:
                name, colon, value = line.partition(":")
                if not colon or name != name.strip():
                    raise WireError(f"not a header field: {line!r}")
                self.fields.append((name, value.strip()))

    def get(self, name, default=None):
        values = [v for n, v in self.fields if n.lower() == name.lower()]
        return ", ".join(values) if values else default

    def names(self):
        return [n for n, _ in self.fields]

    def __contains__(self, name):
        return self.get(name) is not None

    def __repr__(self):
        return f"<{self.status_line}>"


class Response:
    def __init__(self, head, body):
        self.head, self.body = head, body
        self.status = head.status

    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        """The text of an error, in JSON or plain."""
        if (self.head.get("Content-Type") or "").startswith("application/json"):
            return self.json()["message"]
        return self.body.decode().rstrip("\n")

    def __repr__(self):
        return f"<{self.head.status_line} {self.body[:300]!r}>"


def build(method, target, body=None, headers=None, *, host="docker", content_type="application/json",
          version="HTTP/1.1", upgrade=False):
    """The bytes of one request. `headers` replaces or, with None as value, removes what would be sent."""
    fields = {}
    if host is not None:
        fields["Host"] = host
    if upgrade:
        fields["Connection"] = "Upgrade"
        fields["Upgrade"] = "tcp"
    if body is not None:
        if content_type is not None:
            fields["Content-Type"] = content_type
        fields["Content-Length"] = str(len(body))
    elif method in ("POST", "PUT"):
        fields["Content-Length"] = "0"
    for name, value in (headers or {}).items():
        for known in [k for k in fields if k.lower() == name.lower()]:
            del fields[known]
        if value is not None:
            fields[name] = value
    text = f"{method} {target} {version}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    return text.encode("latin-1") + (body or b"")


def chunked(*chunks, trailer=b""):
    """A chunked body of these chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"


class Conn:
    """One connection. Bytes that arrived and were not asked for yet stay in self.buf."""

    def __init__(self, path, timeout=DEFAULT_TIMEOUT):
        self.timeout = timeout
        self.buf = b""
        self.eof = False
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.sock.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def deadline(self, timeout=None):
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    def _wait(self, event, deadline, what):
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self.sock, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise Timeout(f"{what}: nothing in time; {len(self.buf)} bytes unread: {self.buf[-300:]!r}")

    def send(self, *segments, gap=0.03, timeout=None):
        """Sends each segment with a pause in between, so that the peer reads them one by one."""
        deadline = self.deadline(timeout)
        for n, segment in enumerate(segments):
            if n:
                time.sleep(gap)  # the pause is what was asked for
            view = memoryview(segment)
            while view:
                try:
                    view = view[self.sock.send(view):]
                except BlockingIOError:
                    self._wait(select.POLLOUT, deadline, "send")

    def feed(self, data, timeout=None):
        """Sends and half-closes in a thread, so that what comes back can be read meanwhile."""
        def go():
            try:
                self.send(data, timeout=timeout)
                self.half_close()
            except (OSError, WireError):
                # The peer has ended; what it said by then is what the reader judges.
                pass
        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        return thread

    def send_some(self, data, timeout):
        """Sends what the peer takes until it takes nothing for `timeout`; returns the number of bytes."""
        view, total = memoryview(data), 0
        while view:
            try:
                n = self.sock.send(view)
                view, total = view[n:], total + n
            except BlockingIOError:
                try:
                    self._wait(select.POLLOUT, time.monotonic() + timeout, "send")
                except Timeout:
                    break
        return total

    def fill(self, deadline, what="read"):
        """Reads once. False at EOF. A reset counts as an end only where the caller accepts one."""
        if self.eof:
            return False
        while True:
            try:
                data = self.sock.recv(262144)
                break
            except BlockingIOError:
                self._wait(select.POLLIN, deadline, what)
        if not data:
            self.eof = True
            return False
        self.buf += data
        return True

    def read_until(self, needle, timeout=None):
        """Everything up to and with `needle`."""
        deadline = self.deadline(timeout)
        start = 0
        while (at := self.buf.find(needle, start)) < 0:
            start = max(0, len(self.buf) - len(needle) + 1)
            if not self.fill(deadline, f"waiting for {needle!r}"):
                raise WireError(f"closed before {needle!r}; got {self.buf[-300:]!r}")
        at += len(needle)
        data, self.buf = self.buf[:at], self.buf[at:]
        return data

    def read_exactly(self, size, timeout=None):
        deadline = self.deadline(timeout)
        while len(self.buf) < size:
            if not self.fill(deadline, f"reading {size} bytes"):
                raise WireError(f"closed after {len(self.buf)} of {size} bytes: {self.buf[-300:]!r}")
        data, self.buf = self.buf[:size], self.buf[size:]
        return data

    def read_to_eof(self, timeout=None):
        deadline = self.deadline(timeout)
        parts = [self.buf]
        self.buf = b""
        while self.fill(deadline, f"waiting for the end after {sum(map(len, parts))} bytes"):
            parts.append(self.buf)
            self.buf = b""
        return b"".join(parts)

    def quiet(self, seconds):
        """True if neither a byte nor an EOF comes for so long."""
        try:
            return not self.buf and not self.fill(time.monotonic() + seconds) and not self.eof
        except Timeout:
            return True

    def ends_within(self, seconds):
        """True if the peer closes (or resets) within the time, whatever it sends before."""
        try:
            self.read_to_eof(seconds)
            return True
        except ConnectionResetError:
            return True
        except Timeout:
            return False

    def read_head(self, timeout=None):
        return Head(self.read_until(b"\r\n\r\n", timeout)[:-4])

    def read_chunk(self, timeout=None):
        """The next chunk of a chunked body, b"" for the last."""
        size = int(self.read_until(b"\r\n", timeout).split(b";")[0], 16)
        if size == 0:
            while self.read_until(b"\r\n", timeout) != b"\r\n":
                pass
            return b""
        data = self.read_exactly(size, timeout)
        if self.read_exactly(2, timeout) != b"\r\n":
            raise WireError("a chunk does not end in CRLF")
        return data

    def read_response(self, method="GET", timeout=None):
        head = self.read_head(timeout)
        if head.status == 100:
            return Response(head, b"")
        if method == "HEAD" or head.status in (101, 204, 304):
            return Response(head, b"")
        if "chunked" in (head.get("Transfer-Encoding") or ""):
            parts = []
            while chunk := self.read_chunk(timeout):
                parts.append(chunk)
            return Response(head, b"".join(parts))
        length = head.get("Content-Length")
        if length is not None:
            return Response(head, self.read_exactly(int(length), timeout))
        return Response(head, self.read_to_eof(timeout))

    # The multiplexed stream.

    def read_frame(self, timeout=None):
        """(type, payload), or None at a clean end. An end within a frame is an error."""
        deadline = self.deadline(timeout)
        while not self.buf:
            if not self.fill(deadline, "waiting for a frame"):
                return None
        header = self.read_exactly(8, timeout)
        if header[1:4] != b"\0\0\0":
            raise WireError(f"not a frame header: {header!r}, then {self.buf[:100]!r}")
        size = struct.unpack(">I", header[4:])[0]
        return header[0], self.read_exactly(size, timeout)

    def read_frames(self, timeout=None):
        deadline = self.deadline(timeout)
        frames = []
        while (frame := self.read_frame(max(0.0, deadline - time.monotonic()))) is not None:
            frames.append(frame)
        return frames

    def frames_until(self, needle, stream=STDOUT, timeout=None):
        """Reads frames until the bytes of one stream contain `needle`; returns the bytes of that stream."""
        deadline = self.deadline(timeout)
        data = b""
        while needle not in data:
            frame = self.read_frame(max(0.0, deadline - time.monotonic()))
            if frame is None:
                raise WireError(f"stream ended before {needle!r}: {data[-300:]!r}")
            if frame[0] == stream:
                data += frame[1]
        return data


def join(frames, stream):
    return b"".join(payload for kind, payload in frames if kind == stream)


class Result:
    """The result of a finished attached exec: the frames (or raw bytes with a tty), and inspect's answer."""

    def __init__(self, exec_id, head, frames, raw, inspect):
        self.id, self.head, self.frames, self.raw, self.inspect = exec_id, head, frames, raw, inspect
        self.out = raw if frames is None else join(frames, STDOUT)
        self.err = b"" if frames is None else join(frames, STDERR)
        self.code = inspect["ExitCode"]

    def __repr__(self):
        return f"<out={self.out!r} err={self.err!r} code={self.code}>"


class Api:
    """Docker's exec API over Conn, one connection per request by default."""

    def __init__(self, path, container, prefix="", listens_after=0):
        self.path, self.container, self.prefix = path, container, prefix
        self.listens_after = listens_after  # seconds that may pass between the head of /events and its first event

    def conn(self, timeout=DEFAULT_TIMEOUT):
        return Conn(self.path, timeout)

    def raw(self, *segments, method="GET", timeout=None, gap=0.03):
        """Sends bytes, reads one answer."""
        with self.conn() as c:
            c.send(*segments, gap=gap)
            return c.read_response(method, timeout)

    def call(self, method, target, body=None, headers=None, timeout=None, **kw):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        elif isinstance(body, str):
            body = body.encode()
        headers = {"Connection": "close", **(headers or {})}
        return self.raw(build(method, self.prefix + target, body, headers, **kw), method=method, timeout=timeout)

    def get(self, target, **kw):
        return self.call("GET", target, **kw)

    def post(self, target, body=None, **kw):
        return self.call("POST", target, body, **kw)

    def try_create(self, body=None, container=None, **fields):
        """POST …/exec; a dict of fields, or the body as it is to be sent."""
        name = quote(self.container if container is None else container)
        return self.post(f"/containers/{name}/exec", fields if body is None else body)

    def create(self, *cmd, container=None, **fields):
        """The id of a new exec that has stdout and stderr attached unless said otherwise."""
        if cmd:
            fields["Cmd"] = list(cmd)
        answer = self.try_create(container=container, **{"AttachStdout": True, "AttachStderr": True, **fields})
        assert answer.status == 201, answer
        return answer.json()["Id"]

    def inspect(self, exec_id):
        answer = self.get(f"/exec/{exec_id}/json")
        assert answer.status == 200, answer
        return answer.json()

    def start_request(self, exec_id, tty=False, detach=False, upgrade=True, **fields):
        body = json.dumps({"Detach": detach, "Tty": tty, **fields}).encode()
        return build("POST", f"{self.prefix}/exec/{exec_id}/start", body, upgrade=upgrade)

    def start(self, exec_id, tty=False, upgrade=True, timeout=DEFAULT_TIMEOUT, **fields):
        """A Conn after the head (in .head) of an attached start."""
        conn = self.conn(timeout)
        conn.send(self.start_request(exec_id, tty=tty, upgrade=upgrade, **fields))
        conn.head = conn.read_head()
        assert conn.head.status == (101 if upgrade else 200), (conn.head, conn.buf[:500])
        return conn

    def start_detached(self, exec_id, tty=False):
        return self.post(f"/exec/{exec_id}/start", {"Detach": True, "Tty": tty})

    def open(self, *cmd, **fields):
        """Creates and starts; (id, Conn)."""
        exec_id = self.create(*cmd, **fields)
        return exec_id, self.start(exec_id, tty=fields.get("Tty", False))

    def run(self, *cmd, stdin=None, start=None, timeout=DEFAULT_TIMEOUT, upgrade=True, **fields):
        """Runs to the end. `stdin`: bytes that are sent and followed by a half-close."""
        if stdin is not None:
            fields["AttachStdin"] = True
        exec_id = self.create(*cmd, **fields)
        tty = fields.get("Tty", False)
        with self.start(exec_id, **{"tty": tty, "upgrade": upgrade, "timeout": timeout, **(start or {})}) as c:
            sender = c.feed(stdin) if stdin is not None else None
            raw = frames = None
            if (start or {}).get("tty", tty):
                raw = c.read_to_eof(timeout)
            else:
                frames = c.read_frames(timeout)
            if sender:
                sender.join(timeout)
            return Result(exec_id, c.head, frames, raw, self.inspect(exec_id))

    def sh(self, script, **kw):
        return self.run("/bin/sh", "-c", script, **kw)

    def wait_for(self, exec_id, state, timeout=DEFAULT_TIMEOUT):
        """Polls inspect until state(inspect) holds."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self.inspect(exec_id)
            if state(seen):
                return seen
            if time.monotonic() > deadline:
                raise Timeout(f"exec did not get there; its last inspect: {seen}")
            time.sleep(0.03)  # until it looks again

    def wait_exit(self, exec_id, timeout=DEFAULT_TIMEOUT):
        return self.wait_for(exec_id, lambda i: not i["Running"] and i["ExitCode"] is not None, timeout)

    def wait_running(self, exec_id, timeout=DEFAULT_TIMEOUT):
        return self.wait_for(exec_id, lambda i: i["Running"] and i["Pid"] > 0, timeout)

    def list_containers(self, query=""):
        answer = self.get("/containers/json" + query)
        assert answer.status == 200, answer
        return answer.json()

    def events(self, query="", timeout=DEFAULT_TIMEOUT):
        """An open event stream, as an iterator with a deadline."""
        return Events(self, query, timeout)


class Events:
    """The objects of GET /events as they come: JSON values back to back in a chunked body."""

    def __init__(self, api, query, timeout):
        self.conn = api.conn(timeout)
        self.conn.send(build("GET", f"{api.prefix}/events{query}"))
        self.head = self.conn.read_head()
        self.text = ""
        time.sleep(api.listens_after)  # nothing shows that it listens

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.conn.close()

    def next(self, timeout=DEFAULT_TIMEOUT):
        """The next object; None at the end of the stream."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.text.lstrip()
            if text:
                try:
                    value, end = json.JSONDecoder().raw_decode(text)
                    self.text = text[end:]
                    return value
                except json.JSONDecodeError:
                    pass
            chunk = self.conn.read_chunk(max(0.01, deadline - time.monotonic()))
            if not chunk:
                return None
            self.text += chunk.decode()

    def until(self, wanted, timeout=DEFAULT_TIMEOUT):
        """All objects up to and with the first for which wanted(object) holds."""
        deadline = time.monotonic() + timeout
        seen = []
        while True:
            event = self.next(max(0.01, deadline - time.monotonic()))
            if event is None:
                raise WireError(f"event stream ended; seen {seen}")
            seen.append(event)
            if wanted(event):
                return seen


def host_pid_alive(pid):
    """True while the process runs; a zombie does not count."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rsplit(b")", 1)[1].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def unique_name(prefix):
    return f"{prefix}-{os.getpid()}-{time.monotonic_ns() % 10**9}"
