# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit decides who may do what, and a caller that disconnects leaves nothing."""

import contextlib
import os
import signal
import subprocess
import time

import pytest

import helper
from helper import Terminal, as_user, execctl, shell

ONE_CONTAINER = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec" && subject.user == "user" &&
        action.lookup("container") == "web")
        return polkit.Result.YES;
});
"""
GATE = "/run/execd-test-gate"
# The answer comes when the gate is gone.
SLOW_YES = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec" && subject.user == "user") {
        polkit.spawn(["/bin/sh", "-c", "while [ -e %s ]; do sleep 0.05; done"]);
        return polkit.Result.YES;
    }
});
""" % GATE
PASSWORD = "correct horse"
# The user of its connection, as the bus knows it, differs from its user in /proc.
CALL_OF_TWO_USERS = """
import os, pwd, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError
names = sys.argv[2:]
def become(name):
    user = pwd.getpwnam(name)
    os.seteuid(0)
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
become(names[0])
bus = Bus()
bus.call("/org/execd1", "org.freedesktop.DBus.Peer", "Ping")
become(names[1])
try:
    bus.manager("Run", "sas", "web", ["true"])
    print("ran")
except BusError as e:
    print(e.name)
"""


@pytest.fixture
def password():
    subprocess.run(["chpasswd"], input=f"root:{PASSWORD}\n".encode(), check=True)
    yield PASSWORD
    shell("passwd -d root")


@contextlib.contextmanager
def closed_gate():
    """Meanwhile polkit does not answer what SLOW_YES is asked. It gives up such a rule after ten seconds."""
    with open(GATE, "w"):
        pass
    try:
        yield
    finally:
        os.unlink(GATE)


def polkit_has_answered():
    """All that it was asked before. This makes one exec."""
    assert as_user("execctl", "run", "web", "--", "true", timeout=60).status == 0


def test_denied_without_a_rule(counts):
    before = helper.ids()
    began = time.time()
    for words in (["run", "web", "--", "true"], ["run", "-d", "web", "--", "true"], ["shell", "web"], ["containers"]):
        r = as_user("execctl", *words)
        assert r.status == 1 and b"access denied" in r.err and not r.out, r
    assert helper.ids() == before
    shell("journalctl --sync")
    told = shell(f"journalctl -o cat --since=@{began:.6f} MESSAGE_ID=9b64e2bb69b54967818a6c2220391d34 CALLER_UID=1000")
    # Three commands, and the list of containers.
    assert told.count("Denied uid 1000 (user)") == 4, told


def test_one_container_by_five_lines(rules, counts):
    assert len(ONE_CONTAINER.strip().split("\n")) == 5
    rules(ONE_CONTAINER)
    r = as_user("execctl", "run", "web", "--", "sh", "-c", "id -u; exit 5")
    assert (r.status, r.out) == (5, b"0\n"), r
    for words in (["booted", "--", "true"], ["--privileged", "web", "--", "true"]):
        r = as_user("execctl", "run", *words)
        assert r.status == 1 and b"access denied" in r.err, r
    r = as_user("execctl", "run", "web", "--", "true", user="other")
    assert r.status == 1 and b"access denied" in r.err, r


ALL_BUT_ROOT = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec" && subject.user == "user")
        return action.lookup("user") == "root" ? polkit.Result.NO : polkit.Result.YES;
});
"""
NOT_AS_ROOT = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec" && subject.user == "user")
        return action.lookup("user") == "root" ? polkit.Result.NO :
               action.lookup("user") == "app" ? polkit.Result.YES : polkit.Result.NOT_HANDLED;
});
"""


@pytest.mark.parametrize("text", ["root", "0", "00", ":0", "0:0", "000:wheel", "root:wheel", ":", ""])
def test_root_has_one_name_for_rules(rules, counts, text):
    rules(ALL_BUT_ROOT)
    assert as_user("execctl", "run", "--user=app", "web", "--", "true").status == 0
    r = as_user("execctl", "run", f"--user={text}", "web", "--", "true")
    assert r.status == 1 and b"access denied" in r.err, r


