# SPDX-License-Identifier: LGPL-2.1-or-later
"""execctl history: shows from the journal exactly the acts of the test."""

import json
import os
import pwd
import signal
import subprocess
import sys
import uuid

import pytest

import helper
from bus import Bus
from helper import execctl, shell, wait_for

DROP_IN = "/run/execd/execd.conf.d/history.conf"

# A command of a user who has logged in, which sudo does not change.
LOGGED_IN = """
import os, sys
login, uid, gid, groups = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), [int(g) for g in sys.argv[4].split(",")]
if login >= 0:
    with open("/proc/self/loginuid", "w") as f:
        f.write(str(login))
os.setgroups(groups)
os.setresgid(gid, gid, gid)
os.setresuid(uid, uid, uid)
os.execvp(sys.argv[5], sys.argv[5:])
"""


def words_as(user, *words, login=None):
    p = pwd.getpwnam(user)
    groups = ",".join(map(str, os.getgrouplist(user, p.pw_gid)))
    login = pwd.getpwnam(login).pw_uid if login else -1
    return [sys.executable, "-c", LOGGED_IN, str(login), str(p.pw_uid), str(p.pw_gid), groups, *words]


def execctl_as(user, *words, login=None):
    return helper.run(*words_as(user, "execctl", *words, login=login))


def history(*words):
    shell("journalctl --sync")
    r = execctl("history", "--json=short", *words)
    assert r.status == 0 and not r.err, r
    return json.loads(r.out)


@pytest.fixture
def users():
    for name, groups in (("alice", "execd"), ("bob", "execd"), ("carol", "")):
        shell(f"id {name} >/dev/null 2>&1 || useradd -m {name}; usermod -G '{groups}' {name}")


@pytest.fixture
def few_remembered():
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    with open(DROP_IN, "w") as f:
        f.write("[Retention]\nEndedExecsMax=64\n")
    shell("systemctl restart execd.service")
    yield
    os.unlink(DROP_IN)
    shell("systemctl restart execd.service")


def seen(row):
    return (row["user"], row["login_user"], row["container"], row["act"], row["result"], row["command"])


def test_what_three_users_did(users, few_remembered):
    marker = f"marker-{uuid.uuid4()}"
    assert execctl("run", "web", "--", "true", marker).status == 0
    done = []

    def did(user, login, container, act, result, command):
        done.append((user, login, container, act, result, command))

    assert execctl_as("alice", "run", "--label=job=nightly", "--label=team=blue", "web", "--", "sh", "-c", "exit 3",
                      login="alice").status == 3
    did("alice", "alice", "web", "run", "exit 3", 'sh -c "exit 3"')
    assert execctl_as("root", "run", "booted", "--", "true", login="alice").status == 0
    did("root", "alice", "booted", "run", "success", "true")
    assert execctl_as("carol", "run", "web", "--", "id", login="carol").status == 1
    did("carol", "carol", "web", "denied", "denied", "id")
    assert execctl_as("alice", "run", "--privileged", "web", "--", "id", login="alice").status == 1
    did("alice", "alice", "web", "denied", "denied", "id")
    assert execctl_as("bob", "run", "web", "--", "nosuch").status == 127
    did("bob", None, "web", "run", "failed", "nosuch")

    r = execctl_as("bob", "run", "-d", "-t", "web", "--", "sleep", "600", login="bob")
    sleeping = r.out.decode().strip()
    did("bob", "bob", "web", "run", "SIGKILL", "sleep 600")
    assert execctl_as("alice", "attach", sleeping, login="alice").status == 1
    did("alice", "alice", "web", "denied", "denied", "sleep 600")
    attached = subprocess.Popen(words_as("bob", "execctl", "attach", sleeping, login="bob"), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL)
    did("bob", "bob", "web", "attach", "-", "sleep 600")
    wait_for(lambda: any(r["act"] == "attach" and r["exec"] == sleeping for r in history()), what="the attach")
    shell("systemctl restart execd.service")
    assert execctl("kill", "-s", "KILL", sleeping).status == 0
    did("root", None, "web", "kill", "-", "sleep 600")
    assert attached.wait(timeout=30) == 137

    for _ in range(70):
        assert execctl("run", "booted", "--", "true", marker).status == 0
    shell("systemctl stop execd.service")
    remembered = {row["id"] for row in json.loads(execctl("list", "--all", "--json=short").out)}
    assert sleeping not in remembered, "beyond what execd remembers"

    rows = history("--since=-1h")
    begin = next(i for i, row in enumerate(rows) if row["command"] == f"true {marker}")
    rows = [row for row in rows[begin + 1:] if row["command"] != f"true {marker}"]
    assert [seen(row) for row in rows] == done

    by_user = {name: [seen(r) for r in history("--since=-1h", f"--user={name}")] for name in ("alice", "bob", "carol")}
    for name, found in by_user.items():
        mine = [one for one in done if name in one[:2]]
        assert found[-len(mine):] == mine
    assert {r["container"] for r in history("--container=booted")} == {"booted"}
    nightly = history("--label=job=nightly", "--label=team")[-1]
    assert nightly["labels"] == ["job=nightly", "team=blue"] and nightly["exit_status"] == 3
    assert history("--label=job=never") == []

    refused = next(r for r in rows if r["user"] == "carol")
    assert refused["action"] == "org.execd1.exec" and refused["verb"] == "create" and refused["reason"]
    assert next(r for r in rows if r["act"] == "denied" and r["user"] == "alice")["action"] == (
        "org.execd1.exec-privileged")
    text = execctl("history", "-n", "200").out.decode()
    assert "org.execd1.exec (create): " in text and "with SIGKILL: sleep 600" in text and " SIGKILL " in text


