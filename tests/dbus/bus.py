# SPDX-License-Identifier: LGPL-2.1-or-later
"""A little of sd-bus: calls with any arguments, file descriptors too."""

import ctypes
import os
import xml.etree.ElementTree as tree

lib = ctypes.CDLL("libsystemd.so.0", use_errno=True)
libc = ctypes.CDLL(None, use_errno=True)
CLOCK_MONOTONIC = 1
lib.sd_bus_message_get_error.restype = ctypes.c_void_p
NUMBERS = {"y": ctypes.c_uint8, "b": ctypes.c_int, "n": ctypes.c_int16, "q": ctypes.c_uint16, "i": ctypes.c_int32,
           "u": ctypes.c_uint32, "x": ctypes.c_int64, "t": ctypes.c_uint64, "d": ctypes.c_double, "h": ctypes.c_int}


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name


class ErrorStruct(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]


def check(r):
    if r < 0:
        raise OSError(-r, os.strerror(-r))
    return r


def split_type(signature):
    """The first complete type, and the rest."""
    if signature[0] == "a":
        one, rest = split_type(signature[1:])
        return "a" + one, rest
    if signature[0] in "({":
        depth = 0
        for i, c in enumerate(signature):
            depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(c, 0)
            if depth == 0:
                return signature[:i + 1], signature[i + 1:]
    return signature[0], signature[1:]


def append(m, kind, value):
    if kind in NUMBERS:
        number = NUMBERS[kind](value)
        check(lib.sd_bus_message_append_basic(m, ctypes.c_char(kind.encode()), ctypes.byref(number)))
    elif kind in ("s", "o", "g"):
        text = value.encode("utf-8", "surrogateescape")
        check(lib.sd_bus_message_append_basic(m, ctypes.c_char(kind.encode()), ctypes.c_char_p(text)))
    elif kind[0] == "a":
        items = value.items() if isinstance(value, dict) else value
        check(lib.sd_bus_message_open_container(m, ctypes.c_char(b"a"), kind[1:].encode()))
        for item in items:
            append(m, kind[1:], item)
        check(lib.sd_bus_message_close_container(m))
    elif kind[0] in "({":
        opener = b"r" if kind[0] == "(" else b"e"
        check(lib.sd_bus_message_open_container(m, ctypes.c_char(opener), kind[1:-1].encode()))
        append_all(m, kind[1:-1], value)
        check(lib.sd_bus_message_close_container(m))
    elif kind == "v":
        inner, content = value
        check(lib.sd_bus_message_open_container(m, ctypes.c_char(b"v"), inner.encode()))
        append(m, inner, content)
        check(lib.sd_bus_message_close_container(m))
    else:
        raise ValueError(kind)


def append_all(m, signature, values):
    for value in values:
        kind, signature = split_type(signature)
        append(m, kind, value)


def read(m):
    """The next value of a message, or StopIteration; fds are the caller's."""
    kind, contents = ctypes.c_char(), ctypes.c_char_p()
    if check(lib.sd_bus_message_peek_type(m, ctypes.byref(kind), ctypes.byref(contents))) == 0:
        raise StopIteration
    name = kind.value.decode()
    if name in NUMBERS:
        number = NUMBERS[name]()
        check(lib.sd_bus_message_read_basic(m, kind, ctypes.byref(number)))
        return os.dup(number.value) if name == "h" else bool(number.value) if name == "b" else number.value
    if name in ("s", "o", "g"):
        text = ctypes.c_char_p()
        check(lib.sd_bus_message_read_basic(m, kind, ctypes.byref(text)))
        return text.value.decode()
    check(lib.sd_bus_message_enter_container(m, kind, contents))
    values = []
    try:
        while True:
            values.append(read(m))
    except StopIteration:
        pass
    check(lib.sd_bus_message_exit_container(m))
    if name == "v":
        return values[0]
    return dict(values) if name == "a" and contents.value.startswith(b"{") else values


