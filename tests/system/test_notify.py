# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd does not read messages of the services. All clients are served meanwhile, and systemd gets all of it later."""

import os
import socket

import pytest

from execd import connect, head_bytes, let_pass, read_head, run, shell, wait_for

PATH = "/run/test-notify"


@pytest.fixture
def full_socket():
    """A socket in the place of systemd's, with no room left."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        systemd.setblocking(False)
        systemd.bind(PATH)
        os.chmod(PATH, 0o666)
        other.setblocking(False)
        other.connect(PATH)
        try:
            with pytest.raises(BlockingIOError):
                while True:
                    other.send(b"FILLER")
            yield systemd
        finally:
            os.unlink(PATH)


@pytest.fixture(params=["execd", "execd-spawner"])
def unit(request, full_socket):
    """The service as it is, but that it takes this socket for systemd's, and a watchdog for its own."""
    name = request.param
    directory = f"/run/systemd/system/{name}.service.d"
    program = shell(f"systemctl show -P ExecStart {name}.service").split("path=")[1].split(" ;")[0]
    shell(f"mkdir -p {directory}")
    with open(f"{directory}/notify.conf", "w") as f:
        f.write("[Service]\nType=simple\nWatchdogSec=0\nExecStart=\n"
                f"ExecStart=/bin/sh -c 'NOTIFY_SOCKET={PATH} WATCHDOG_USEC=400000 WATCHDOG_PID=$$$$ exec {program}'\n")
    shell(f"systemctl daemon-reload; systemctl restart {name}.service")
    try:
        yield name
    finally:
        shell(f"rm -r {directory}; systemctl daemon-reload; systemctl restart {name}.service")


def messages(systemd):
    """Those that the service has sent until now: (text, number of descriptors)."""
    found = []
    while True:
        try:
            text, fds, _, _ = socket.recv_fds(systemd, 4096, 64)
        except BlockingIOError:
            return found
        for fd in fds:
            os.close(fd)
        if text != b"FILLER":
            found.append((text.decode(), len(fds)))


def test_nobody_waits_for_systemd(unit, full_socket):
    pid = shell(f"systemctl show -P MainPID {unit}.service")
    # A client keeps both programs there, and systemd gets the number of clients.
    with connect() as s:
        s.sendall(head_bytes("GET", "/events"))
        assert read_head(s)[0] == 200
        for _ in range(3):
            assert run("web", ["echo", "served"])[:2] == (0, b"served\n")
        let_pass(1.5)
        assert run("web", ["echo", "served"])[:2] == (0, b"served\n")
        heard = []

        def has_heard():
            heard.extend(messages(full_socket))
            return sum(text == "WATCHDOG=1" for text, _ in heard) >= 3 and any(text.startswith("STATUS=") for text, _ in heard)
        wait_for(has_heard, what="the messages")
    assert shell(f"systemctl show -P MainPID {unit}.service") == pid
    words = [text.split("\n")[0].split("=")[0] for text, _ in heard]
    assert words.count("READY") == 1, heard
    assert words.index("READY") < words.index("STATUS"), heard
    if unit == "execd":
        stored = [n for text, n in heard if text.startswith("FDSTORE=1\n")]
        assert stored and stored[0] == 8, heard
        assert words.index("FDSTORE") < words.index("READY"), heard