def test_a_window_of_time():
    after = f"after {uuid.uuid4()}"
    ident = execctl("run", "-d", "web", "--", "sleep", "600").out.decode().strip()
    middle = str(float(shell("date +%s.%6N")))
    (row,) = [r for r in history("--since=-1min") if r["exec"] == ident]
    assert row["result"] == "not ended" and row["exit_status"] is None and row["duration"] is None
    execctl("kill", "-s", "KILL", ident)
    execctl("wait", ident)
    # An exec that began in the window is shown with its end, and one that ended in it with its beginning.
    until = f"@{int(float(middle)) + 1}"
    wait_for(lambda: float(shell("date +%s")) > float(middle) + 1, what="the next second")
    assert execctl("run", "web", "--", "echo", *after.split()).status == 0
    rows = history("--since=-1min", f"--until={until}")
    assert [r["result"] for r in rows if r["exec"] == ident and r["act"] == "run"] == ["SIGKILL"]
    assert f"echo {after}" not in {r["command"] for r in rows}
    assert history("-n", "1")[0]["command"] == f"echo {after}"
    assert history("--since=2099-01-01") == []


def read_last(*words):
    """--lines shows the last entries of the whole history."""
    rows = history(*words)
    for n in (1, 2, 5, len(rows), len(rows) + 7):
        last = history("-n", str(n), *words)
        assert last == rows[len(rows) - n if n < len(rows) else 0:], (n, words)
    assert history("-n", "0", *words) == []
    return rows


def test_a_timeout():
    assert execctl("run", "-q", "--property=RuntimeMaxSec=100ms", "web", "--", "sleep", "600").status == 143
    (row,) = history("-n", "1")
    assert row["result"] == "timeout" and row["signal"] == 15 and row["exit_status"] == 143


def test_the_last_ones(users):
    """They are read from the end of the journal, in which the records of execs that ran side by side are mixed."""
    marker = uuid.uuid4().hex
    since = f"--since=@{float(shell('date +%s.%6N')):.6f}"
    slow = [execctl("run", "-d", "web", "--", "sh", "-c", "sleep 600", marker).out.decode().strip() for _ in range(2)]
    for i in range(4):
        assert execctl("run", f"--label=number={i}", "booted", "--", "true", marker).status == 0
    execctl_as("carol", "run", "web", "--", "id", login="carol")
    execctl_as("bob", "run", "web", "--", "nosuch", login="bob")
    execctl("kill", "-s", "KILL", slow[0])
    execctl("wait", slow[0])
    middle = f"--until=@{float(shell('date +%s.%6N')):.6f}"
    execctl("run", "web", "--", "true", marker)
    assert len(read_last(since)) == 10
    assert len(read_last(since, "--container=booted")) == 4
    assert [r["labels"] for r in read_last(since, "--label=number=2")] == [["number=2"]]
    assert {r["user"] for r in read_last(since, "--user=carol")} == {"carol"}
    # The end of the other slow one comes after the time asked for, and is shown all the same.
    execctl("kill", "-s", "KILL", slow[1])
    execctl("wait", slow[1])
    rows = read_last(since, middle)
    assert len(rows) == 9 and [r["result"] for r in rows if r["exec"] == slow[1]] == ["SIGKILL"]
    assert [r["exec"] for r in history(since, middle, "-n", "100") if r["result"] == "SIGKILL"] == slow
    # The beginning of an exec that ended within the time is known from its end.
    late = f"--since=@{float(shell('date +%s.%6N')):.6f}"
    assert execctl("run", "web", "--", "true", marker).status == 0
    read_last(late)


