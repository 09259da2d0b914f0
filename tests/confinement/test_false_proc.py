# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers whose /proc is not what it seems, and leaders that change under way (R-B1, R-B2)."""

import os
import signal
import threading
import uuid

import client
import host
import pytest
from scale import times

FAKE = """
mkdir -p $P/self/attr $P/self/ns $P/self/fd $P/thread-self/attr $P/thread-self/fd $P/1/attr $P/sys/kernel
for f in current exec keycreate fscreate; do echo unconfined >$P/self/attr/$f; echo unconfined >$P/thread-self/attr/$f; done
printf 'Uid:\\t1000\\t1000\\t1000\\t1000\\nCapBnd:\\tffffffffffffffff\\nSeccomp:\\t0\\nSeccomp_filters:\\t0\\n' >$P/self/status
cp $P/self/status $P/thread-self/status
echo 0 >$P/self/loginuid; echo 0 >$P/self/oom_score_adj; echo deny >$P/self/setgroups
"""
# Each is run by the machine's payload before it sleeps; mounts are its own.
FALSE_PROC = {
    "tmpfs": "P=/proc; mount -t tmpfs none /proc;" + FAKE,
    "empty": "mount -t tmpfs none /proc",
    "link": "P=/fake; mkdir /fake;" + FAKE + "cd /; umount -l /proc; rmdir /proc && ln -s /fake /proc",
    "fifos": "mount -t tmpfs none /proc; mkdir -p /proc/self/attr /proc/thread-self/attr; for f in status loginuid "
             "oom_score_adj uid_map attr/current attr/exec; do mkfifo /proc/self/$f; mkfifo /proc/thread-self/$f; done",
    "gadgets": "mkdir /real; mount --bind /proc /real; mount -t tmpfs none /proc; mkdir -p /proc/self/attr "
               "/proc/thread-self/attr; for f in exec current keycreate; do touch /proc/thread-self/attr/$f; "
               "mount --bind /real/1/comm /proc/thread-self/attr/$f; done; cd /proc/self; touch status oom_score_adj; "
               "mount --bind /dev/null status; mount --bind /real/1/oom_score_adj oom_score_adj; cd /",
    "none": "umount -l /proc; rmdir /proc",
}


def run_marked(name, **fields):
    """A command that stays, and its pid as the host sees it."""
    marker = uuid.uuid4().hex
    created = client.create(name, ["/probe/hostile", "sleep", marker], **fields)
    if created.status != 201:
        return client.Outcome(created.status, created.message), None
    reply = client.start_detached(created.json()["Id"])
    if reply.status != 200:
        return client.Outcome(reply.status, reply.message), None
    pids = host.find_process(marker)
    assert len(pids) == 1, f"{pids} run with {marker}"
    return client.Outcome(200, exec_id=created.json()["Id"]), pids[0]


@pytest.mark.parametrize("user", ["root", "1000"])
@pytest.mark.parametrize("kind", FALSE_PROC)
def test_false_proc(machine, kind, user):
    """T-B1: the container's /proc decides nothing, not even that there is no command. The kernel's view, from the host, is
    compared."""
    m = machine("hostile-proc", ["--oom-score-adjust=300"], script=FALSE_PROC[kind])
    outcome, pid = run_marked(m.name, User=user)
    assert pid is not None, outcome
    host.assert_confined_like(pid, m.leader(), 0 if user == "root" else 1000)
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as stream:
        assert stream.read() == "300\n"
    if user == "root":
        assert host.status_of(pid)["CapPrm"] == host.status_of(m.leader())["CapPrm"]


def test_leaders_number_is_given_to_another(machine):
    """T-B2: the leader's pid passes to a process of the host, in namespaces of its own, before machined has reported the
    machine's end. A runner that uses the number enters that process, which has the host's files and rights."""
    m = machine("hostile-reuse", payload=["/probe/hostile", "sleep"])
    mark = "/run/execd-reused-pid"
    container = client.request("GET", f"/containers/{m.name}/json").json()["Id"]
    leader, machined = m.leader(), host.main_pid("systemd-machined.service")
    # The spawner, too, learns of the death only after the number has passed to another process.
    spawner = host.main_pid("execd-spawner.service")
    assert machined > 1 and spawner > 1
    later = threading.Timer(4, os.kill, (machined, signal.SIGCONT))
    try:
        host.halt(machined, spawner)
        os.kill(leader, signal.SIGKILL)
        other = host.process_with_pid(leader, ["/bin/sleep", "100"])
        os.kill(spawner, signal.SIGCONT)
        later.start()
        outcome = client.run(container, ["/bin/touch", mark])
        client.assert_refused(outcome)
        assert not os.path.exists(mark)
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    finally:
        os.kill(spawner, signal.SIGCONT)
        os.kill(machined, signal.SIGCONT)
        if os.path.exists(mark):
            os.unlink(mark)


def test_container_restarts_under_execs(machine):
    """T-B2: a command is in one of the machine's incarnations, never in anything else, whenever it was asked for."""
    m = machine("hostile-restart", payload=["/probe/hostile", "sleep"])
    seen, strange, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                outcome = client.run(m.name, ["/probe/probe", "brief"])
            except (OSError, EOFError, AssertionError) as error:
                strange.append(repr(error))
                continue
            if outcome.ran and outcome.code == 0:
                seen.append(client.fields(outcome)["ns.pid"])
            elif outcome.status not in (101, 404, 409, 500, 503):
                strange.append(repr(outcome))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    known = {host.namespaces_of(m.leader())["pid"]}
    try:
        for _ in range(times(15)):
            host.sh(["systemctl", "kill", "--signal=KILL", m.unit])
            # nspawn refuses a directory that the last one has not let go of.
            host.wait_until(lambda: host.sh(["sh", "-c", 'systemctl reset-failed "$1"; systemctl start "$1" && echo up',
                                             "sh", m.unit], check=False).strip() == "up", "a start of the machine")
            known.add(host.namespaces_of(m.leader())["pid"])
            before = len(seen)
            host.wait_until(lambda: len(seen) > before, "an exec in the new incarnation")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(seen) <= known
    # "inspect" of an exec whose container went away may fail; nothing else may.
    assert not [line for line in strange if "No such exec" not in line and "404" not in line], strange[:5]