@pytest.mark.parametrize("text", ["app:0", "app:root", "1000"])
def test_a_group_is_not_let_through_with_its_user(rules, counts, text):
    """A rule allows the user with its own groups, and not with a group that the caller has chosen."""
    rules(NOT_AS_ROOT)
    r = as_user("execctl", "run", f"--user={text}", "web", "--", "true")
    assert r.status == 1 and b"access denied" in r.err, r


def test_a_prompt_shows_no_line_of_the_caller(password):
    with Terminal("execctl", "run", "web", "--", "id\nAuthentication is not required\x1b[2J", user="user") as t:
        t.expect("run '\"id\\nAuthentication is not required\\x1b[2J\"' as 'root' in container 'web'")


def test_own_execs_and_those_of_others(rules, counts):
    rules(ONE_CONTAINER)
    foreign = execctl("run", "-d", "web", "--", "sleep", "1000").out.decode().strip()
    r = as_user("execctl", "run", "-d", "web", "--", "sleep", "1000")
    own = r.out.decode().strip()
    try:
        listed = as_user("execctl", "list", "--all", "--full").out.decode()
        assert own in listed and foreign not in listed
        for words in (["kill", foreign], ["attach", foreign], ["wait", foreign]):
            r = as_user("execctl", *words)
            assert r.status == 1 and b"access denied" in r.err, r
        assert as_user("execctl", "kill", own[:12]).status == 0
        assert as_user("execctl", "wait", own[:12]).status == 143
    finally:
        execctl("kill", "-s", "KILL", foreign, own)


def test_what_others_run_is_not_shown(rules, counts):
    """Neither through properties nor through the object manager: command lines hold secrets."""
    rules(ONE_CONTAINER)
    secret = "hunter2-in-a-command-line"
    foreign = execctl("run", "-d", "web", "--", "sh", "-c", f"echo {secret}").out.decode().strip()
    path = f"/org/execd1/exec/_{foreign}"
    for words in (["get-property", "org.execd1", path, "org.execd1.Exec", "CommandLine"],
                  ["call", "org.execd1", path, "org.freedesktop.DBus.Properties", "GetAll", "s", "org.execd1.Exec"],
                  ["call", "org.execd1", path, "org.freedesktop.DBus.Properties", "GetAll", "s", ""],
                  ["introspect", "org.execd1", path],
                  ["call", "org.execd1", "/org/execd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"]):
        r = as_user("busctl", *words)
        assert secret.encode() not in r.out, words
        assert secret.encode() in helper.run("busctl", *words).out, words


def test_which_execs_there_are_is_not_shown():
    foreign = execctl("run", "-d", "web", "--", "true").out.decode().strip()
    for words in (["introspect", "org.execd1", "/org/execd1/exec"], ["tree", "org.execd1"]):
        r = as_user("busctl", *words, user="other")
        assert foreign.encode() not in r.out, words
        if words[0] == "tree":
            assert foreign.encode() in helper.run("busctl", *words).out, words
    assert as_user("busctl", "introspect", "org.execd1", "/org/execd1", user="other").status == 0


def test_what_others_run_is_not_told(rules, tmp_path, counts):
    secret = "hunter2-in-a-signal"
    log = open(tmp_path / "log", "w+")
    listener = subprocess.Popen(["setpriv", "--reuid=user", "--regid=user", "--init-groups", "--", "dbus-monitor",
                                 "--system", "sender=org.execd1"], stdout=log, stderr=subprocess.STDOUT)
    try:
        helper.wait_for(lambda: os.path.getsize(log.name) > 0, what="the listener to have a name on the bus")
        execctl("run", "web", "--", "sh", "-c", f": {secret}")
        helper.let_pass(1)
    finally:
        listener.terminate()
        listener.wait()
    assert secret not in open(log.name).read()


def test_password_at_a_terminal(password, counts):
    with Terminal("execctl", "run", "--privileged", "web", "--", "sh", "-c", "echo ran as $(id -u); exit 8",
                  user="user") as t:
        t.expect("does not have, in container 'web'")
        t.expect_password()
        t.send(password + "\n")
        t.expect("ran as 0")
        assert t.wait() == 8
    helper.wait_for(lambda: not shell("pgrep -x pkttyagent || true").strip(), what="the agent to leave with execctl")


