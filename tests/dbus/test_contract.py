# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interface is the one that dbus/ describes, and busctl alone is enough to use it."""

import json
import os
import re
import signal
import subprocess
import xml.etree.ElementTree as tree

import pytest

import helper
from bus import Bus, BusError
from helper import exec_call, exec_property, execctl, manager, run, shell, wait_for

EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def described(node, name):
    """The parts of an interface that clients depend on, as a set of lines."""
    lines = set()
    interface = next(i for i in node.iter("interface") if i.get("name") == name)
    for member in interface:
        if member.tag == "annotation":
            continue
        words = [member.tag, member.get("name"), member.get("type") or "", member.get("access") or ""]
        for arg in member.findall("arg"):
            direction = arg.get("direction") or ("out" if member.tag == "signal" else "in")
            words.append(f"{direction} {arg.get('type')} {arg.get('name')}")
        for note in member.findall("annotation"):
            words.append(f"{note.get('name')}={note.get('value')}")
        lines.add(" | ".join(words))
    return lines


def live(path):
    return tree.fromstring(run("busctl", "introspect", "--xml-interface", "org.execd1", path).out)


@pytest.mark.parametrize("name", ["Manager", "Exec"])
def test_introspection_is_the_contract(name):
    path = "/org/execd1"
    if name == "Exec":
        path = manager("Run", "sas", "web", "1", "true")[1]
    written = tree.parse(f"{helper.TREE}/dbus/org.execd1.{name}.xml").getroot()
    assert described(live(path), f"org.execd1.{name}") == described(written, f"org.execd1.{name}")


