# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients see who is in which container with which labels, and follow changes without polling, if they are authorized."""

import ctypes
import json
import os
import re
import signal
import subprocess

import pytest

import helper
from bus import Bus, BusError, check as checked, lib
from helper import as_user, exec_call, exec_property, execctl, manager, run, shell, wait_for

PROGRAM = f"{helper.TREE}/packaging/examples/who-is-in-containers.py"
NOBODY = 2**32 - 1


def values(properties):
    return {name: value["data"] for name, value in properties.items()}


def filtered(*words, **more):
    """ID → properties."""
    count = len(words) // 3
    rows = manager("ListExecsFiltered", "a{sv}", str(count), *words, **more)[0]
    return {row[0]: values(row[2]) for row in rows}


@pytest.fixture
def long_exec():
    """One that runs until the test ends."""
    ident, path = manager("CreateExec", "sasa{sv}", "web", "2", "sleep", "1000", "5", "User", "s", "1:1",
                          "WorkingDir", "s", "/tmp", "OnDisconnect", "s", "hangup", "Labels", "a{ss}", "2", "team",
                          "blue", "ticket", "a=b", "Properties", "a{ss}", "1", "TasksMax", "20")
    exec_call(path, "Start")
    yield ident, path
    exec_call(path, "Kill", "ib", str(int(signal.SIGKILL)), "true")
    exec_call(path, "Wait", "t", "0")


def test_what_an_exec_says(long_exec):
    ident, path = long_exec
    e = filtered("Container", "s", "web", "State", "s", "running")[ident]
    assert (e["ContainerName"], e["ContainerKind"]) == ("web", "machine")
    assert (e["User"], e["WorkingDir"], e["OnDisconnect"]) == ("1:1", "/tmp", "hangup")
    assert e["Labels"] == {"team": "blue", "ticket": "a=b"}
    assert e["Properties"] == {"TasksMax": "20"}
    assert (e["CallerUID"], e["CallerProgram"]) == (0, "busctl")
    assert e["CallerPID"] > 1 and e["CallerSession"] == "" and e["CallerLoginUID"] == NOBODY
    assert (e["Result"], e["ExitStatus"], e["FinishedUSec"]) == ("", -1, 0)
    assert e["StartedUSec"] >= e["CreatedUSec"] > 0
    assert exec_property(path, "Labels") == e["Labels"]
    plain = manager("Run", "sas", "web", "1", "true")[1]
    assert (exec_property(plain, "User"), exec_property(plain, "Labels")) == ("root", {})


def unenforced(name, controller):
    """The warning about the limit on this system."""
    if helper.has_controller(controller):
        return []
    return [f"{name}: not enforced, since the kernel has no {controller} controller in the unified cgroup hierarchy"]


def test_limits_that_the_kernel_does_not_enforce(long_exec):
    ident, path = long_exec
    assert exec_property(path, "Warnings") == unenforced("TasksMax", "pids")
    assert filtered("State", "s", "running")[ident]["Warnings"] == unenforced("TasksMax", "pids")
    plain = manager("CreateExec", "sasa{sv}", "web", "1", "true", "1", "Properties", "a{ss}", "1", "RuntimeMaxSec", "5")[1]
    assert exec_property(plain, "Warnings") == []
    shell("systemctl restart execd.service")
    assert exec_property(path, "Warnings") == unenforced("TasksMax", "pids")


def test_who_asked_is_known_after_a_restart():
    ident = manager("CreateExec", "sasa{sv}", "web", "1", "true", "0")[0]
    before = filtered()[ident]
    path = manager("GetExec", "s", ident)[0]
    exec_call(path, "Start")
    exec_call(path, "Wait", "t", "0")
    shell("systemctl restart execd.service")
    after = filtered()[ident]
    for name in ("CallerUID", "CallerPID", "CallerProgram", "CallerLoginUID", "CallerSession", "Labels", "WorkingDir",
                 "ContainerKind", "OnDisconnect"):
        assert after[name] == before[name], name


