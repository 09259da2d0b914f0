# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that does not answer delays only execs whose recordings wait for it, and these are complete in the end."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading

import pytest

from execd import Attached, create, inspect, journal, request, run, shell, wait_for
from test_recording import UNRECORDED, Cast, memory_of_execd, record

DISK = "/var/lib/execd/disk"
IMAGE = "/var/lib/execd/disk.img"
UNIT = "/run/systemd/system/execd.service.d/50-disk.conf"
DROP_IN = "/etc/execd/execd.conf.d/60-disk-test.conf"
# More than there is room for on the way from the command to the disk.
LINES = 600000


def loop_device():
    if not os.path.exists("/dev/loop-control"):
        os.mknod("/dev/loop-control", 0o20600, os.makedev(10, 237))
    name = shell("losetup -f").strip()
    if not os.path.exists(name):
        os.mknod(name, 0o60600, os.makedev(7, int(name.removeprefix("/dev/loop"))))
    return name


@pytest.fixture(scope="module")
def disk():
    """The recordings have a file system of their own."""
    if not shutil.which("mke2fs"):
        pytest.skip("mke2fs is not installed here")
    shell(f"mkdir -p {DISK} {os.path.dirname(UNIT)} {os.path.dirname(DROP_IN)}; truncate -s 128M {IMAGE}; mke2fs -q -t ext4 {IMAGE}")
    device = loop_device()
    shell(f"losetup {device} {IMAGE}; mount {device} {DISK}; chown execd: {DISK}; chmod 700 {DISK}")
    with open(UNIT, "w", encoding="ascii") as f:
        f.write(f"[Service]\nReadWritePaths={DISK}\n")
    with open(DROP_IN, "w", encoding="ascii") as f:
        f.write(f"[Recording]\nRecordingDirectory={DISK}\n")
    shell("systemctl daemon-reload; systemctl restart execd.service; execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    yield
    os.unlink(UNIT)
    os.unlink(DROP_IN)
    shell("systemctl daemon-reload; systemctl restart execd.service", check=False)
    shell(f"umount -l {DISK}; losetup -d {device}; rm {IMAGE}; rmdir {DISK}", check=False)


@contextlib.contextmanager
def frozen():
    """Writes to the disk wait. Gives what ends that."""
    thawed = []

    def thaw():
        if not thawed:
            thawed.append(shell(f"fsfreeze -u {DISK}"))

    shell(f"fsfreeze -f {DISK}")
    try:
        yield thaw
    finally:
        thaw()


def finished(exec_id):
    path = f"{DISK}/{exec_id}.cast"
    wait_for(lambda: os.path.exists(path), what="the recording to be complete", seconds=60)
    with open(path, "rb") as f:
        return Cast(f.read())


def begun(what):
    """An exec that is recorded, and prints something after a line of the test."""
    exec_id = create("web", ["sh", "-c", f"echo begun; read x </tmp/go; {what}"], Record=True)
    a = Attached(exec_id)
    a.read_until(b"begun\n")
    wait_for(lambda: '"begun' in read_partial(exec_id), what="the recording to have begun")
    return exec_id, a


def read_partial(exec_id):
    path = f"{DISK}/{exec_id}.cast.partial"
    if not os.path.exists(path):
        return ""
    with open(path, "r", encoding="utf-8") as f:
        return f.read()


def go():
    assert run("web", ["sh", "-c", "echo x >/tmp/go"])[0] == 0


def numbers(count):
    return "".join(f"{i}\n" for i in range(1, count + 1))


def others_are_served():
    assert request("GET", "/_ping").body == b"OK"
    assert run("web", ["echo", "hi"]) == (0, b"hi\n", b"")


def test_frozen_file_system(disk):
    """R-C1: an exec that prints much waits; execs that print little, and all other requests, do not."""
    exec_id, a = begun(f"seq {LINES}; echo end >&2")
    # Its client reads all the time, so that it waits for nothing but the recording.
    a.socket.settimeout(100)
    outputs = []
    reader = threading.Thread(target=lambda: outputs.extend(a.read_all()), daemon=True)
    before = memory_of_execd()
    with frozen() as thaw:
        others_are_served()
        short, out, _ = record(["echo", "short"])
        assert out == b"short\n" and inspect(short)["ExitCode"] == 0
        reader.start()
        go()
        for _ in range(5):
            others_are_served()
        assert inspect(exec_id)["Running"] and record(["echo", "again"])[1] == b"again\n"
        assert os.environ.get("EXECD_TEST_VARIANT") == "asan" or memory_of_execd() < before + (24 << 20)
        # The exec can be ended, listed and looked at meanwhile.
        assert request("GET", "/exec/json").status == 200
        thaw()
        reader.join(100)
    out, err = outputs
    assert out.decode() == "begun\n" + numbers(LINES) and err == b"end\n"
    assert inspect(exec_id)["ExitCode"] == 0
    cast = finished(exec_id)
    assert cast.output().replace("\r\n", "\n").replace("end\n", "") == "begun\n" + numbers(LINES)
    assert not cast.of("m") and finished(short).output() == "short\r\n"
    assert not [r for r in journal(exec_id) if r.get("MESSAGE_ID") == UNRECORDED]


def test_restart_meanwhile(disk):
    """Neither the end of execd nor the next one waits for the disk, and what was printed until then gets there."""
    exec_id, a = begun(f"seq {LINES}")
    with frozen() as thaw:
        go()
        wait_for(lambda: len(a.socket.recv(1 << 20)) > 0, what="some output")
        for _ in range(2):
            subprocess.run(["systemctl", "restart", "execd.service"], check=True, timeout=60)
            others_are_served()
            assert inspect(exec_id)["Running"]
        thaw()
        a.read_all()
    assert inspect(exec_id)["ExitCode"] == 0
    cast = finished(exec_id)
    assert cast.output().replace("\r\n", "\n") == "begun\n" + numbers(LINES) and not cast.of("m")
    assert not [r for r in journal(exec_id) if r.get("MESSAGE_ID") == UNRECORDED]


def test_crash_meanwhile(disk):
    """The next execd is there at once, and goes on when the process of the last one has written what it has."""
    exec_id, a = begun("seq 100000; echo all; read x </tmp/go; echo gone on")
    with frozen() as thaw:
        go()
        wait_for(lambda: len(a.socket.recv(1 << 20)) > 0, what="some output")
        os.kill(int(shell("systemctl show -P MainPID execd.service")), signal.SIGKILL)
        wait_for(lambda: request("GET", "/_ping").body == b"OK", what="the next execd")
        others_are_served()
        thaw()
    go()
    a.read_all()
    assert inspect(exec_id)["ExitCode"] == 0
    cast = finished(exec_id)
    lines = cast.output().replace("\r\n", "\n").splitlines()
    assert lines[:2] == ["begun", "1"] and lines[-1] == "gone on" and not cast.of("m")
    assert not [n for n in os.listdir(DISK) if n.endswith(".partial") and n.startswith(exec_id)]


def test_who_asks_for_a_recording_is_told(disk):
    """A requested recording must be possible: its request waits for some time, and no other one does."""
    old, _, _ = record(["echo", "old"])
    shell("systemctl restart execd.service")
    with frozen():
        others_are_served()
        answer = request("GET", f"/exec/{old}/recording")
        assert answer.status == 200 and b"old" in answer.body
        others_are_served()