def cpu_of(*words):
    """Processor time of a run of execctl."""
    pid = os.posix_spawnp("execctl", ["execctl", *words], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_the_last_ones_are_read_only():
    """A long journal does not make a question about its end longer."""
    with Bus() as bus:
        _, path = bus.manager("CreateExec", "sasa{sv}", "web", ["sleep", "600"], {})
        bus.exec(path, "Start", "")
        for _ in range(2000):
            bus.exec(path, "Kill", "ib", int(signal.SIGWINCH), False)
        bus.exec(path, "Kill", "ib", int(signal.SIGKILL), False)
    shell("journalctl --sync")
    everything = cpu_of("history")
    assert cpu_of("history", "-n", "1") < everything / 4, everything


def test_who_may_not_read_the_journal(users):
    r = execctl_as("carol", "history")
    assert r.status == 1 and r.err == (b"execctl: You are not allowed to read the system journal. Members of the groups "
                                       b"adm and systemd-journal are.\n")


@pytest.mark.parametrize("text", ["", "soon", "-1parsec", "2026-13-01", "25:00", "1h", "@-1", "@x", "@1.", "@.5", "@1.1234567", "@1.x", "-1h ago", "x" * 99])
def test_times_that_are_none(text):
    r = execctl("history", f"--since={text}")
    assert r.status == 1 and r.err.decode().startswith("execctl: --since: a time such as "), r


@pytest.mark.parametrize("text", ["now", "today", "yesterday", "-1h", "+1h", "1h 30min ago", "@1700000000", "@1700000000.25", "10:00", "2026-01-31",
                                  "2026-01-31 10:00", "2026-01-31T10:00:00Z", "2026-01-31 10:00:00 UTC"])
def test_times(text):
    assert execctl("history", f"--until={text}", "-n", "1").status == 0


# In one process: they are counted for half a minute.
REFUSED = """
import sys
sys.path.insert(0, sys.argv[1])
import bus
with bus.Bus() as b:
    for _ in range(230):
        try:
            b.manager("CreateExec", "sasa{sv}", "web", ["id"], {})
        except bus.BusError:
            pass
"""


def test_refusals_that_are_counted_only(users):
    """A user who is refused again and again fills no journal, and the history says how often it was."""
    shell("systemctl restart execd.service")  # which counts anew
    helper.run(*words_as("carol", sys.executable, "-c", REFUSED, os.path.dirname(__file__)), timeout=60)
    shell("systemctl stop execd.service")
    rows = [r for r in history("--since=-1min", "--user=carol") if r["act"] == "denied"]
    assert rows[-1]["denials"] >= 20 and rows[-1]["user"] == "carol" and rows[-1]["container"] is None
    assert len([r for r in rows if r["denials"] is None]) >= 200
    assert f"{rows[-1]['denials']} more requests, which have no records" in execctl("history", "-n", "5").out.decode()


def test_forged_records_do_not_count():
    """Anybody can write to the journal, but not as execd's unit."""
    forged = uuid.uuid4().hex * 2
    shell(f"printf 'MESSAGE_ID=586f48d9a8ed4ba6b00269860c91198f\\nEXEC_ID={forged}\\nCONTAINER_NAME=web\\n"
          "EXEC_CMDLINE=forged\\n_SYSTEMD_UNIT=execd.service\\nMESSAGE=forged\\n' | logger --journald")
    execctl("run", "web", "--", "true")
    assert forged not in {row["exec"] for row in history("--since=-1min")}