class Bus:
    destination = b"org.execd1"

    def __init__(self):
        self.bus = ctypes.c_void_p()
        check(lib.sd_bus_open_system(ctypes.byref(self.bus)))

    def close(self):
        lib.sd_bus_flush_close_unref(self.bus)
        self.bus = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def message(self, path, interface, member, signature="", *values, interactive=False):
        m = ctypes.c_void_p()
        check(lib.sd_bus_message_new_method_call(self.bus, ctypes.byref(m), self.destination, path.encode(),
                                                 interface.encode(), member.encode()))
        try:
            append_all(m, signature, values)
            if interactive:
                check(lib.sd_bus_message_set_allow_interactive_authorization(m, 1))
        except BaseException:
            lib.sd_bus_message_unref(m)
            raise
        return m

    def send(self, *words, **more):
        """Asks, and does not wait."""
        m = self.message(*words, **more)
        try:
            check(lib.sd_bus_send(self.bus, m, None))
            check(lib.sd_bus_flush(self.bus))
        finally:
            lib.sd_bus_message_unref(m)

    def ask(self, *words, **more):
        """Sends a call; the returned object waits for the answer."""
        m, cookie = self.message(*words, **more), ctypes.c_uint64()
        try:
            check(lib.sd_bus_send(self.bus, m, ctypes.byref(cookie)))
            check(lib.sd_bus_flush(self.bus))
        finally:
            lib.sd_bus_message_unref(m)
        return lambda: self.answer_to(cookie.value)

    def answer_to(self, cookie):
        while True:
            m, to = ctypes.c_void_p(), ctypes.c_uint64()
            if check(lib.sd_bus_process(self.bus, ctypes.byref(m))) == 0:
                check(lib.sd_bus_wait(self.bus, ctypes.c_uint64(30_000_000)))
            if not m:
                continue
            try:
                if lib.sd_bus_message_get_reply_cookie(m, ctypes.byref(to)) >= 0 and to.value == cookie:
                    return self.values_of(m)
            finally:
                lib.sd_bus_message_unref(m)

    @staticmethod
    def values_of(m):
        address = lib.sd_bus_message_get_error(m)
        if address:
            error = ErrorStruct.from_address(address)
            raise BusError(error.name.decode(), (error.message or b"").decode())
        found = []
        try:
            while True:
                found.append(read(m))
        except StopIteration:
            return found

    def call(self, path, interface, member, signature="", *values, timeout=30, interactive=False):
        m = self.message(path, interface, member, signature, *values, interactive=interactive)
        error, reply = ErrorStruct(), ctypes.c_void_p()
        try:
            r = lib.sd_bus_call(self.bus, m, ctypes.c_uint64(int(timeout * 1e6)), ctypes.byref(error),
                                ctypes.byref(reply))
            if r < 0:
                text = (error.message or b"").decode()
                raise BusError((error.name or os.strerror(-r).encode()).decode(), text)
            found = []
            try:
                while True:
                    found.append(read(reply))
            except StopIteration:
                return found
        finally:
            lib.sd_bus_error_free(ctypes.byref(error))
            lib.sd_bus_message_unref(m)
            if reply:
                lib.sd_bus_message_unref(reply)

    def manager(self, member, *words, **more):
        return self.call("/org/execd1", "org.execd1.Manager", member, *words, **more)

    def exec(self, path, member, *words, **more):
        return self.call(path, "org.execd1.Exec", member, *words, **more)


class Spawner(Bus):
    """execd-spawner, which only execd's user may talk to."""

    destination = None
    PATH, INTERFACE = "/org/execd1/spawner", "org.execd1.Spawner"

    def __init__(self, path="/run/execd/spawner.sock"):
        self.bus = ctypes.c_void_p()
        check(lib.sd_bus_new(ctypes.byref(self.bus)))
        check(lib.sd_bus_set_address(self.bus, f"unix:path={path}".encode()))
        check(lib.sd_bus_negotiate_fds(self.bus, 1))
        check(lib.sd_bus_start(self.bus))

    def start(self, container, argv, stdio, exec_id):
        """Runs a command on these three fds; all else is nothing, of whatever type."""
        facts = self.call(self.PATH, self.INTERFACE, "GetContainer", "s", container)[0]
        ticket = check(libc.timerfd_create(CLOCK_MONOTONIC, 0))
        given = {"ticket": ticket, "exec_id": exec_id, "leader": (facts[0], facts[7], facts[8]), "description": "a test", "argv": argv,
                 "stdio": stdio, "login_uid": 0xffffffff}
        xml = self.call(self.PATH, "org.freedesktop.DBus.Introspectable", "Introspect")[0]
        arguments = [(arg.get("name"), arg.get("type")) for arg in
                     tree.fromstring(xml).find(f"interface[@name='{self.INTERFACE}']/method[@name='Start']")
                     if arg.get("direction") == "in"]
        values = [given.get(name, [] if kind[0] == "a" else "" if kind == "s" else 0) for name, kind in arguments]
        try:
            return self.call(self.PATH, self.INTERFACE, "Start", "".join(kind for _, kind in arguments), *values)
        finally:
            os.close(ticket)
