# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-D3: a command runs in its scope or not at all, however long systemd takes for it. The jobs are real and are held
up by a unit that every exec's scope waits for. So T-D5 is tested, too: there is time for the container to go."""

import os
import signal
import subprocess
import threading
import time

import pytest

import client
import host

ROOT = "/var/lib/execd-tests/machines/web/root"
MARK = "/execd-scope-mark"
SLOW = "confinement-slow.service"
DROP_IN = "/run/systemd/system/exec-.scope.d/confinement-test.conf"


GO = "/run/execd-test-go"
UNTIL_GO = f"/bin/sh -c 'while ! [ -e {GO} ]; do sleep 0.1; done'"


def let_go():
    with open(GO, "w", encoding="ascii"):
        pass


def wait_for_job():
    host.wait_until(lambda: host.sh(["systemctl", "show", "-P", "ActiveState", SLOW]).strip() == "activating", "the job to be held up")


@pytest.fixture
def held_up():
    """Every scope's job waits for a service that runs this command, such as one that ends when it is let go."""
    def hold(command=UNTIL_GO):
        host.sh(["rm", "-f", GO])
        with open(f"/run/systemd/system/{SLOW}", "w", encoding="utf-8") as unit:
            unit.write(f"[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart={command}\n")
        os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
        with open(DROP_IN, "w", encoding="utf-8") as drop_in:
            drop_in.write(f"[Unit]\nRequires={SLOW}\nAfter={SLOW}\n")
        host.sh("systemctl daemon-reload")

    host.restart_services()  # no runner was made before
    yield hold
    os.unlink(DROP_IN)
    os.unlink(f"/run/systemd/system/{SLOW}")
    host.sh(f"systemctl stop {SLOW}; systemctl daemon-reload; systemctl reset-failed {SLOW}", check=False)
    host.restart_services()
    if os.path.exists(ROOT + MARK):
        os.unlink(ROOT + MARK)


def start_in_background(cmd, **fields):
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.run("web", cmd, **fields)))
    thread.start()
    return thread, outcomes


@pytest.mark.parametrize("fields", [{}, {"Properties": {"TasksMax": "50"}}], ids=["as it is", "with limits"])
def test_job_that_takes_long(held_up, fields):
    held_up()
    thread, outcomes = start_in_background(["sh", "-c", f"touch {MARK}; cat /proc/self/cgroup"], **fields)
    wait_for_job()
    host.let_pass(2)
    assert not os.path.exists(ROOT + MARK), "it ran before its scope was there"
    let_go()
    thread.join(60)
    assert outcomes and outcomes[0].ran and outcomes[0].code == 0, outcomes
    assert os.path.exists(ROOT + MARK)
    assert f"exec-{outcomes[0].id}.scope".encode() in outcomes[0].out


FLOOD = """
import os, pwd, sys, threading
sys.path.insert(0, sys.argv[1])
user = pwd.getpwnam("member")
os.initgroups(user.pw_name, user.pw_gid); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
import client
threads = [threading.Thread(target=client.run, args=("web", ["sh", "-c", f"echo member >>{sys.argv[2]}"]))
           for _ in range(int(sys.argv[3]))]
for t in threads:
    t.start()
print("started", flush=True)
for t in threads:
    t.join()
"""
N_FLOOD = 200


def n_started(words):
    """How many execs of such a command have been asked to start, and have not ended."""
    listed = client.request("GET", "/exec/json").json()
    return sum(e["Running"] and words in " ".join(e["ProcessConfig"]["arguments"]) for e in listed)


def test_users_take_turns(held_up):
    """A user who asks for very many scopes does not delay others, who get the next ones."""
    host.sh("id member >/dev/null 2>&1 || useradd -m -G execd member")
    held_up()
    host.sh(f": >{ROOT}{MARK}; chmod 666 {ROOT}{MARK}")
    flood = subprocess.Popen(["python3", "-c", FLOOD, os.path.dirname(client.__file__), MARK, str(N_FLOOD)],
                             stdout=subprocess.PIPE, text=True)
    try:
        assert flood.stdout.readline() == "started\n"
        host.wait_until(lambda: n_started("echo member") == N_FLOOD, "starts of all of them", 60)
        thread, outcomes = start_in_background(["sh", "-c", f"echo root >>{MARK}"])
        host.wait_until(lambda: n_started("echo root") == 1, "root's start")
        let_go()
        thread.join(60)
        assert outcomes and outcomes[0].ran and outcomes[0].code == 0, outcomes
        flood.communicate(timeout=120)
    finally:
        flood.kill()
    with open(ROOT + MARK, encoding="ascii") as stream:
        order = stream.read().split()
    assert order.count("member") == N_FLOOD
    # 32 scopes are made at a time, and commands that begin together may overtake each other.
    assert order.index("root") < N_FLOOD // 2, order.index("root")