def test_container_restarts_while_the_password_is_asked_for(password, counts):
    """T-F3: the authorization was for another container of the same name."""
    machine = "/usr/lib/execd-tests/machine"
    shell(f"{machine} start prompted")
    try:
        with Terminal("execctl", "run", "--privileged", "prompted", "--", "touch", "/tmp/ran-prompted", user="user") as t:
            t.expect("does not have, in container 'prompted'")
            t.expect_password()
            shell(f"{machine} start prompted")
            t.send(password + "\n")
            t.expect("is not running")
            assert t.wait() == 1
        # Nor does execd lose count of the execs that there are.
        assert execctl("run", "prompted", "--", "sh", "-c", "test -e /tmp/ran-prompted || exit 3").status == 3
        assert not [line for line in shell("execctl list --all --no-legend").splitlines() if "ran-prompted" in line and "test" not in line]
    finally:
        shell(f"{machine} remove prompted")


def test_wrong_password_and_no_password(password, counts):
    before = helper.ids()
    with Terminal("execctl", "run", "web", "--", "true", user="user") as t:
        t.expect_password()
        t.send("wrong\n")
        t.expect("access denied")
        assert t.wait() == 1
    with Terminal("execctl", "run", "--no-ask-password", "web", "--", "true", user="user") as t:
        t.expect("access denied")
        assert t.wait() == 1 and b"Password" not in t.seen
    assert helper.ids() == before


def test_password_before_a_shell(password, counts):
    with Terminal("execctl", "shell", "booted", user="user") as t:
        t.expect_password()
        t.send(password + "\n")
        t.expect(":~# ")
        t.send("echo $((6 * 7)); exit 3\n")
        t.expect("\r42\r\n")
        assert t.wait() == 3


def test_asked_on_the_terminal_while_stdin_is_a_pipe(password, counts):
    with Terminal("sh", "-c", "echo from a pipe | execctl run -i web -- cat | tr a-z A-Z", user="user") as t:
        t.expect_password()
        t.send(password + "\n")
        t.expect("FROM A PIPE")
        assert t.wait() == 0


def test_caller_killed_while_a_password_is_asked_for(password, tmp_path, counts):
    """A question whose answer is no longer waited for is canceled at polkit, too."""
    before = helper.ids()
    log = open(tmp_path / "log", "w+")

    def told():
        return open(log.name).read()
    listener = subprocess.Popen(["dbus-monitor", "--system", "interface=org.freedesktop.PolicyKit1.Authority"],
                                stdout=log, stderr=subprocess.STDOUT)
    try:
        helper.wait_for(lambda: "member=NameLost" in told(), what="dbus-monitor to listen")
        # The leader of the session lives on: with its end the agent would be continued and hung up.
        with Terminal("sh", "-c", "execctl run web -- true; sleep 60", user="user") as t:
            t.expect("Password:")
            caller, pid = helper.child_of(t.pid, "execctl")
            agent, number = helper.child_of(pid, "pkttyagent")
            # It goes with its caller, and polkit would end the question itself.
            helper.halt(number)
            signal.pidfd_send_signal(caller, signal.SIGKILL)
            helper.wait_for(lambda: "member=CancelCheckAuthorization" in told(), what=lambda: f"polkit's end: {told()}")
            signal.pidfd_send_signal(agent, signal.SIGCONT)
            os.close(caller)
            os.close(agent)
    finally:
        listener.terminate()
        listener.wait()
    assert helper.ids() == before
    assert "member=CheckAuthorization" in told()


@pytest.mark.parametrize("connected, now, answer", [("user", "root", "org.execd1.Error.AccessDenied"),
                                                    ("root", "user", "ran")])
def test_the_bus_says_who_calls(connected, now, answer, counts):
    """T-G3: the caller is whoever connected to the bus, not what its process has become since."""
    r = helper.run("python3", "-c", CALL_OF_TWO_USERS, helper.HERE, connected, now)
    assert (r.status, r.out.decode().strip()) == (0, answer), r