def test_filters(long_exec):
    ident, _ = long_exec
    container = manager("GetContainer", "s", "web")[0]["Id"]["data"]
    for words in (("Container", "s", container[:12]), ("User", "s", "1:1"), ("CallerUID", "u", "0"),
                  ("State", "s", "running")):
        assert ident in filtered(*words), words
    for words in (("Container", "s", "booted"), ("User", "s", "root"), ("CallerUID", "u", "1000"),
                  ("State", "s", "exited"), ("Container", "s", "")):
        assert ident not in filtered(*words), words

    def by_labels(*labels):
        rows = manager("ListExecsFiltered", "a{sv}", "1", "Labels", "as", str(len(labels)), *labels)[0]
        return ident in [row[0] for row in rows]

    assert by_labels("team") and by_labels("team=blue", "ticket=a=b")
    assert not by_labels("team=red") and not by_labels("team", "nosuch") and not by_labels("tea")
    assert not by_labels("") and not by_labels("", "team")


@pytest.mark.parametrize("words,text", [
    (("1", "Nosuch", "s", "x"), 'filters: unknown filter "Nosuch"'),
    (("1", "State", "s", "dead"), "State: created, running, exited or failed is expected"),
    (("1", "State", "u", "1"), "State: a string (s) is expected"),
    (("1", "CallerUID", "s", "0"), "CallerUID: a number (u) is expected"),
    (("1", "Labels", "s", "x"), "Labels: an array of strings (as) is expected"),
    (("1", "Labels", "as", "65", *["x"] * 65), "Labels: more than 64"),
    (("1", "Container", "s", "x" * 5000), "Container: longer than 4096 bytes"),
])
def test_filters_that_are_wrong(words, text):
    assert text in manager("ListExecsFiltered", "a{sv}", *words, ok=False)


def test_others_see_their_own_only(long_exec):
    ident, _ = long_exec
    assert {e["CallerUID"] for e in filtered(user="user").values()} <= {1000} and ident not in filtered(user="user")
    assert ident in filtered(user="member")


# Attached clients.

def clients(path):
    return [tuple(c) for c in exec_property(path, "Clients")]


def test_clients_and_who_has_the_input():
    with Bus() as first, Bus() as second:
        _, path = first.manager("CreateExec", "sasa{sv}", "web", ["cat"], {"AttachStdin": ("b", True)})
        one = first.exec(path, "StartAttached", "")[0]
        assert clients(path) == [(0, os.getpid(), True)]
        two = second.exec(path, "Attach", "a{sv}", {})[0]
        assert clients(path) == [(0, os.getpid(), True), (0, os.getpid(), False)]
        ident, pid = path.rpartition("_")[2], os.getpid()
        shown = f"uid=0,pid={pid},input=yes uid=0,pid={pid},input=no"
        assert execctl("show", "-P", "Clients", ident).out.decode() == shown + "\n"
        assert f"Clients: {shown}\n" in execctl("status", ident).out.decode()
        assert json.loads(execctl("status", "--json=short", ident).out)["clients"] == [
            {"uid": 0, "pid": pid, "input": True}, {"uid": 0, "pid": pid, "input": False}]
        assert b"unprintable" not in execctl("show", ident).out + execctl("show").out + execctl("show", "web").out
        os.close(two)
        wait_for(lambda: len(clients(path)) == 1, what="the second client to be gone")
        os.close(one)
        first.exec(path, "Wait", "t", 0)
        assert clients(path) == []


def test_clients_with_pipes_of_their_own():
    p = subprocess.Popen(["execctl", "run", "-i", "--label", "who=pipes", "web", "cat"], stdin=subprocess.PIPE)
    try:
        def found():
            rows = manager("ListExecsFiltered", "a{sv}", "2", "State", "s", "running", "Labels", "as", "1", "who=pipes")[0]
            return rows and rows[0][1]

        path = wait_for(found, what="the exec")
        # It is shown as running from the moment on that its start was requested.
        wait_for(lambda: clients(path) == [(0, p.pid, True)], what=lambda: f"the caller among {clients(path)}")
    finally:
        p.stdin.close()
        assert p.wait() == 0


class Monitor:
    """The output of busctl monitor, as a user; ready after the first signal."""

    def __init__(self, tmp_path):
        self.log = open(tmp_path / "monitor", "w+")
        self.process = subprocess.Popen(["busctl", "monitor", "--json=short", "--match",
                                         "type='signal',sender='org.execd1'"], stdout=self.log, stderr=subprocess.DEVNULL)

    def __enter__(self):
        def is_ready():
            manager("Run", "sas", "web", "1", "true")
            return os.path.getsize(self.log.name) > 0

        wait_for(is_ready, what="the monitor")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def signals(self, member):
        with open(self.log.name) as lines:
            told = [json.loads(line) for line in lines if line.endswith("\n")]
        return [m for m in told if m.get("member") == member]


