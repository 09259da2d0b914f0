# SPDX-License-Identifier: LGPL-2.1-or-later
"""No caller takes the share of others in questions to polkit."""

import contextlib
import os
import signal
import subprocess

import pytest

import helper
from bus import Bus, BusError
from helper import Terminal, as_user, execctl, shell

# Those of "user" are answered at once.
ALLOW = """
polkit.addRule(function(action, subject) {
    if (subject.user == "user" && action.id != "org.execd1.exec-privileged")
        return polkit.Result.YES;
});
"""
# Questions to an agent that never answers, over several connections; then one more.
HANGING = """
import os, signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
r, w = os.pipe()
agent = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "pkttyagent", "--process", str(os.getpid()), "--notify-fd", str(w)],
                         pass_fds=[w])
os.close(w)
os.read(r, 1)
agent.send_signal(signal.SIGSTOP)
buses = []
for i in range(int(sys.argv[2])):
    if i % 100 == 0:
        buses.append(Bus())
    buses[-1].send("/org/execd1", "org.execd1.Manager", "Run", "sas", "web", ["true"], interactive=True)
buses.append(Bus())
try:
    buses[-1].manager("Run", "sas", "web", ["true"], interactive=True, timeout=100)
    print("ran")
except BusError as e:
    print("answer", e.name)
sys.stdin.readline()
agent.kill()
"""
# As many bytes as a call may have, again and again; how the answers are that come at once.
LARGE = """
import collections, os, signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
r, w = os.pipe()
agent = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "pkttyagent", "--process", str(os.getpid()), "--notify-fd", str(w)],
                         pass_fds=[w])
os.close(w)
os.read(r, 1)
agent.send_signal(signal.SIGSTOP)
buses = [Bus() for _ in range(4)]
command = ["true"] + ["x" * 100000] * 10
for i in range(160):
    buses[i % 4].send("/org/execd1", "org.execd1.Manager", "Run", "sas", "web", command, interactive=True)
    # The bus itself refuses calls that execd has not read for long.
    if i % 16 == 15:
        for bus in buses:
            bus.call("/org/execd1", "org.freedesktop.DBus.Peer", "Ping", timeout=100)
try:
    buses[0].manager("Run", "sas", "web", command, interactive=True, timeout=100)
    print("ran")
except BusError as e:
    print("answer", e)
sys.stdin.readline()
agent.kill()
"""
CURL = ["curl", "-s", "--unix-socket", "/run/execd/execd.sock"]
CONFIG = "/run/execd/execd.conf.d/50-test-shares.conf"


def over_http(*words, user="user"):
    """As a member of the group; body and status."""
    return helper.run("setpriv", f"--reuid={user}", f"--regid={user}", "--groups=execd", "--", *CURL, "-w", " %{http_code}",
                      *words, timeout=60).out.decode()


def lists_at_once(count):
    """Begins so many requests of one user. Called, what this gives waits for the answers."""
    callers = [subprocess.Popen(["setpriv", "--reuid=user", "--regid=user", "--groups=execd", "--", *CURL, "-w",
                                 " %{http_code}", "http://x/containers/json"], stdout=subprocess.PIPE) for _ in range(count)]
    return lambda: [c.communicate(timeout=110)[0].decode() for c in callers]


