#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows who runs what in which container, and what changes: each line is a container that was started or has
ended, a running exec, or an exec that has ended, with its exit status.
Needs libsystemd and busctl. Run it as root or as a member of the group execd.

who-is-in-containers.py [--once]
"""

import ctypes
import json
import subprocess
import sys

MANAGER = ("org.execd1", "/org/execd1", "org.execd1.Manager")


def call(member, *arguments):
    output = subprocess.run(["busctl", "--json=short", "call", *MANAGER, member, *arguments], check=True, stdout=subprocess.PIPE)
    return json.loads(output.stdout)["data"][0]


def show():
    for _, _, properties in call("ListExecsFiltered", "a{sv}", "1", "State", "s", "running"):
        e = {name: value["data"] for name, value in properties.items()}
        labels = ",".join(f"{k}={v}" for k, v in e["Labels"].items())
        clients = " ".join(f"{uid}{'*' if has_input else ''}" for uid, _, has_input in e["Clients"])
        print(f"{e['Id'][:12]} {e['ContainerName']} ({e['ContainerKind']}): uid {e['CallerUID']} as {e['User']}: {e['CommandLine']}"
              f" [{labels}] attached: {clients or 'nobody'}", flush=True)


def on_signal(pointer, _userdata, _error):
    message = ctypes.c_void_p(pointer)
    member = sd.sd_bus_message_get_member(message).decode()
    if member in ("ContainerNew", "ContainerRemoved"):
        words = [ctypes.c_char_p() for _ in range(3)]
        sd.sd_bus_message_read(message, b"sss", *map(ctypes.byref, words))
        print(member, words[1].value.decode(), words[2].value.decode(), flush=True)
    elif member == "ExecExited":
        exec_id, path, status = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_int()
        sd.sd_bus_message_read(message, b"soi", *map(ctypes.byref, (exec_id, path, status)))
        print(member, exec_id.value.decode()[:12], status.value, flush=True)
    elif member == "ExecStarted":
        show()
    return 0


sd = ctypes.CDLL("libsystemd.so.0")
sd.sd_bus_message_get_member.restype = ctypes.c_char_p
bus, handler = ctypes.c_void_p(), ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(on_signal)
if "--once" not in sys.argv[1:]:
    sd.sd_bus_open_system(ctypes.byref(bus))
    sd.sd_bus_add_match(bus, None, b"type='signal',sender='org.execd1',interface='org.execd1.Manager'", handler, None)
    if sd.sd_bus_call_method(bus, *map(str.encode, MANAGER), b"Subscribe", None, None, b"") < 0:
        sys.exit("Failed to subscribe: this needs org.execd1.inspect")
show()
while bus:
    if sd.sd_bus_process(bus, None) == 0:
        sd.sd_bus_wait(bus, ctypes.c_uint64(2**64 - 1))