def test_attaching_is_told(tmp_path):
    with Monitor(tmp_path) as monitor, Bus() as bus:
        _, path = bus.manager("CreateExec", "sasa{sv}", "web", ["cat"], {"AttachStdin": ("b", True)})
        one = bus.exec(path, "StartAttached", "")[0]
        two = bus.exec(path, "Attach", "a{sv}", {})[0]

        def told():
            found = [m for m in monitor.signals("PropertiesChanged") if m["path"] == path]
            return [len(m["payload"]["data"][1]["Clients"]["data"]) for m in found if "Clients" in m["payload"]["data"][1]]

        wait_for(lambda: 2 in told(), what="two clients")
        os.close(two)
        wait_for(lambda: told()[-1] == 1, what="one client")
        os.close(one)
        bus.exec(path, "Wait", "t", 0)


lib.sd_bus_message_get_member.restype = ctypes.c_char_p


class Observer(Bus):
    """Knows which signals have come before the last answer."""
    seen = ()

    def __init__(self):
        super().__init__()
        self.destination = b"org.freedesktop.DBus"
        self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", "interface='org.execd1.Manager'")
        self.destination = Bus.destination

    def answer_to(self, cookie):
        self.seen = []
        while True:
            m, to = ctypes.c_void_p(), ctypes.c_uint64()
            if checked(lib.sd_bus_process(self.bus, ctypes.byref(m))) == 0:
                checked(lib.sd_bus_wait(self.bus, ctypes.c_uint64(30_000_000)))
            if not m:
                continue
            try:
                if lib.sd_bus_message_get_reply_cookie(m, ctypes.byref(to)) >= 0 and to.value == cookie:
                    return self.values_of(m)
                self.seen.append(lib.sd_bus_message_get_member(m).decode())
            finally:
                lib.sd_bus_message_unref(m)


def test_signals_come_before_answers():
    """They wait for a moment, but whoever has the answer of a call has got all signals of what was before it."""
    with Observer() as bus:
        path = bus.ask("/org/execd1", "org.execd1.Manager", "CreateExec", "sasa{sv}", "web", ["sh", "-c", "exit 3"], {})()[1]
        assert "ExecNew" in bus.seen
        bus.ask(path, "org.execd1.Exec", "Start")()
        assert "ExecStarted" in bus.seen
        assert bus.ask(path, "org.execd1.Exec", "Wait", "t", 0)()[0] == 3
        assert "ExecStarted" not in bus.seen


# Containers that come and go.

@pytest.fixture
def machine():
    """A name; what it starts is ended."""
    yield "observed"
    subprocess.run(["machinectl", "terminate", "observed"], stderr=subprocess.DEVNULL, check=False)
    wait_for(lambda: subprocess.run(["machinectl", "show", "observed"], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, check=False).returncode != 0, what="the machine's end")


def test_containers_are_told(tmp_path, machine):
    with Monitor(tmp_path) as monitor, Bus() as bus:
        bus.manager("Subscribe", "")
        bus.manager("Subscribe", "")
        shell(f"/usr/lib/execd-tests/machine start {machine}")
        wait_for(lambda: monitor.signals("ContainerNew"), what="ContainerNew")
        shell(f"machinectl terminate {machine}")
        wait_for(lambda: monitor.signals("ContainerRemoved"), what="ContainerRemoved")
        new, removed = monitor.signals("ContainerNew"), monitor.signals("ContainerRemoved")
        assert len(new) == len(removed) == 1
        assert new[0]["payload"]["data"] == removed[0]["payload"]["data"]
        assert re.fullmatch("[0-9a-f]{64}", new[0]["payload"]["data"][0])
        assert new[0]["payload"]["data"][1:] == [machine, "machine"]
        bus.manager("Unsubscribe", "")
        with pytest.raises(BusError, match="Conflict"):
            bus.manager("Unsubscribe", "")


def test_only_those_who_may_inspect_subscribe():
    assert "org.execd1.inspect" in manager("Subscribe", user="user", ok=False)
    manager("Subscribe", user="member")


