# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs and what becomes of them: run, or refused in one of several ways."""

import os
import socket
import sys

# In a VM of tests/selinux both files are in one directory.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shared"))

from exchange import SOCKET, Stream, connect, create, inspect, read_head, request, request_bytes  # noqa: E402

__all__ = ["SOCKET", "connect", "read_head", "request_bytes"]

REFUSED_CODES = (126, 127, 128)


class Outcome:
    """The result of one exec: it ran (code, out, err), or was refused by an answer (status, message), or by a text
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
        """True if a command was executed. A refusal in the stream is a text on stdout with codes of its own; a
        refusal without a word is one, too, and assert_refused() does not let it pass."""
        words = ("OCI runtime", "exec", "Error")
        return self.status == 101 and not (self.code in REFUSED_CODES and (not self.text or self.text.startswith(words)))

    @property
    def text(self):
        return self.message or (self.out + self.err).decode(errors="replace")

    def __repr__(self):
        return f"<{self.status} code {self.code}: {self.text[:600]!r}>"


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


def start_detached(exec_id):
    return request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": False})


def assert_refused(outcome, *words, statuses=(400, 403, 404, 409, 500, 501, 503)):
    """The exec did not run, and the client got the reason in words."""
    if outcome.status == 101:
        assert outcome.code in REFUSED_CODES, f"a command ran: {outcome}"
    else:
        assert outcome.status in statuses, f"{outcome}"
    assert outcome.text.strip(), "refused without a word"
    for word in words:
        assert word.lower() in outcome.text.lower(), f"{word!r} is not in {outcome.text!r}"