def test_job_that_fails(held_up):
    held_up("/bin/false")
    outcome = client.run("web", ["touch", MARK])
    client.assert_refused(outcome, statuses=(400, 409, 500, 503))
    host.let_pass(0.5)
    assert not os.path.exists(ROOT + MARK)
    assert not host.exec_scopes()


def test_container_ends_before_the_scope_is_there(held_up, machine):
    """T-D5: the runner that then enters finds no process, and the answer says that the container has gone, as it would a
    moment later."""
    m = machine("hostile-leaving", payload=["/probe/hostile", "sleep"])
    held_up()
    created = client.create(m.name, ["/bin/true"])
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.start(created.json()["Id"])))
    thread.start()
    wait_for_job()
    host.let_pass(1)  # nothing shows that the start was read
    host.sh(["systemctl", "kill", "--signal=KILL", m.unit])
    host.wait_until(lambda: not m.is_registered(), "an end of the machine")
    let_go()
    thread.join(60)
    assert_told_that_it_has_gone(outcomes, created.json()["Id"])


def assert_told_that_it_has_gone(outcomes, exec_id):
    assert outcomes, "no answer"
    client.assert_refused(outcomes[0], "container is not running", statuses=(409,))
    host.wait_until(lambda: f"exec-{exec_id}.scope" not in host.exec_scopes(), "an end of the scope", 30)


def test_pause_before_the_scope_is_there(held_up, machine):
    """The start was asked for before the pause, and the command would run in it."""
    m = machine("hostile-pausing", payload=["/probe/hostile", "sleep"])
    held_up()
    created = client.create(m.name, ["/bin/true"])
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.start(created.json()["Id"])))
    thread.start()
    wait_for_job()
    host.let_pass(1)  # nothing shows that the start was read
    host.sh(["systemctl", "freeze", m.unit])
    let_go()
    try:
        thread.join(60)
    finally:
        host.sh(["systemctl", "thaw", m.unit])
    assert outcomes, "no answer"
    client.assert_refused(outcomes[0], "is paused", statuses=(409,))


def test_container_ends_before_it_is_entered(machine):
    """T-D5: all is ready, and the runner that is to join the container is held up."""
    m = machine("hostile-leaving", payload=["/probe/hostile", "sleep"])
    created = client.create(m.name, ["/bin/true"])
    scope = f"exec-{created.json()['Id']}.scope"
    # The one that enters is a child of the other, and the container's first process cannot end before it.
    host.wait_until(lambda: len(host.members_of(scope)) == 2, "both processes of the runner")
    runners = host.pids_of(host.PRODUCT[2])
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.start(created.json()["Id"])))
    try:
        host.halt(*runners)
        thread.start()
        time.sleep(0.5)  # nothing shows that the stopped runner was written to
        leader = m.leader()
        os.kill(leader, signal.SIGKILL)
        host.wait_until(lambda: not os.path.exists(f"/proc/{leader}"), "an end of the leader")
    finally:
        for pid in runners:
            os.kill(pid, signal.SIGCONT)
    thread.join(60)
    assert_told_that_it_has_gone(outcomes, created.json()["Id"])


def test_job_that_never_ends(held_up):
    """It is given up, and nothing stays."""
    held_up("/bin/sleep 1000")
    thread, outcomes = start_in_background(["touch", MARK])
    thread.join(60)
    assert outcomes, "no answer within a minute"
    client.assert_refused(outcomes[0], statuses=(400, 409, 500, 503, 504))
    assert not os.path.exists(ROOT + MARK)
    host.wait_until(lambda: not host.exec_scopes(), "an end of the scope", 30)
    host.wait_until(lambda: host.own_processes().get(host.PRODUCT[2], 0) == 0, "an end of the runner", 30)