LISTEN = """
import ctypes, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, lib
bus = Bus()
seen = []
handler = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(lambda *_: seen.append(1) or 0)
lib.sd_bus_match_signal(bus.bus, None, b"org.execd1", b"/org/execd1", b"org.execd1.Manager", sys.argv[2].encode(),
                        handler, None)
print("ready", flush=True)
sys.stdin.readline()
bus.call("/org/execd1", "org.freedesktop.DBus.Peer", "Ping")
while lib.sd_bus_process(bus.bus, None) > 0:
    pass
print(len(seen))
"""


def listen(user, member):
    """A client that waits for a signal, and on request prints how many came."""
    p = subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", "python3", "-c", LISTEN,
                          helper.HERE, member], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    return p


def test_names_of_containers_do_not_reach_everybody(tmp_path, machine):
    """Signals are not subject to polkit: the bus delivers these only to users who may list execs anyway."""
    listeners = [listen(user, "ContainerNew") for user in ("user", "member")]
    with Monitor(tmp_path) as monitor, Bus() as bus:
        bus.manager("Subscribe", "")
        shell(f"/usr/lib/execd-tests/machine start {machine}")
        wait_for(lambda: monitor.signals("ContainerNew"), what="ContainerNew")
        heard = [int(p.communicate("go\n")[0]) for p in listeners]
    assert heard == [0, 1]


def test_subscriptions_are_bounded():
    shell("systemctl restart execd.service")  # it may not know yet that earlier clients have gone
    buses = []
    try:
        with pytest.raises(BusError, match="too many clients of this user have subscribed: the limit is 16"):
            for _ in range(17):
                buses.append(Bus())
                buses[-1].manager("Subscribe", "")
        assert len(buses) == 17
        buses.pop(0).close()
        wait_for(lambda: can_subscribe(buses[-1]), what="room for one more")
    finally:
        for bus in buses:
            bus.close()


def can_subscribe(bus):
    try:
        bus.manager("Subscribe", "")
        return True
    except BusError:
        return False


def test_rejected_containers():
    shell("mkdir -p /run/runc/broken && echo '{}' >/run/runc/broken/state.json")
    try:
        rows = [r for r in manager("ListRejectedContainers")[0] if r[0] == "broken"]
        assert rows == [["broken", "OCI runtimes", "state.json: id is missing or not valid"]]
        assert "org.execd1.inspect" in manager("ListRejectedContainers", user="user", ok=False)
    finally:
        shell("rm -r /run/runc/broken")


# May I?

def check(action, target, *words, user=None):
    return manager("CheckAccess", "ssa{sv}", action, target, str(len(words) and 1), *words, user=user)


def test_may_i(long_exec):
    ident, _ = long_exec
    for question in (("inspect", ""), ("inspect", "web"), ("exec", "web"), ("org.execd1.exec-privileged", "web"),
                     ("manage", ident), ("replay", ident)):
        assert check(*question) == ["yes", ""]
    assert check("exec", "web", "Command", "as", "2", "id", "-u", user="member") == ["yes", ""]
    verdict, reason = check("exec", "web", user="user")
    assert verdict in ("no", "challenge") and "org.execd1.exec " in reason
    verdict, reason = check("exec", "web", "Privileged", "b", "true", user="user")
    assert verdict in ("no", "challenge") and "org.execd1.exec-privileged" in reason
    assert check("manage", ident, "Verb", "s", "kill", user="user")[0] in ("no", "challenge")


def test_what_rules_see_of_may_i():
    """A rule for one command in one container, as the user that it would run as."""
    with open("/etc/polkit-1/rules.d/01-may-i.rules", "w") as f:
        f.write("""polkit.addRule(function(action, subject) {
            if (action.id == "org.execd1.exec" && subject.user == "user")
                return action.lookup("container") == "web" && action.lookup("user") == "root" &&
                    action.lookup("program") == "id" && action.lookup("command_line") == "id -u" ?
                    polkit.Result.YES : polkit.Result.NO; });""")
    helper.restart_polkit()
    try:
        assert check("exec", "web", "Command", "as", "2", "id", "-u", user="user") == ["yes", ""]
        assert check("exec", "web", "Command", "as", "1", "id", user="user")[0] == "no"
        assert check("exec", "web", "Command", "as", "3", "id", "-u", "", user="user")[0] == "no"
        assert as_user("execctl", "run", "web", "id", "-u").out == b"0\n"
    finally:
        os.unlink("/etc/polkit-1/rules.d/01-may-i.rules")
        helper.restart_polkit()


