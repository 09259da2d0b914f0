# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host that the containers are on: its machines, units, processes, and what must not change of it."""

import ctypes
import errno
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time

TOOLS = os.environ.get("EXECD_CONFINEMENT_TOOLS", "/var/lib/execd-tests/confinement")
SHARED = "/run/execd-confinement"  # one directory per machine, seen inside as /probe
MACHINE = "/usr/lib/execd-tests/machine"
PRODUCT = ["/usr/lib/execd/execd", "/usr/lib/execd/execd-spawner", "/usr/lib/execd/execd-runner"]
SERVICES = ("execd.service", "execd-spawner.service")


def sh(command, check=True, timeout=100, stdin=None):
    words = command if isinstance(command, list) else ["sh", "-c", command]
    done = subprocess.run(words, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                          capture_output=True, text=True, errors="replace", timeout=timeout)
    if check:
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def let_pass(seconds):
    """Gives an event that must not happen the time to happen. Events that have to happen are waited for instead."""
    time.sleep(seconds)


def wait_until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.02)  # until it looks again


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in stream)}


def processes_of(leader):
    """The process and its descendants; reading them never waits."""
    found = [leader]
    for pid in found:
        found += children_of(pid)
    return found


def halt(*pids):
    """Stops processes, and waits for them, because a process may go on for a moment after the signal."""
    assert all(pid > 1 for pid in pids), pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(status_of(pid)["State"][0] in "TZ" for pid in pids), f"{pids} to be stopped")


def namespaces_of(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in os.listdir(f"/proc/{pid}/ns")}


def cgroup_of(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as stream:
        return next(line.strip()[3:] for line in stream if line.startswith("0::"))


class Machine:
    """A machine of the test's own; its directory of tools is /probe inside."""

    def __init__(self, name, options=(), payload=(), properties=(), root="busybox", as_pid2=False,
                 script=None):
        self.name = name
        self.unit = f"execd-test-machine@{name}.service"
        self.root = f"/var/lib/execd-tests/machines/{name}/root"
        self.shared = f"{SHARED}/{name}"
        self.is_stubbed = as_pid2
        shutil.rmtree(self.shared, ignore_errors=True)
        os.makedirs(self.shared)
        for tool in ("probe", "hostile"):
            shutil.copy(f"{TOOLS}/{tool}", self.shared)
        # Not sticky: its init may remove files of a user inside.
        os.chmod(self.shared, 0o777)
        if script is not None:
            # The container does this to itself before it sleeps; /probe/ready appears after it.
            with open(f"{self.shared}/script", "w", encoding="utf-8") as stream:
                stream.write(script + "\ntouch /probe/ready\nexec /probe/hostile sleep\n")
            payload = ["/bin/sh", "/probe/script"]
        words = [MACHINE, "start", name, "--root", root]
        for value in properties:
            words += ["--property", value]
        words += ["--", f"--bind={self.shared}:/probe", *(["--as-pid2"] if as_pid2 else []), *options]
        if payload:
            words += ["--", *payload]
        sh(words)
        if script is not None:
            wait_until(lambda: os.path.exists(f"{self.shared}/ready"), f"the end of {script!r}")

    def path(self, inside):
        return self.root + inside

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def registered_leader(self):
        return int(sh(["machinectl", "show", "-p", "Leader", "--value", self.name]))

    def leader(self):
        """The payload: the process that machined names, or its child if that is nspawn's stub."""
        pid = self.registered_leader()
        if not self.is_stubbed:
            return pid
        return wait_until(lambda: next(iter(children_of(pid)), None), "the payload of the stub")

    def report(self, name="report"):
        try:
            with open(f"{self.shared}/{name}", encoding="utf-8", errors="replace") as stream:
                return stream.read().splitlines()
        except FileNotFoundError:
            return []

    def wait_for_report(self, word, name="report"):
        return wait_until(lambda: [line for line in self.report(name) if word in line], f"{word} in {name}")

    def is_registered(self):
        return bool(sh(["machinectl", "show", "-p", "Leader", "--value", self.name], check=False).strip())

    def restart(self):
        """machined may still know the old run when the new one registers, which then fails: between the two of them."""
        try:
            sh(["systemctl", "restart", self.unit])
        except AssertionError:
            for attempt in range(5):
                sh(["systemctl", "stop", self.unit], check=False)
                wait_until(lambda: not self.is_registered(), f"an end of {self.name}")
                sh(["systemctl", "reset-failed", self.unit], check=False)
                try:
                    sh(["systemctl", "start", self.unit])
                    break
                except AssertionError:
                    if attempt == 4:
                        raise
        wait_until(self.is_registered, f"{self.name} to be known again")

    def remove(self):
        sh([MACHINE, "remove", self.name])
        shutil.rmtree(self.shared, ignore_errors=True)


def comm_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().rstrip("\n")


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if status_of(entry)["PPid"] == str(pid):
                    found.append(int(entry))
            except (FileNotFoundError, ProcessLookupError, KeyError):
                pass
    return sorted(found)


def find_process(marker):
    """Pids, as the host sees them, of processes with this word in their command line."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    words = stream.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if marker.encode() in words:
                found.append(int(entry))
    return sorted(found)


def assert_confined_like(pid, leader, uid=None):
    """By the kernel's word, as the host has it: this process has no more than the leader."""
    here, there = status_of(pid), status_of(leader)
    assert namespaces_of(pid) == namespaces_of(leader)
    for field in ("CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters"):
        assert here[field] == there[field], f"{field}: {here[field]}, the leader has {there[field]}"
    for field in ("CapPrm", "CapEff"):
        assert caps(here[field]) & ~caps(there["CapPrm"]) == 0, f"{field} {here[field]}"
    assert caps(here["CapInh"]) == 0
    if uid is not None:
        assert here["Uid"].split() == [str(uid)] * 4, here["Uid"]
        assert uid == 0 or (caps(here["CapPrm"]) == 0 and caps(here["CapEff"]) == 0)


# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET
ALL_NAMESPACES = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000


class CloneArguments(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack",
                                                     "stack_size", "tls", "set_tid", "set_tid_size")]