def test_log_control_and_object_manager():
    names = {i.get("name") for i in live("/org/freedesktop/LogControl1").iter("interface")}
    assert "org.freedesktop.LogControl1" in names
    names = {i.get("name") for i in live("/org/execd1").iter("interface")}
    assert "org.freedesktop.DBus.ObjectManager" in names
    with Bus() as bus:
        _, path = bus.manager("CreateExec", "sasa{sv}", "web", ["true"], {})
        objects = bus.call("/org/execd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]
        assert objects[path]["org.execd1.Exec"]["Command"] == ["true"]


def test_run_by_hand():
    assert run("busctl", "call", "--", *helper.MANAGER, "Run", "sas", "web", "2", "id", "-u").out.startswith(b"io 0 ")
    assert manager("Run", "sas", "web", "3", "sh", "-c", "exit 7")[0] == 7
    assert manager("Run", "sas", "web", "3", "sh", "-c", "kill -9 $$")[0] == 137
    said = manager("Run", "sas", "web", "1", "nosuch", ok=False)
    assert said.strip() == 'Call failed: "nosuch": executable file not found in $PATH'
    assert "No such container" in manager("Run", "sas", "nosuch", "1", "true", ok=False)


def test_list_inspect_and_kill_by_hand():
    ident, path = manager("CreateExec", "sasa{sv}", "web", "2", "sleep", "1000", "2", "User", "s", "1:1", "Labels",
                          "a{ss}", "1", "team", "blue")
    assert exec_property(path, "State") == "created"
    exec_call(path, "Start")
    row = next(e for e in helper.execs() if e[0] == ident)
    assert row[1:6] == [path, "web", "running", "sleep 1000", f"exec-{ident}.scope"] and row[6] == 0
    assert shell(f"systemctl is-active exec-{ident}.scope").strip() == "active"
    assert manager("GetExec", "s", ident) == [path]
    assert exec_property(path, "User") == "1:1"
    assert exec_property(path, "Pid") > 1
    assert "has not ended" in exec_call(path, "Wait", "t", "200000", ok=False)
    exec_call(path, "Kill", "ib", str(int(signal.SIGTERM)), "false")
    assert exec_call(path, "Wait", "t", "0") == [143, "signal"]
    assert exec_property(path, "State") == "exited" and exec_property(path, "Pid") == 0
    container = manager("GetContainer", "s", "web")[0]
    assert container["Name"]["data"] == "web" and container["Kind"]["data"] == "machine"
    assert "web" in [c[1] for c in manager("ListContainers")[0]]
    usage, execs = manager("GetContainerUsage", "s", "web")
    assert usage["TasksCurrent"] >= 0 and usage["CPUUsageUSec"] >= 0 and isinstance(execs, list)


def test_properties_of_the_manager():
    def get(name):
        return helper.busctl("get-property", *helper.MANAGER, name)

    assert re.match(r"\d+\.\d+", get("Version"))
    assert "stdio-fds" in get("Features")
    assert get("ExecsMax") >= get("ExecsPerUserMax") > 0
    assert get("RetentionUSec") >= 5 * 60 * 1000000


def test_signals_come_in_order(tmp_path):
    log = open(tmp_path / "monitor", "w+")
    monitor = subprocess.Popen(["busctl", "monitor", "--json=short", "--match",
                                "type='signal',sender='org.execd1'"], stdout=log, stderr=subprocess.DEVNULL)
    try:
        # It sees what comes once it is a monitor.
        def is_monitor():
            manager("Run", "sas", "web", "1", "true")
            return os.path.getsize(log.name) > 0

        wait_for(is_monitor, what="the monitor")
        path = manager("Run", "sas", "web", "3", "sh", "-c", "exit 3")[1]
        wait_for(lambda: any("ExecExited" in line and path in line for line in open(log.name)),
                 what="the last signal")
        helper.let_pass(0.3)
    finally:
        monitor.terminate()
        monitor.wait()
    told = []
    for line in open(log.name):
        m = json.loads(line)
        data = m["payload"]["data"]
        if m["member"] == "PropertiesChanged" and m["path"] == path:
            told.append("state " + data[1]["State"]["data"])
        elif m["member"] == "InterfacesAdded" and data[0] == path:
            told.append("added")
        elif m["interface"] == "org.execd1.Manager" and path in data:
            told.append(m["member"] + (f" {data[2]}" if len(data) > 2 else ""))
    # "running" can be reported twice: when the start was accepted and when the command runs.
    order = [t for i, t in enumerate(told) if t not in told[:i]]
    assert order == ["added", "ExecNew", "state running", "ExecStarted", "state exited", "ExecExited 3"], told
    assert told.count("ExecNew") == told.count("ExecStarted") == told.count("ExecExited 3") == 1


def test_attach_options_and_a_second_writer():
    with Bus() as bus:
        _, path = bus.manager("CreateExec", "sasa{sv}", "web", ["cat"], {"AttachStdin": ("b", True)})
        stream = bus.exec(path, "StartAttached")[0]
        os.write(stream, b"hello\n")
        with pytest.raises(BusError) as e:
            bus.exec(path, "Attach", "a{sv}", {"Stdin": ("b", True)})
        assert e.value.name == "org.execd1.Error.Conflict"
        with pytest.raises(BusError) as e:
            bus.exec(path, "Attach", "a{sv}", {"Nothing": ("b", True)})
        assert e.value.name == "org.execd1.Error.BadRequest"
        watcher = bus.exec(path, "Attach", "a{sv}", {"Replay": ("b", True)})[0]
        frame = b"\x01\0\0\0\0\0\0\x06hello\n"
        assert os.read(stream, 100) == frame
        assert os.read(watcher, 100) == frame
        bus.exec(path, "Kill", "ib", 9, False)
        assert bus.exec(path, "Wait", "t", 0) == [137, "signal"]
        assert os.read(stream, 100) == os.read(watcher, 100) == b""
        os.close(stream)
        os.close(watcher)


ODD_CALLS = {
    "no command": ("CreateExec", "sasa{sv}", "web", [], {}),
    "no command to run": ("Run", "sas", "web", []),
    "more words than fit": ("CreateExec", "sasa{sv}", "web", ["true"] * 263000, {}),
    "more bytes than fit": ("CreateExec", "sasa{sv}", "web", ["a" * 60000] * 40, {}),
    "a user of 70 KB": ("CreateExec", "sasa{sv}", "web", ["true"], {"User": ("s", "a" * 70000)}),
    "a user with a colon too many": ("CreateExec", "sasa{sv}", "web", ["true"], {"User": ("s", "a:b:c")}),
    "a flag that is a text": ("CreateExec", "sasa{sv}", "web", ["true"], {"Tty": ("s", "yes")}),
    "an array of arrays": ("CreateExec", "sasa{sv}", "web", ["true"], {"Env": ("aas", [[], ["A=1"], []])}),
    "a variable without a name": ("CreateExec", "sasa{sv}", "web", ["true"], {"Env": ("as", ["=", ""])}),
    "a label whose key has an equals sign": ("CreateExec", "sasa{sv}", "web", ["true"], {"Labels": ("a{ss}", {"a=b": "c"})}),
    "a name of nothing": ("GetContainer", "s", ""),
    "a name of 5 KB": ("GetContainer", "s", "a" * 5000),
    "an exec of nothing": ("GetExec", "s", ""),
    "the usage of nothing": ("GetContainerUsage", "s", ""),
}


@pytest.mark.parametrize("case", ODD_CALLS)
def test_odd_arguments_by_hand(case):
    """T-H3: an error of execd's own, with a text, and execd goes on."""
    with Bus() as bus:
        bus.manager("ListContainers")
        pids = [helper.service_pid(unit) for unit in ("execd", "execd-spawner")]
        with pytest.raises(BusError) as e:
            bus.manager(*ODD_CALLS[case])
        assert e.value.name.startswith("org.execd1.Error.") and str(e.value).split(": ", 1)[1], e.value
        assert e.value.name != "org.execd1.Error.Internal", e.value
        bus.manager("ListContainers")
        assert pids == [helper.service_pid(unit) for unit in ("execd", "execd-spawner")]


def bus_owner():
    return run("busctl", "call", "--", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s",
               "org.execd1").out


def test_more_waiting_callers_than_the_bus_allows_matches():
    """dbus-daemon closes the connection of one that asks for more than 512; none of these may cost execd its own."""
    exec_id = execctl("run", "-d", "web", "--", "sleep", "100").out.decode().strip()
    owner = bus_owner()
    callers = [Bus() for _ in range(7)]
    try:
        for caller in callers:
            for _ in range(100):
                caller.send(f"/org/execd1/exec/_{exec_id}", "org.execd1.Exec", "Wait", "t", 0)
        assert execctl("run", "web", "--", "true").status == 0
    finally:
        for caller in callers:
            caller.close()
        execctl("kill", "-s", "KILL", exec_id)
    assert bus_owner() == owner