def test_may_i_is_not_recorded():
    """Nothing was refused, since nothing was asked for."""
    since = shell("date +%s.%N").strip()
    assert check("exec", "web", user="user")[0] != "yes"
    assert as_user("execctl", "run", "web", "true").status != 0
    with open(f"{helper.TREE}/daemon/wire/message-id.h", encoding="utf-8") as f:
        message_id = re.search(r'MESSAGE_EXEC_DENIED +"([0-9a-f]{32})"', f.read()).group(1)
    log = shell(f"journalctl --sync; journalctl --since=@{since} -o cat MESSAGE_ID={message_id}")
    assert len(log.splitlines()) == 1, log


@pytest.mark.parametrize("words,text", [
    (("shutdown", "web", "0"), "action: inspect, exec, exec-privileged, manage or replay is expected"),
    (("exec", "", "0"), "object: a container is expected"),
    (("exec", "nosuch", "0"), "No such container: nosuch"),
    (("exec", "web", "1", "Nosuch", "b", "true"), 'options: unknown option "Nosuch"'),
    (("exec", "web", "1", "User", "s", "a b"), "invalid User: not a valid user name or number"),
    (("inspect", "web", "1", "Tty", "b", "true"), 'options: unknown option "Tty"'),
    (("manage", "nosuch", "0"), 'object: unknown exec "nosuch"'),
    (("replay", "0" * 64, "0"), "object: unknown exec"),
])
def test_may_i_what(words, text):
    assert text in manager("CheckAccess", "ssa{sv}", *words, ok=False)


def test_recordings_are_listed():
    r = execctl("run", "--record", "web", "echo", "recorded")
    assert r.status == 0
    newest = manager("ListRecordings")[0][-1]
    ident, path, size, finished = newest
    assert path.endswith(f"/{ident}.cast") and size == os.path.getsize(path)
    assert abs(finished - os.stat(path).st_mtime * 1e6) < 60e6
    assert ident not in [row[0] for row in manager("ListRecordings", user="user")[0]]


def test_the_example(machine):
    """It says what is, then what changes, without asking again."""
    p = subprocess.Popen([PROGRAM], stdout=subprocess.PIPE, text=True)
    try:
        # Its line about an exec shows that it follows the changes.
        begun = subprocess.Popen(["execctl", "run", "-i", "web", "head", "-n", "2"], stdin=subprocess.PIPE)
        line = p.stdout.readline()
        begun.stdin.close()
        assert begun.wait() == 0
        shell(f"/usr/lib/execd-tests/machine start {machine}")
        while line != f"ContainerNew {machine} machine\n":
            assert re.match(r"[0-9a-f]{12} web \(machine\): uid 0 as root: head -n 2 \[\] attached: |ExecExited ", line), line
            line = p.stdout.readline()
        e = subprocess.Popen(["execctl", "run", "-i", "--label", "team=blue", "--user", "1:1", "web", "cat"],
                             stdin=subprocess.PIPE)
        ident, line = p.stdout.readline().split(" ", 1)
        assert line == "web (machine): uid 0 as 1:1: cat [team=blue] attached: 0*\n"
        e.stdin.close()
        assert e.wait() == 0
        assert p.stdout.readline() == f"ExecExited {ident} 0\n"
    finally:
        p.kill()
        p.wait()
    assert run(PROGRAM, "--once").status == 0


def test_what_systemctl_shows(long_exec):
    """systemctl status has a line for each of the two services."""
    def status(unit):
        return shell(f"systemctl show -P StatusText {unit}").strip()

    assert long_exec
    wait_for(lambda: re.fullmatch(r"\d+ execs? in \d+ containers?, \d+ HTTP connections?\.", status("execd.service")),
             what=lambda: f"the execs in {status('execd.service')!r}")
    wait_for(lambda: re.fullmatch(r"Serving execd, watching [1-9]\d* containers?\.", status("execd-spawner.service")),
             what=lambda: f"the containers in {status('execd-spawner.service')!r}")
