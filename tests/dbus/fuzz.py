#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fuzz.py SEED CALLS: calls of every method of org.execd1 with odd arguments, by whoever runs it. Prints how many
calls were answered well and how many with an error; ends with 1 when execd does not answer at all."""

import os
import random
import socket
import sys
import xml.etree.ElementTree as tree

from bus import Bus, BusError, split_type

BUDGET_OF_SILENCE = 0.4  # for calls that may rightly wait for long
TEXTS = ["", "web", "booted", "userns", "nosuch", "true", "/bin/true", "id", "sh", "a" * 300, "a" * 70000, "../..", "%s%n",
         "\x01\x1b[2J", "ünï", "-", "--", "0", "0:0", "1:1", "nobody", "4294967295", "/", "/tmp", "keep", "kill", "hangup",
         "ctrl-p,ctrl-q", "ctrl-", ",", "=", "A=1", "MemoryMax", "64M", "infinity", "RuntimeMaxSec", "1", "0" * 64,
         "f" * 64, "org.execd1.Exec", "org.execd1.Manager", "CommandLine",
         "org.execd1.exec", "org.execd1.manage", "start", "running"]
NUMBERS = [0, 1, 2, 9, 15, 63, 64, 65, 127, 128, 255, 256, 1000, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1,
           -1, -9, -2**31]
OPTIONS = {"User": "s", "WorkingDir": "s", "DetachKeys": "s", "OnDisconnect": "s", "Env": "as", "Tty": "b",
           "Privileged": "b", "AttachStdin": "b", "AttachStdout": "b", "AttachStderr": "b", "Labels": "a{ss}",
           "Properties": "a{ss}", "ConsoleSize": "(qq)", "Stdin": "b", "Stdout": "b", "Stderr": "b", "Replay": "b",
           "Record": "b", "Container": "s", "State": "s", "CallerUID": "u", "Verb": "s", "Nothing": "v"}
KINDS = ["s", "as", "b", "i", "u", "t", "a{ss}", "(qq)", "ay", "v", "o", "g", "h", "d", "aas", "a{sv}", "(s(ii)as)", "a(hs)"]
INTERFACES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "dbus")


def methods_of(interface):
    """The name of each method, and the signature of its arguments."""
    root = tree.parse(os.path.join(INTERFACES, interface + ".xml")).getroot()
    return {m.get("name"): "".join(a.get("type") for a in m.findall("arg") if a.get("direction") == "in")
            for m in root.iter("method")}


STANDARD = [("org.freedesktop.DBus.Properties", "Get", "ss"), ("org.freedesktop.DBus.Properties", "GetAll", "s"),
            ("org.freedesktop.DBus.Properties", "Set", "ssv"), ("org.freedesktop.DBus.Introspectable", "Introspect", ""),
            ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""), ("org.freedesktop.DBus.Peer", "Ping", ""),
            ("org.freedesktop.DBus.Peer", "GetMachineId", "")]


class Fuzzer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.manager, self.exec = methods_of("org.execd1.Manager"), methods_of("org.execd1.Exec")
        self.fds = [os.open("/dev/null", os.O_RDWR), os.open("/", os.O_RDONLY), os.open("/etc/passwd", os.O_PATH),
                    os.open("/proc/self/mem", os.O_RDONLY), *os.pipe(), os.openpty()[1],
                    socket.socketpair()[0].detach(), os.memfd_create("odd"), os.open("/dev/zero", os.O_RDONLY)]
        # Input at its end, and an output without readers.
        reader, writer = os.pipe()
        os.close(writer)
        self.pipes = [reader, self.fds[5], self.fds[5]]
        self.paths = ["/org/execd1", "/org/execd1/exec", "/", "/org/execd1/exec/_" + "0" * 64, "/org/execd1/exec/_x",
                      "/org/execd1/nosuch"]

    def text(self):
        if self.random.random() < 0.1:
            return "".join(chr(self.random.choice([1, 9, 10, 27, 34, 65, 92, 128, 233, 0x4e2d, 0x1f600]))
                           for _ in range(self.random.randrange(40)))
        return self.random.choice(TEXTS)

    def items(self):
        return range(self.random.choice([0, 1, 1, 2, 3, 5, 5000 if self.random.random() < 0.02 else 4]))

    def value(self, kind):
        r = self.random
        if kind in ("s",):
            return self.text()
        if kind == "o":
            return r.choice(self.paths)
        if kind == "g":
            return r.choice(["", "s", "a{sv}", "(ii)"])
        if kind == "h":
            return r.choice(self.fds)
        if kind == "b":
            return r.choice([0, 1])
        if kind == "d":
            return r.choice([0.0, -1.5, float("nan"), float("inf")])
        if kind in "ynqiuxt":
            return r.choice(NUMBERS)
        if kind == "v":
            inner = r.choice(KINDS[:9])
            return inner, self.value(inner)
        if kind == "a{sv}":
            return self.options()
        if kind[:2] == "a{":
            return {self.text(): self.text() for _ in self.items()}
        if kind[0] == "a":
            return [self.value(kind[1:]) for _ in self.items()]
        values, rest = [], kind[1:-1]
        while rest:
            one, rest = split_type(rest)
            values.append(self.value(one))
        return values

    def options(self):
        options = {}
        for _ in self.items():
            if len(options) > 8:
                break
            key = self.random.choice(list(OPTIONS))
            kind = OPTIONS[key] if self.random.random() < 0.8 else self.random.choice(KINDS)
            options[key if self.random.random() < 0.95 else self.text()] = (kind, self.value(kind))
        return options

    def call(self, with_execs):
        r = self.random
        choice = r.random()
        if choice < 0.45:
            member, signature = r.choice(list(self.manager.items()))
            path, interface = "/org/execd1", "org.execd1.Manager"
        elif choice < 0.85:
            member, signature = r.choice(list(self.exec.items()))
            path, interface = r.choice(with_execs or self.paths), "org.execd1.Exec"
        else:
            interface, member, signature = r.choice(STANDARD)
            path = r.choice(self.paths + with_execs)
        if r.random() < 0.08:
            signature = r.choice(["", "s", "sas", "t", "a{sv}", "hhh", "sasa{sv}", "ib", *KINDS])
        if r.random() < 0.05:
            path = r.choice(self.paths)
        values, rest = [], signature
        while rest:
            one, rest = split_type(rest)
            values.append(self.value(one))
        # Half of what creates is to go so far that there is something to play with.
        if signature.startswith("sas") and r.random() < 0.6:
            values[0], values[1] = "web", r.choice([["true"], ["id", "-u"], ["sleep", "0.2"], ["cat"]])
            if len(values) > 2 and r.random() < 0.6:
                values[2] = {"AttachStdin": ("b", 1), "Tty": ("b", r.random() < 0.5)}
            if signature.endswith("hhh") and r.random() < 0.6:
                values[3:] = self.pipes
        return path, interface, member, signature, values


def main():
    fuzzer = Fuzzer(int(sys.argv[1]))
    bus, execs, well, bad, silent, got = Bus(), [], 0, 0, 0, []
    for _ in range(int(sys.argv[2])):
        path, interface, member, signature, values = fuzzer.call(execs)
        try:
            answer = bus.call(path, interface, member, signature, *values,
                              timeout=BUDGET_OF_SILENCE if member in ("Wait", "Run") else 20)
            well += 1
            if member in ("CreateExec", "RunExec", "RunPiped") and interface.endswith("Manager"):
                execs = (execs + [answer[1]])[-20:]
            if member == "GetRecording":
                got.append(answer[0])
            if member in ("Attach", "StartAttached"):
                got.append(answer[0])
                os.write(answer[0], b"\x04exit\n") if fuzzer.random.random() < 0.5 else None
            if member in ("RunPiped", "StartPiped"):
                got += answer[-3:]
            while len(got) > 10:
                os.close(got.pop(0))
        except BusError as e:
            if e.name == "org.freedesktop.DBus.Error.ServiceUnknown":
                print(f"gone after {member} {signature}: {e}")
                return 1
            if e.name == "org.freedesktop.DBus.Error.Disconnected":
                # The bus itself does not carry such a message (too many file descriptors, say).
                bus = Bus()
            silent += e.name in ("org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout")
            bad += 1
        except (OSError, ValueError) as e:
            # The bus, or our own library, has refused the message.
            bad += 1
            if isinstance(e, OSError) and e.errno in (104, 107, 32):
                bus = Bus()
    bus.call("/org/execd1", "org.freedesktop.DBus.Peer", "Ping")
    print(f"{well} answered, {bad} refused, {silent} of them without an answer in time")
    return 0 if well > 0 and bad > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