@contextlib.contextmanager
def questions():
    """Returns a function that returns when polkit has been asked once more."""
    with subprocess.Popen(["busctl", "--json=short", "--match=member=CheckAuthorization", "monitor"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as monitor:
        assert "Monitoring" in monitor.stderr.readline()
        try:
            yield monitor.stdout.readline
        finally:
            monitor.kill()


def create_over_http():
    return over_http("-H", "Content-Type: application/json", "-d", '{"Cmd":["true"]}', "http://x/containers/web/exec")


@contextlib.contextmanager
def timeout_of(span):
    os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
    with open(CONFIG, "w") as f:
        f.write(f"[Daemon]\nAuthorizationTimeoutSec={span}\n")
    os.chmod(CONFIG, 0o644)
    shell("systemctl reload-or-restart execd.service")
    try:
        yield
    finally:
        os.unlink(CONFIG)
        shell("systemctl reload-or-restart execd.service")


@pytest.fixture
def impatient():
    """Answers that do not come are not waited for long."""
    with timeout_of("2s"):
        yield


@pytest.fixture
def patient():
    """An answer may come as late as a busy host makes it."""
    with timeout_of("100s"):
        yield


@pytest.mark.parametrize("count", [130, 600])
def test_hanging_questions_of_one_user(rules, impatient, counts, count):
    """More of them than the bus has room for: other users are asked about, and the user himself has to try again."""
    rules(ALLOW)
    with Terminal("python3", "-c", HANGING, helper.HERE, str(count), user="other") as t:
        t.expect("answer org.execd1.Error.LimitExceeded")
        # A busy host answers late, and then the caller asks again. The others' questions hang for longer than this waits.
        for _ in range(3):
            helper.wait_for(lambda: as_user("execctl", "run", "web", "--", "echo", "served").out == b"served\n", 60)
            helper.wait_for(lambda: create_over_http().endswith(" 201"), 60)
            helper.wait_for(lambda: '"/web"' in over_http("http://x/containers/json"), 60)
        assert execctl("run", "web", "--", "echo", "served").out == b"served\n"
        t.send("\n")


def peak():
    pid = shell("systemctl show -P MainPID execd.service").strip()
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def test_large_calls_of_one_user(rules, counts):
    """Their requests wait for an answer; beyond the limit of one user, the error says to try again."""
    rules(ALLOW)
    shell("systemctl restart execd.service")
    with Terminal("python3", "-c", LARGE, helper.HERE, user="other") as t:
        t.expect("answer org.execd1.Error.LimitExceeded: too many bytes")
        assert b"RequestMemoryPerUserMax=" in t.seen
        for _ in range(3):
            r = as_user("execctl", "run", "web", "--", "echo", "x" * 50000)
            assert (r.status, r.out) == (0, b"x" * 50000 + b"\n"), r
            assert create_over_http().endswith(" 201")
        assert execctl("run", "web", "--", "echo", "served").out == b"served\n"
        assert helper.ASAN or peak() < 96 * 1024, f"{peak()} KiB"
        t.send("\n")
    end_created()


# Creates what it may, asks for all of it again and again, and reads no answer.
UNREAD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
def say(text):
    print(text, flush=True)
maker, made = Bus(), None
try:
    for _ in range(int(sys.argv[3])):
        made = maker.manager("CreateExec", "sasa{sv}", "web", ["true"] + ["x" * 100000] * int(sys.argv[4]), {})[1]
    say("made all")
except BusError as e:
    say("made until " + e.name)
words = {"objects": ("/org/execd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
         "filtered": ("/org/execd1", "org.execd1.Manager", "ListExecsFiltered", "a{sv}", {}),
         "property": (made, "org.freedesktop.DBus.Properties", "Get", "ss", "org.execd1.Exec", "Command")}[sys.argv[2]]
buses = [Bus() for _ in range(4)]
for i in range(200):
    buses[i % 4].ask(*words)
say("asked")
if os.getuid() != 0:
    try:
        Bus().call(*words)
        say("answered")
    except BusError as e:
        say("refused " + str(e))
sys.stdin.readline()
"""


def end_created():
    """Execs that are never started stay for minutes otherwise."""
    shell("systemctl stop execd.service execd-spawner.service; rm -f /run/execd/state/execs.json")


def is_served():
    try:
        with Bus() as bus:
            return bus.manager("ListContainers", timeout=5)
    except BusError:
        return None


def asker(*words, user="other"):
    return subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", "python3", "-c", UNREAD,
                             helper.HERE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def creators_rules():
    return ALLOW.replace('subject.user == "user"', '["user", "other"].indexOf(subject.user) >= 0')


@pytest.mark.parametrize("words", ["objects", "filtered"])
def test_lists_that_nobody_reads(rules, counts, words):
    """R-H2: lists are small, however large the commands are."""
    rules(creators_rules())
    shell("systemctl restart execd.service")
    with asker(words, "40", "9") as p:
        assert p.stdout.readline() == "made until org.execd1.Error.LimitExceeded\n"
        assert p.stdout.readline() == "asked\n"
        for _ in range(3):
            r = as_user("execctl", "run", "web", "--", "echo", "served")
            assert (r.status, r.out) == (0, b"served\n"), r
            assert create_over_http().endswith(" 201")
        assert execctl("run", "web", "--", "echo", "served").out == b"served\n"
        assert helper.ASAN or peak() < 96 * 1024, f"{peak()} KiB"
        p.stdin.close()
    end_created()


def test_property_that_nobody_reads(rules, counts):
    """R-H2: the bus would take no more from execd if it had 127 MiB of unread messages."""
    rules(creators_rules())
    shell("systemctl restart execd.service")
    with asker("property", "1", "18") as p:
        assert p.stdout.readline() == "made all\n"
        assert p.stdout.readline() == "asked\n"
        for _ in range(3):
            r = as_user("execctl", "run", "web", "--", "echo", "served")
            assert (r.status, r.out) == (0, b"served\n"), r
            assert create_over_http().endswith(" 201")
        said = p.stdout.readline()
        assert said.startswith("refused org.execd1.Error.LimitExceeded: too many bytes of answers"), said
        assert shell("systemctl show -P NRestarts execd.service").strip() == "0"
        p.stdin.close()
    end_created()


# Makes execs, and asks for their names until there are too many bytes of answers.
INTROSPECT = """
import sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
bus = Bus()
for _ in range(1000):
    bus.manager("CreateExec", "sasa{sv}", "web", ["true"], {})
for i in range(1000):
    try:
        names = bus.call("/org/execd1/exec", "org.freedesktop.DBus.Introspectable", "Introspect")[0]
    except BusError as e:
        print("refused", e)
        break
print(names.count("<node name="), i)
"""


def test_introspection_of_all_execs(rules, counts):
    """R-H2: the names of all execs are an answer like other lists: of one's own, and counted."""
    rules(creators_rules())
    shell("systemctl restart execd.service")
    foreign = execctl("run", "-d", "web", "--", "true").out.decode().strip()
    done = helper.run("setpriv", "--reuid=user", "--regid=user", "--groups=execd", "--", "python3", "-c", INTROSPECT, helper.HERE,
                      timeout=110)
    refused, counted = done.out.decode().splitlines()
    assert refused.startswith("refused org.execd1.Error.LimitExceeded: too many bytes of answers"), done
    assert int(counted.split()[0]) >= 1000 and int(counted.split()[1]) >= 300, done
    assert foreign.encode() in helper.run("busctl", "tree", "org.execd1").out
    end_created()


def test_bus_that_takes_no_more(rules, counts):
    """R-H2: root may have as many answers as he likes. Commands, and who is attached, do not notice; the others on the bus
    are served again after a while."""
    rules(creators_rules())
    shell("systemctl restart execd.service")
    with Terminal("execctl", "run", "-it", "web", "--", "sh", "-c", "echo begun; read line; echo got $line", user="user") as t:
        t.expect("begun")
        with asker("property", "1", "18", user="root") as p:
            assert p.stdout.readline() == "made all\n"
            assert p.stdout.readline() == "asked\n"
            helper.wait_for(is_served, seconds=120, what="the bus to be served")
            assert execctl("run", "web", "--", "echo", "served").out == b"served\n"
            assert helper.ASAN or peak() < 96 * 1024, f"{peak()} KiB"
            p.stdin.close()
        t.send("this\n")
        t.expect("got this")
    end_created()


HOLD = """
import ctypes, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, check, lib
with Bus() as bus:
    check(lib.sd_bus_request_name(bus.bus, b"org.execd1", ctypes.c_uint64(2)))  # SD_BUS_NAME_ALLOW_REPLACEMENT
    print("held", flush=True)
    sys.stdin.read()
"""


def test_name_of_an_execd_that_has_left():
    """R-H2: the bus may keep its connection, and the name with it, for a while."""
    shell("systemctl stop execd.service")
    with subprocess.Popen(["setpriv", "--reuid=execd", "--regid=execd", "--clear-groups", "--", "python3", "-c", HOLD, helper.HERE],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "held\n"
        shell("systemctl start execd.service")
        helper.wait_for(is_served, seconds=30, what="the name to be the next one's")
        p.stdin.close()


@pytest.mark.parametrize("signature, values", [
    ("GetContainer s", ["x" * 20000000]), ("Run sas", ["web", ["x" * 20000000]]),
    ("CreateExec sasa{sv}", ["web", ["true"], {"Env": ("as", ["A=" + "x" * 20000000])}]),
    ("CreateExec sasa{sv}", ["web", ["true"], {"Labels": ("a{ss}", {"a": "x" * 20000000})}])])
def test_what_can_not_be_right_is_not_copied(signature, values):
    """A message may have 32 MiB."""
    member, types = signature.split()
    with Bus() as bus:
        with pytest.raises(BusError) as caught:
            bus.manager(member, types, *values)
    assert caught.value.name == "org.execd1.Error.TooLarge", caught.value


@contextlib.contextmanager
def halted_polkit():
    pid = int(shell("systemctl start polkit; systemctl show -P MainPID polkit"))
    helper.halt(pid)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


# Calls with more arguments than the method has, and with texts of megabytes; the errors, and their length.
OVERFULL = """
import sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
manager, properties = "org.execd1.Manager", "org.freedesktop.DBus.Properties"
more, name, path = [0] * 1000, "x" * 10000000, "/org/execd1/exec/_" + sys.argv[2]
bus = Bus()
for words in [("/org/execd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "ay", more),
              (path, properties, "GetAll", "say", "org.execd1.Exec", more),
              (path, properties, "Get", "ssay", "org.execd1.Exec", "State", more),
              ("/org/execd1", manager, "GetExec", "s", name), ("/org/execd1", manager, "GetRecording", "s", name),
              ("/org/execd1", manager, "ListExecsFiltered", "a{sv}", {name: ("s", "x")}),
              ("/org/execd1", manager, "ListExecsFiltered", "a{sv}", [("Labels", ("as", ["a"]))] * 2),
              ("/org/execd1", manager, "CreateExec", "sasa{sv}", "web", ["true"], {name: ("s", "x")}),
              ("/org/execd1", manager, "CreateExec", "sasa{sv}", "web", ["true"], [("Env", ("as", ["A=1"]))] * 2),
              ("/org/execd1", manager, "CreateExec", "sasa{sv}", "web", ["true"], {"Properties": ("a{ss}", {name: "1"})}),
              ("/org/execd1", manager, "CreateExec", "sasa{sv}", "web", ["true"], {"Properties": ("a{ss}", {"TasksMax": name})}),
              ("/org/execd1", manager, "CheckAccess", "ssa{sv}", "inspect", "", {name: ("s", "x")})]:
    try:
        bus.call(*words)
        print(words[2], "answered")
    except BusError as e:
        print(words[2], e.name.rpartition(".")[2], len(str(e)) < 10000)
"""


def test_more_than_a_method_has(rules, counts):
    """R-H2: a message of 32 MiB is kept as long as the question to polkit, and the text of an error until it is read."""
    rules("")
    exec_id = execctl("run", "-d", "web", "--", "true").out.decode().strip()
    with halted_polkit():
        done = helper.run("setpriv", "--reuid=other", "--regid=other", "--clear-groups", "--", "python3", "-c", OVERFULL,
                          helper.HERE, exec_id, timeout=60)
    assert done.out.decode().splitlines() == [
        "GetManagedObjects InvalidArgs True", "GetAll InvalidArgs True", "Get InvalidArgs True",
        "GetExec TooLarge True", "GetRecording TooLarge True", "ListExecsFiltered BadRequest True",
        "ListExecsFiltered BadRequest True", "CreateExec BadRequest True", "CreateExec BadRequest True",
        "CreateExec TooLarge True", "CreateExec TooLarge True", "CheckAccess BadRequest True"], done


# Calls that want no answer, until the bus has them all.
BURST = """
import sys
sys.path.insert(0, sys.argv[1])
from bus import Bus
bus = Bus()
for _ in range(int(sys.argv[2])):
    bus.send("/org/execd1", "org.execd1.Manager", "ListExecs")
bus.destination = b"org.freedesktop.DBus"
bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
print("sent", flush=True)
sys.stdin.readline()
"""


def test_burst_of_calls_of_one_user(rules, counts):
    """R-H7: execd has not read them when others call: many more than it keeps of callers that the bus has not identified."""
    rules("")
    with Bus() as bus:
        bus.manager("ListContainers")
        pid = int(shell("systemctl show -P MainPID execd.service"))
        helper.halt(pid)
        try:
            with subprocess.Popen(["setpriv", "--reuid=other", "--regid=other", "--clear-groups", "--", "python3", "-c", BURST,
                                   helper.HERE, "3000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
                assert p.stdout.readline() == "sent\n"
                answers = [bus.ask("/org/execd1", "org.execd1.Manager", "ListContainers") for _ in range(3)]
                os.kill(pid, signal.SIGCONT)
                for answer in answers:
                    assert "web" in [c[1] for c in answer()[0]]
                p.stdin.close()
        finally:
            os.kill(pid, signal.SIGCONT)


# As many bytes as a filter may have, again and again.
FILTERS = """
import sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
words = ("/org/execd1", "org.execd1.Manager", "ListExecsFiltered", "a{sv}", {"Labels": ("as", ["x" * 32000] * 60)})
bus = Bus()
for _ in range(40):
    bus.send(*words)
try:
    bus.call(*words)
    print("answered")
except BusError as e:
    print(e)
"""


def test_large_filters_of_one_user(rules, patient, counts):
    """R-H2: labels that are looked for take memory as long as polkit is asked."""
    rules("")
    with halted_polkit():
        done = helper.run("setpriv", "--reuid=other", "--regid=other", "--clear-groups", "--", "python3", "-c", FILTERS,
                          helper.HERE, timeout=60)
    assert done.out.startswith(b"org.execd1.Error.LimitExceeded: too many bytes of requests"), done


def test_questions_that_were_given_up_still_count(rules, impatient, counts):
    """A polkit that does not answer is not asked more and more, and no error says that it has denied a request."""
    rules(ALLOW)
    helper.wait_for(lambda: create_over_http().endswith(" 201"), what="polkit to have read the rules")
    with halted_polkit():
        answers = lists_at_once(20)()
        assert all(a.endswith(" 503") for a in answers), answers
        assert sum("polkit did not answer in time (AuthorizationTimeoutSec=)" in a for a in answers) == 16, answers
        assert sum("AuthorizationsPerUserMax=" in a for a in answers) == 4, answers
        # These have their turn when polkit has answered the earlier ones, and not before.
        answer = over_http("-i", "http://x/containers/json")
        assert answer.endswith(" 503") and "AuthorizationsPerUserMax=" in answer and "Retry-After: 1" in answer, answer
        assert execctl("run", "web", "--", "echo", "served").out == b"served\n"
    helper.wait_for(lambda: create_over_http().endswith(" 201"), what="polkit to have answered")


def test_many_questions_of_one_user_take_turns(rules, patient, counts):
    """Simultaneous requests are all answered, a few at a time."""
    rules(ALLOW)
    assert {a[-4:] for a in lists_at_once(60)()} == {" 200"}


def test_polkit_that_ends_has_not_said_no(rules, patient, counts):
    """If an administrator restarts polkit, a pending request fails with the advice to try again."""
    rules(ALLOW)
    with questions() as question, halted_polkit():
        answers = lists_at_once(5)
        for _ in range(5):
            question()
        shell("systemctl kill --signal=KILL polkit.service")
        for answer in answers():
            assert answer.endswith(" 503") and "polkit ended before it answered, try again" in answer, answer
    helper.restart_polkit()
    assert create_over_http().endswith(" 201")
