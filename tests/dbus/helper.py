# SPDX-License-Identifier: LGPL-2.1-or-later
"""Helpers for the tests of the bus: commands as root and as a user, busctl, terminals."""

import errno
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

ASAN = os.environ.get("EXECD_TEST_VARIANT") == "asan"
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
MANAGER = ("org.execd1", "/org/execd1", "org.execd1.Manager")


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"<status {self.status}, out {self.out!r}, err {self.err!r}>"


def run(*argv, stdin=b"", timeout=30, env=None):
    p = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                       env=None if env is None else {**os.environ, **env})
    return Result(p.returncode, p.stdout, p.stderr)


def has_controller(name):
    with open("/sys/fs/cgroup/cgroup.controllers", encoding="utf-8") as f:
        return name in f.read().split()


def execctl(*words, **more):
    return run("execctl", *words, **more)


def as_user(*argv, user="user", **more):
    return run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *argv, **more)


def shell(command, timeout=60):
    return subprocess.run(command, shell=True, stdout=subprocess.PIPE, check=True, timeout=timeout).stdout.decode()


def busctl(*words, user=None, ok=True, **more):
    """One call of the manager: the parsed JSON data, or the error's text."""
    argv = ["busctl", "--json=short", *words]
    r = as_user(*argv, user=user, **more) if user else run(*argv, **more)
    if not ok:
        assert r.status != 0, r
        return r.err.decode()
    assert r.status == 0, r
    return json.loads(r.out)["data"] if r.out.strip() else None


def manager(member, *words, **more):
    return busctl("call", "--", *MANAGER, member, *words, **more)


def exec_call(path, member, *words, **more):
    return busctl("call", "--", "org.execd1", path, "org.execd1.Exec", member, *words, **more)


def exec_property(path, name, **more):
    return busctl("get-property", "org.execd1", path, "org.execd1.Exec", name, **more)


def execs():
    return manager("ListExecs")[0]


def live_execs():
    return [e for e in execs() if e[3] in ("running",)]


def ids():
    return {e[0] for e in execs()}


def service_pid(unit):
    return int(shell(f"systemctl show -P MainPID {unit}"))


def is_in_scope_of_exec(pid):
    try:
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
            return any("/exec-" in line and line.rstrip().endswith(".scope") for line in f)
    except (FileNotFoundError, ProcessLookupError):
        return False


def pidfds_of(pid):
    """The processes that a process has pidfds of."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                found += [int(line.split()[1]) for line in f if line.startswith("Pid:")]
        except FileNotFoundError:
            continue
    return found


# For each runner that waits for its exec: its pidfd, its socket, and a pidfd and a directory of the leader of its container.
FDS_OF_RUNNER = 4


def fd_counts():
    """How many fds execd and its spawner have, without those for runners that wait for their exec and those that systemd keeps,
    too: how many of them there are, and for how long, depends on what was asked for before."""
    counts = {}
    for unit in ("execd.service", "execd-spawner.service"):
        pid = service_pid(unit)
        if pid > 0:
            runners = sum(is_in_scope_of_exec(p) for p in pidfds_of(pid))
            stored = int(shell(f"systemctl show -P NFileDescriptorStore {unit}"))
            counts[pid] = len(os.listdir(f"/proc/{pid}/fd")) - FDS_OF_RUNNER * runners - stored
    return counts


def halt(pid):
    """Stops a process, and waits for it, because it may go on for a moment after the signal."""
    assert pid > 1, "it is not there"
    os.kill(pid, signal.SIGSTOP)

    def is_stopped():
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(") ", 1)[1][0] == "T"
    wait_for(is_stopped, what=f"process {pid} to be stopped")


def restart_polkit():
    """Also when that was often of late."""
    shell("systemctl reset-failed polkit.service; systemctl restart polkit.service")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child_of(pid, comm):
    """The process that another one has started, as a pidfd and its number; None when there is none."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                before, _, after = f.read().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after.split()[1]) == pid and before.partition("(")[2] == comm:
            return os.pidfd_open(int(name)), int(name)
    return None


def let_pass(seconds):
    """Gives an event that must not happen the time to happen. Events that have to happen are waited for instead."""
    time.sleep(seconds)


def wait_for(condition, seconds=30, what="condition"):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what() if callable(what) else what}"
        time.sleep(0.05)  # until it looks again


class Terminal:
    """A command with a terminal of its own, like an interactive user's."""

    def __init__(self, *argv, user=None, rows=33, columns=101, env=None):
        begin, allow = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.read(begin, 1)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                if user:
                    argv = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--") + argv
                os.environ.update({"TERM": "xterm-256color", **(env or {})})
                os.environ.pop("COLUMNS", None)
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                os.execvp(argv[0], argv)
            finally:
                os._exit(99)
        self.first_modes = self.modes()
        os.close(begin)
        os.write(allow, b"x")
        os.close(allow)
        self.seen = b""
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)

    def read_some(self, timeout):
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError as e:
            assert e.errno == errno.EIO
            data = b""
        self.seen += data
        return bool(data)

    def expect(self, text, seconds=30):
        """Reads until `text` was seen, and returns all up to its end."""
        text = text if isinstance(text, bytes) else text.encode()
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} is not in {self.seen!r}"
            if not self.read_some(0.2) and self.ended():
                assert text in self.seen, f"ended without {text!r}: {self.seen!r}"
        head, _, self.seen = self.seen.partition(text)
        return head + text

    def expect_password(self):
        """The agent asks first and then throws away what was typed before, so wait until it does not echo."""
        self.expect("Password:")
        wait_for(lambda: not termios.tcgetattr(self.fd)[3] & termios.ECHO, what="the echo to be off")
        time.sleep(0.1)  # the agent throws away what comes before

    def send(self, text):
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.fd)

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, seconds=30):
        end = time.monotonic() + seconds
        while not self.ended():
            assert time.monotonic() < end, f"has not ended: {self.seen!r}"
            if self.fd >= 0:
                self.read_some(0.1)
            else:
                time.sleep(0.05)  # until it looks again
        while self.fd >= 0 and self.read_some(0.1):
            pass
        return self.status
