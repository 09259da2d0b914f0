# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of control groups that forbid all they are asked about."""

import ctypes
import os
import struct

BPF_SYSCALL = 321
PROG_LOAD, OBJ_PIN, PROG_ATTACH, PROG_DETACH = 5, 6, 8, 9
SKB, SOCK, SYSCTL, SOCK_ADDR, SOCKOPT = 8, 9, 23, 18, 25
ALLOW_MULTI = 2
# return 0;
DENY = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)

# The name for BPFProgram= of systemd, or in the kernel elsewhere: type of the program, type of its attachment.
KINDS = {
    "egress": (SKB, 1), "sock_create": (SOCK, 2), "bind4": (SOCK_ADDR, 8), "connect4": (SOCK_ADDR, 10), "post_bind4": (SOCK, 12),
    "sendmsg4": (SOCK_ADDR, 14), "sysctl": (SYSCTL, 18), "getsockopt": (SOCKOPT, 21), "setsockopt": (SOCKOPT, 22),
    "unix_connect": (SOCK_ADDR, 49), "unix_sendmsg": (SOCK_ADDR, 50),
}
# Those that came with Linux 6.7.
NEWER = {"unix_connect", "unix_sendmsg"}


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = ctypes.CDLL(None, use_errno=True).syscall(BPF_SYSCALL, command, buffer, 128)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class Program:
    """One that denies, loaded."""

    def __init__(self, kind):
        program_type, self.attach_type = KINDS[kind]
        code, license_text = ctypes.create_string_buffer(DENY, len(DENY)), ctypes.create_string_buffer(b"GPL")
        self.fd = bpf(PROG_LOAD, struct.pack("<IIQQIIQII16sII", program_type, len(DENY) // 8, ctypes.addressof(code),
                                             ctypes.addressof(license_text), 0, 0, 0, 0, 0, b"", 0, self.attach_type))

    def attach(self, cgroup):
        directory = os.open(f"/sys/fs/cgroup{cgroup}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            bpf(PROG_ATTACH, struct.pack("<IIII", directory, self.fd, self.attach_type, ALLOW_MULTI))
        finally:
            os.close(directory)

    def detach(self, cgroup):
        directory = os.open(f"/sys/fs/cgroup{cgroup}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            bpf(PROG_DETACH, struct.pack("<IIII", directory, self.fd, self.attach_type, 0))
        finally:
            os.close(directory)

    def pin(self, path):
        name = ctypes.create_string_buffer(path.encode())
        bpf(OBJ_PIN, struct.pack("<QII", ctypes.addressof(name), self.fd, 0))

    def close(self):
        os.close(self.fd)


# The acts that such a program forbids, as a script of python3; it exits with 13 if one was forbidden.
ATTEMPT = """
import errno, os, socket, sys
kind, loopback = sys.argv[1], ("127.0.0.1", 0)
tcp = lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)
udp = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
local = lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def bound(s, address):
    s.bind(address)
    return s
listener = bound(local(), "\\0execd-test-%d" % os.getpid())
def send():
    server = bound(udp(), loopback)
    udp().sendto(b"x", server.getsockname())
def connect():
    server = tcp() if kind == "connect4" else udp()
    bound(server, loopback)
    if kind == "connect4":
        server.listen()
    (tcp() if kind == "connect4" else udp()).connect(server.getsockname())
attempts = {
    "egress": send, "sendmsg4": send, "sock_create": tcp, "bind4": lambda: bound(tcp(), loopback), "connect4": connect,
    "post_bind4": lambda: bound(tcp(), loopback), "sysctl": lambda: open("/proc/sys/kernel/ostype").read(),
    "getsockopt": lambda: tcp().getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
    "setsockopt": lambda: tcp().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),
    "unix_connect": lambda: local().connect(listener.getsockname()),
    "unix_sendmsg": lambda: local().sendto(b"x", listener.getsockname()),
}
try:
    attempts[kind]()
except OSError as error:
    sys.exit(13 if error.errno in (errno.EPERM, errno.EACCES) else 1)
"""