def process_with_pid(pid, argv):
    """A child with this pid, which must be becoming free, in namespaces of its own and with the host's files."""
    ids = (ctypes.c_int * 2)(1, pid)  # in its own pid namespace, and here
    arguments = CloneArguments(flags=ALL_NAMESPACES, exit_signal=signal.SIGCHLD, set_tid=ctypes.addressof(ids), set_tid_size=2)
    call = ctypes.CDLL(None, use_errno=True).syscall

    def clone():
        made = call(435, ctypes.byref(arguments), ctypes.c_size_t(ctypes.sizeof(arguments)))  # clone3
        if made == 0:
            os.execv(argv[0], argv)
        assert made > 0 or ctypes.get_errno() == errno.EEXIST, os.strerror(ctypes.get_errno())
        return made == pid

    wait_until(clone, f"pid {pid} to be free")
    wait_until(lambda: os.readlink(f"/proc/{pid}/exe") == os.path.realpath(argv[0]), f"{argv[0]} to be run")
    return pid


def stored_fds(unit):
    return int(sh(["systemctl", "show", "-p", "NFileDescriptorStore", "--value", unit]) or 0)


def main_pid(unit):
    return int(sh(["systemctl", "show", "-p", "MainPID", "--value", unit]) or 0)


def memory_allowed(unit, kib):
    """In KiB. An AddressSanitizer holds back 256 MiB of what was freed; with it, LeakSanitizer tells at the end."""
    with open(f"/proc/{main_pid(unit)}/maps", encoding="utf-8") as maps:
        return kib + 400 * 1024 if "libasan" in maps.read() else kib


def results():
    """How the services have ended, where they have: {unit: result}."""
    told = sh(["systemctl", "show", "-p", "Id", "-p", "Result", *SERVICES])
    shown = [dict(line.split("=", 1) for line in one.splitlines()) for one in told.split("\n\n")]
    return {one["Id"]: one["Result"] for one in shown}


def exec_scopes():
    told = sh(["systemctl", "list-units", "--no-legend", "--plain", "--all", "exec-*.scope"])
    return sorted(line.split()[0] for line in told.splitlines())


def members_of(scope):
    """Its processes, none as long as it is not there."""
    group = sh(["systemctl", "show", "-p", "ControlGroup", "--value", scope]).strip()
    try:
        with open(f"/sys/fs/cgroup{group}/cgroup.procs", encoding="ascii") as stream:
            return [int(pid) for pid in stream] if group else []
    except FileNotFoundError:
        return []


def pids_of(program):
    found = []
    for exe in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(exe) == program:
                found.append(int(exe.split("/")[2]))
        except OSError:
            pass
    return found


def own_processes():
    """How many processes of each of our programs there are, if any."""
    return {program: len(found) for program in PRODUCT if (found := pids_of(program))}


def product_hashes():
    found = {}
    for path in PRODUCT:
        with open(path, "rb") as stream:
            found[path] = hashlib.sha256(stream.read()).hexdigest()
    return found


class Usage:
    """The resources that the two daemons hold."""

    def __init__(self):
        self.pids = {unit: main_pid(unit) for unit in SERVICES}
        self.fds = {}
        self.rss = {}
        for unit, pid in self.pids.items():
            # The descriptors stored with systemd are a pool that grows with the running execs.
            self.fds[unit] = len(os.listdir(f"/proc/{pid}/fd")) - stored_fds(unit) if pid else 0
            self.rss[unit] = int(status_of(pid)["VmRSS"].split()[0]) if pid else 0
        self.scopes = len(exec_scopes())
        self.runners = own_processes().get(PRODUCT[2], 0)
        self.zombies = sum(len([c for c in children_of(pid) if status_of(c)["State"].startswith("Z")])
                           for pid in self.pids.values() if pid)

    def __repr__(self):
        return f"fds {self.fds} rss {self.rss} scopes {self.scopes} runners {self.runners} zombies {self.zombies}"


class DropIn:
    """Something added to a unit for the length of a test."""

    def __init__(self, unit, text):
        self.unit = unit
        self.path = f"/run/systemd/system/{unit}.d/confinement-test.conf"
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(text)
        sh(["systemctl", "daemon-reload"])

    def remove(self):
        os.unlink(self.path)
        sh(["systemctl", "daemon-reload"])


def restart_services():
    sh("systemctl stop execd.service execd-spawner.service && "
       "systemctl reset-failed execd.service execd-spawner.service 2>/dev/null; "
       "systemctl start execd-spawner.socket execd.socket")


def journal_since(stamp, *matches):
    sh(["journalctl", "--sync"], check=False)
    return sh(["journalctl", "--no-pager", "-o", "json", f"--since=@{stamp:.3f}", *matches], check=False)


def caps(text):
    return int(re.sub("^0x", "", text), 16)
