# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files other than pipes as a command's stdin, stdout or stderr, and the result. Prints a line for each that was taken.

usage: stdio_kinds.py execd|start|spawner CONTAINER, as whoever is to ask
"""

import ctypes
import os
import secrets
import socket
import sys
import tempfile

from bus import Bus, BusError, Spawner

libc = ctypes.CDLL(None, use_errno=True)
CLOCK_MONOTONIC, INOTIFY_CLOEXEC = 1, 0o2000000


def regular(flags):
    fd, path = tempfile.mkstemp()
    os.close(fd)
    fd = os.open(path, flags)
    os.unlink(path)
    return fd


def named_fifo():
    path = os.path.join(tempfile.mkdtemp(), "fifo")
    os.mkfifo(path)
    return os.open(path, os.O_RDWR)


def connected(path, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind)
    s.connect(path)
    return s.detach()


def pipe_path_fd():
    reader, writer = os.pipe()
    fd = os.open(f"/proc/self/fd/{reader}", os.O_PATH)
    os.close(reader)
    os.close(writer)
    return fd


# Each makes an fd that is never to become a command's.
KINDS = {
    "a regular file": [lambda: regular(os.O_RDONLY), lambda: regular(os.O_RDWR), lambda: regular(os.O_WRONLY | os.O_APPEND),
                       lambda: os.open("/etc/passwd", os.O_RDONLY), lambda: os.open("/proc/version", os.O_RDONLY),
                       lambda: os.open("/proc/self/mem", os.O_RDONLY), lambda: os.open("/proc/self/ns/mnt", os.O_RDONLY),
                       lambda: os.open("/proc/self/ns/user", os.O_RDONLY), lambda: os.memfd_create("odd"),
                       lambda: os.open("/sys/kernel/uevent_seqnum", os.O_RDONLY),
                       lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600)],
    "a socket": [lambda: socket.socketpair()[0].detach(), lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].detach(),
                 lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach(),
                 lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach(),
                 lambda: connected("/run/systemd/journal/stdout"),
                 lambda: connected("/run/systemd/journal/socket", socket.SOCK_DGRAM)],
    "a device": [lambda: os.open("/dev/null", os.O_RDWR), lambda: os.open("/dev/null", os.O_RDONLY),
                 lambda: os.open("/dev/zero", os.O_RDWR), lambda: os.open("/dev/full", os.O_WRONLY)],
    "a terminal": [lambda: os.openpty()[0], lambda: os.openpty()[1]],
    "a directory": [lambda: os.open("/", os.O_RDONLY), lambda: os.open("/proc/self/fd", os.O_RDONLY)],
    "an O_PATH": [lambda: os.open("/etc/passwd", os.O_PATH), lambda: os.open("/", os.O_PATH), pipe_path_fd],
    "a named FIFO": [named_fifo],
    "an object of the kernel": [lambda: libc.eventfd(0, 0), lambda: os.pidfd_open(os.getpid()),
                                lambda: libc.epoll_create1(0), lambda: libc.timerfd_create(CLOCK_MONOTONIC, 0),
                                lambda: libc.inotify_init1(INOTIFY_CLOEXEC)],
}


def call_execd(bus, container, fds):
    bus.manager("RunExec", "sasa{sv}hhh", container, ["true"], {}, *fds)


def call_start(bus, container, fds):
    _, path = bus.manager("CreateExec", "sasa{sv}", container, ["true"], {})
    bus.exec(path, "StartWithFds", "hhh", *fds)


def call_spawner(bus, container, fds):
    bus.start(container, ["true"], fds, secrets.token_hex(32))


def attempt(call, bus, container, fds, why):
    """None where it was refused with these words."""
    try:
        call(bus, container, fds)
    except BusError as e:
        if e.name == "org.execd1.Error.BadRequest" and why in str(e):
            return None
        return str(e)
    return "was taken"


def main():
    call, make = {"execd": (call_execd, Bus), "start": (call_start, Bus), "spawner": (call_spawner, Spawner)}[sys.argv[1]]
    container, names, tried, wrong = sys.argv[2], ("stdin", "stdout", "stderr"), 0, []
    reader, writer = os.pipe()
    good = [reader, writer, writer]
    with make() as bus:
        for why, makers in KINDS.items():
            for number, maker in enumerate(makers):
                odd = maker()
                assert odd >= 0, f"{why} {number} cannot be made"
                for at in range(3):
                    said = attempt(call, bus, container, good[:at] + [odd] + good[at + 1:],
                                   f"{names[at]}: only an anonymous pipe can be passed, not {why}")
                    tried += 1
                    wrong += [f"{why} {number} as {names[at]}: {said}"] if said else []
        for at, fds in enumerate(([writer, writer, writer], [reader, reader, writer], [reader, writer, reader])):
            said = attempt(call, bus, container, fds,
                           f"{names[at]}: the pipe is not open for {'writing' if at else 'reading'}")
            tried += 1
            wrong += [f"the wrong end as {names[at]}: {said}"] if said else []
        call(bus, container, good)
    print("\n".join(wrong))
    print(f"{tried} tried, {len(wrong)} not refused as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
