# SPDX-License-Identifier: LGPL-2.1-or-later
"""Too much of everything: connections, execs, and what is left after many of them (R-E3, R-H2)."""

import os
import random
import socket
import threading
import time

import client
import host
import pytest
from scale import times

CONFIG = "/etc/execd/execd.conf.d/50-test.conf"


def is_served():
    """A request is answered while an earlier one still waits for its end: clients do not delay each other. One of three
    times, since after a pause of the host that is longer than the time for a head the other one ends first."""
    for _ in range(3):
        with client.connect() as other:
            other.sendall(b"G")
            assert client.request("GET", "/_ping").status == 200
            other.setblocking(False)
            if is_open(other):
                return True
    return False


def test_slow_connections():
    """T-H2: clients that send a byte now and then are closed in time, and no other client waits for them."""
    count = times(900)
    slow = []
    for i in range(count):
        s = client.connect()
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-A: " if i % 2 else b"P")
        slow.append(s)
    began = time.monotonic()
    open_ones = list(slow)
    while open_ones and time.monotonic() - began < 60:
        assert is_served()
        assert client.output("web", ["/bin/echo", "ok"]) == "ok\n"
        for s in list(open_ones):
            s.setblocking(False)
            try:
                s.send(b"a")
                gone = s.recv(4096) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                open_ones.remove(s)
        time.sleep(0.5)  # a byte now and then
    for s in slow:
        s.close()
    assert not open_ones, f"{len(open_ones)} of {count} slow connections are still open after a minute"


def is_open(s):
    try:
        return s.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_connections_of_one_user():
    """T-H2: past the limit of one user something has to go, and whoever comes next is served."""
    held = []
    try:
        for _ in range(1300):
            s = client.connect()
            s.settimeout(0)
            held.append(s)
        assert is_served()
        still_open = sum(is_open(s) for s in held)
        assert still_open <= 1024, f"{still_open} connections of one user are held at once"
    finally:
        for s in held:
            s.close()
    host.wait_until(is_served, "service after the flood")


def test_creates_without_start():
    """T-H2: execs that are never started are counted; the answer past the limit names it, and all else goes on."""
    host.restart_services()
    try:
        create_until_refused()
    finally:
        # They leave nothing for ever: a parked runner waits a minute, and execd's end is the end of all.
        host.sh("systemctl stop execd.service execd-spawner.service")
        host.restart_services()
    host.wait_until(lambda: host.Usage().runners <= 1 and not host.exec_scopes(), "an end of what was parked", 90)


def create_until_refused():
    created, limit = [], None
    for _ in range(max(1500, times(10000))):
        reply = client.create("web", ["/bin/true"])
        if reply.status != 201:
            limit = reply
            break
        created.append(reply.json()["Id"])
        if len(created) % 200 == 0:
            assert is_served()
    assert limit is not None and limit.status == 429, f"{len(created)} were taken, then {limit and limit.body}"
    assert limit.json()["error"]["code"] == "LIMIT_EXCEEDED"
    assert len(created) <= 1100
    assert is_served()
    usage = host.Usage()
    assert usage.runners <= 1100, usage
    assert usage.rss["execd.service"] < host.memory_allowed("execd.service", 128 * 1024), usage
    # One of those that were taken can still be started.
    outcome = client.start(created[0])
    assert outcome.ran and outcome.code == 0, outcome


KINDS = [
    (["/bin/true"], {}),
    (["/bin/false"], {}),
    (["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], {}),
    (["/no/such/program"], {}),
    (["/etc/passwd"], {}),
    (["/bin/true"], {"WorkingDir": "/nowhere"}),
    (["/bin/true"], {"User": "nosuch"}),
    (["/bin/sh", "-c", "stty size"], {"tty": True}),
    (["/no/such/program"], {"tty": True}),
    (["/bin/sh", "-c", "kill -9 $$"], {}),
    (["/bin/true"], {"User": "app", "Env": ["A=b"]}),
    (["/bin/sh", "-c", "sleep 0.05 & exit 0"], {}),  # it leaves a process for a moment
]


def churn(count, problems):
    """Execs of every kind, each with resizes and inspects that come too early, in time, or too late."""
    source = random.Random(count)
    for _ in range(count):
        cmd, fields = source.choice(KINDS)
        fields = dict(fields)
        tty = fields.pop("tty", False)
        try:
            reply = client.create("web", cmd, Tty=tty, **fields)
            if reply.status != 201:
                continue
            exec_id = reply.json()["Id"]
            if source.random() < 0.1:
                stream = client.Stream(exec_id, tty)
                stream.close()
                continue
            resizer = None
            if tty or source.random() < 0.2:
                resizer = threading.Thread(target=client.request, args=(
                    "POST", f"/exec/{exec_id}/resize?h={source.randint(0, 99)}&w={source.randint(0, 199)}"))
                resizer.start()
            client.start(exec_id, tty)
            client.request("POST", f"/exec/{exec_id}/resize?h=1&w=1")
            if resizer:
                resizer.join()
        except (OSError, EOFError, AssertionError, socket.timeout) as error:
            problems.append(repr(error))


@pytest.fixture
def soon_idle():
    """Runners that wait for the next exec leave after seconds, whatever execd has seen of when clients come back."""
    os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
    with open(CONFIG, "w", encoding="ascii") as stream:
        stream.write("[Daemon]\nIdleTimeoutSec=2s\nIdleTimeoutMaxSec=0\n")
    host.restart_services()
    yield
    os.unlink(CONFIG)
    host.restart_services()


def settled():
    """The resources that are held when nothing runs."""
    host.wait_until(lambda: not [s for s in host.exec_scopes()] and host.own_processes().get(host.PRODUCT[2], 0) == 0,
                    "an end of all scopes and runners", 100)
    time.sleep(1)  # journald and systemd end their part
    return host.Usage()


def what_is_left(before, after):
    """The resources that are held in addition, in words."""
    found = [f"fds of {unit}" for unit in host.SERVICES if after.fds[unit] > before.fds[unit] + 2]
    found += [f"memory of {unit}" for unit in host.SERVICES
              if after.rss[unit] - before.rss[unit] >= host.memory_allowed(unit, 8 * 1024)]
    return found + [name for name in ("scopes", "runners", "zombies") if getattr(after, name)]


@pytest.mark.timeout(1800)
def test_many_execs_leave_nothing(soon_idle):
    """T-E3: --scale=10 makes it ten thousand."""
    problems = []
    # A client that follows the events keeps both daemons running, so that the same processes are compared.
    with client.connect() as watcher:
        watcher.sendall(client.request_bytes("GET", "/events?filters=%7B%22type%22%3A%5B%22volume%22%5D%7D"))
        churn(60, problems)
        before = settled()
        threads = [threading.Thread(target=churn, args=(times(1000) // 4, problems)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, f"{len(problems)}: {problems[:5]}"
        after = settled()
        assert all(before.pids.values()) and after.pids == before.pids
        # Work of systemd and journald for it can come later.
        host.wait_until(lambda: not what_is_left(before, host.Usage()),
                        lambda: f"an end of {what_is_left(before, host.Usage())}: {before} -> {host.Usage()}")
    assert not host.sh("systemctl list-units --failed --no-legend 'exec-*'").strip()
