# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the docker command line, with pipes or on a terminal of the test's own; never waits for ever."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import target as targets

TIMEOUT = 30


class Cli:
    def __init__(self, target):
        self.target = target
        self.binary = os.environ.get("EXECD_TEST_DOCKER") or targets.docker_cli()
        # No configuration of whoever runs the tests, no credential helpers.
        self.env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DOCKER_HOST": target.url, "TERM": "xterm",
                    "LANG": "C.UTF-8"}

    def __call__(self, *arguments, stdin=b"", timeout=TIMEOUT, env=None):
        """A finished run: returncode, stdout, stderr (bytes)."""
        return subprocess.run([self.binary, *arguments], input=stdin, capture_output=True, timeout=timeout,
                              env={**self.env, **(env or {})})

    def exec(self, *arguments, **options):
        return self("exec", *arguments, **options)

    def popen(self, *arguments, **options):
        return subprocess.Popen([self.binary, *arguments], env=self.env, **options)

    def terminal(self, *arguments, rows=24, columns=80):
        return Terminal([self.binary, *arguments], self.env, rows, columns)


class Terminal:
    """A program on a new pseudo-terminal."""

    def __init__(self, argv, env, rows, columns):
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, env)
        self.resize(rows, columns)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data):
        os.write(self.fd, data)

    def _read(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            raise TimeoutError(f"nothing more came; so far {self.output[-500:]!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            # EIO: the other end is closed.
            data = b""
        self.output += data
        return bool(data)

    def expect(self, text, timeout=30):
        """Reads until `text` came; returns all up to and with it and forgets it."""
        deadline = time.monotonic() + timeout
        while text not in self.output:
            if not self._read(deadline):
                raise AssertionError(f"ended before {text!r}: {self.output[-500:]!r}")
        at = self.output.index(text) + len(text)
        seen, self.output = self.output[:at], self.output[at:]
        return seen

    def wait(self, timeout=30):
        """The exit status, after all output was read."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)