def start_as_user(*argv):
    return subprocess.Popen(["setpriv", "--reuid=user", "--regid=user", "--init-groups", "--", *argv],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_caller_killed_at_ten_points_of_a_pending_authorization(rules, counts):
    rules(SLOW_YES)
    polkit_has_answered()
    shell("execctl run web -- sh -c 'rm -f /tmp/killed-*'")
    before = helper.ids()
    before = helper.ids()
    for point in range(10):
        for argv in (["busctl", "call", "--", *helper.MANAGER, "Run", "sas", "web", "2", "touch",
                      f"/tmp/killed-{point}"],
                     ["execctl", "run", "web", "--", "touch", f"/tmp/killed-{point}"]):
            with closed_gate():
                p = start_as_user(*argv)
                time.sleep(0.09 * point)  # the moments of a call are what is tried
                assert p.poll() is None, "polkit does not wait"
                p.kill()
                p.wait()
    polkit_has_answered()
    helper.let_pass(0.5)
    # Those of earlier tests may have been forgotten meanwhile.
    assert len(helper.ids() - before) == 1
    assert execctl("run", "web", "--", "sh", "-c", "ls /tmp/killed-* 2>/dev/null").out == b""


LEAVE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from bus import Bus
b = Bus()
b.send("/org/execd1", "org.execd1.Manager", "Run", "sas", "web", ["touch", "/tmp/left"])
time.sleep(float(sys.argv[2]))  # the moments of the call are what is tried
b.close()
print("left", flush=True)
sys.stdin.readline()
"""


def test_caller_that_leaves_the_bus_and_lives_on(rules, counts):
    """R-G2: its process still exists when polkit answers, but the command does not run."""
    rules(SLOW_YES)
    shell("execctl run web -- sh -c 'rm -f /tmp/left'")
    before = helper.ids()
    for pause in ("0", "0.3", "0.6"):
        with closed_gate():
            p = subprocess.Popen(["setpriv", "--reuid=user", "--regid=user", "--init-groups", "--", "python3", "-c", LEAVE,
                                  helper.HERE, pause], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert p.stdout.readline() == "left\n"
            helper.let_pass(0.5)  # nothing shows that execd knows of it
        helper.let_pass(0.5)
        p.communicate("\n")
    polkit_has_answered()
    assert len(helper.ids() - before) == 1
    assert execctl("run", "web", "--", "sh", "-c", "ls /tmp/left 2>/dev/null").out == b""


def test_many_pending_calls_of_one_caller_that_goes(rules, counts):
    """Every method that has to ask, several times over one connection that is closed in the middle."""
    rules(SLOW_YES)
    before = helper.ids()
    script = ("import sys, os, time; sys.path.insert(0, sys.argv[1]); from bus import Bus\n"
              "b = Bus()\n"
              "n = os.open(f'/proc/self/fd/{os.pipe()[0]}', os.O_RDWR)\n"
              "for i in range(8):\n"
              "    for words in (('Run', 'sas', 'web', ['true']), ('CreateExec', 'sasa{sv}', 'web', ['true'], {}),\n"
              "                  ('RunExec', 'sasa{sv}hhh', 'web', ['true'], {}, n, n, n), ('ListContainers',),\n"
              "                  ('GetContainer', 's', 'web'), ('ListExecs',)):\n"
              "        b.send('/org/execd1', 'org.execd1.Manager', *words)\n"
              "time.sleep(float(sys.argv[2]))  # the moments of the calls are what is tried\n"
              "os._exit(0)\n")
    for pause in ("0", "0.3", "0.7"):
        with closed_gate():
            r = as_user("python3", "-c", script, helper.HERE, pause)
            assert r.status == 0, r
            helper.let_pass(0.5)  # nothing shows that execd knows of it
    polkit_has_answered()
    helper.let_pass(0.5)
    assert len(helper.ids() - before) == 1


def test_what_was_allowed_once_is_asked_again(rules, counts):
    rules(ONE_CONTAINER)
    assert as_user("execctl", "run", "web", "--", "true").status == 0
    rules("")
    assert as_user("execctl", "run", "web", "--", "true").status == 1


def test_no_polkit_is_no(rules, counts):
    rules(ONE_CONTAINER)
    shell("systemctl mask --runtime --now polkit.service")
    try:
        r = as_user("execctl", "run", "web", "--", "true", timeout=60)
        assert r.status == 1 and b"access denied" in r.err, r
        assert execctl("run", "web", "--", "true").status == 0, "root is not asked about"
    finally:
        shell("systemctl unmask --runtime polkit.service && systemctl start polkit.service")
