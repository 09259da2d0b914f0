# SPDX-License-Identifier: LGPL-2.1-or-later
"""The usage of the execs of a container that Docker's clients, execctl and D-Bus see, against the control group's own
figures."""

import glob
import json
import os
import re

import pytest

from execd import connect, create, head_bytes, inspect, read_head, request, shell, wait_for

BURN = ["sh", "-c", "while :; do :; done"]


@pytest.fixture
def burning():
    """An exec that keeps a processor busy."""
    exec_id = create("web", BURN, AttachStdout=False, AttachStderr=False)
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    yield exec_id
    request("POST", f"/exec/{exec_id}/kill?signal=KILL")
    wait_for(lambda: not inspect(exec_id)["Running"], what="its end")


def directory_of(exec_id):
    return glob.glob(f"/sys/fs/cgroup/**/exec-{exec_id}.scope", recursive=True)[0]


def cpu_usec(directory):
    with open(f"{directory}/cpu.stat", encoding="ascii") as stream:
        return int(dict(line.split() for line in stream)["usage_usec"])


def stats(query):
    reply = request("GET", f"/containers/web/stats?{query}")
    assert reply.status == 200, reply.body
    return reply.json()


def of(found, exec_id):
    return next(entry for entry in found["execs"] if entry["id"] == exec_id)


def test_cpu_is_the_control_groups(burning):
    scope = directory_of(burning)
    before = cpu_usec(os.path.dirname(scope)), cpu_usec(scope)
    found = stats("stream=0&one-shot=1")
    after = cpu_usec(os.path.dirname(scope)), cpu_usec(scope)
    assert before[0] <= found["cpu_stats"]["cpu_usage"]["total_usage"] / 1000 <= after[0]
    assert before[1] <= of(found, burning)["cpu_total"] / 1000 <= after[1]
    assert found["precpu_stats"]["cpu_usage"]["total_usage"] == 0 and found["preread"].startswith("0001")


def test_two_figures_without_a_stream(burning):
    """From them clients compute the share of the processors."""
    found = stats("stream=false")
    cpu, before = found["cpu_stats"], found["precpu_stats"]
    used = cpu["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    share = used / (cpu["system_cpu_usage"] - before["system_cpu_usage"]) * cpu["online_cpus"]
    assert 0.02 < share < 1.5
    assert found["preread"] < found["read"]


def test_tasks(burning):
    def threads():
        with open(f"{directory_of(burning)}/cgroup.threads", encoding="ascii") as stream:
            return len(stream.read().split())

    def agree():
        """A process that has helped with the start may still be about to end."""
        found = stats("stream=0&one-shot=1")
        return of(found, burning)["tasks"] == threads() and found
    found = wait_for(agree, what="the same number of tasks")
    assert found["pids_stats"]["current"] >= of(found, burning)["tasks"] > 1


def test_stream_ends_with_the_container():
    machine = "/usr/lib/execd-tests/machine"
    shell(f"{machine} start metered")
    wait_for(lambda: request("GET", "/containers/metered/json").status == 200, what="the machine")
    with connect() as s:
        s.sendall(head_bytes("GET", "/containers/metered/stats"))
        status, headers, data = read_head(s)
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        while data.count(b'"read":') < 2:
            data += s.recv(65536)
        shell(f"{machine} remove metered")
        while not data.endswith(b"0\r\n\r\n"):
            piece = s.recv(65536)
            assert piece, data[-200:]
            data += piece


def test_slow_reader_of_the_stream(burning):
    """Figures are taken when those before have been sent, so that nothing piles up."""
    with connect() as s:
        s.sendall(head_bytes("GET", "/containers/web/stats"))
        assert read_head(s)[0] == 200
        assert request("GET", "/_ping").status == 200


def test_docker_stats(burning):
    line = shell("docker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.PIDs}}' web").split()
    assert line[0] == "web" and float(line[1].rstrip("%")) > 0 and int(line[2]) >= 2


def test_execctl_top(burning):
    rows = json.loads(shell("execctl top web --json=short"))
    assert {row["container"] for row in rows} == {"web"}
    assert rows[0]["exec"] is None
    row = next(row for row in rows if row["exec"] == burning)
    assert row["cpu"] > 1 and row["tasks"] >= 2
    assert re.search(r"^CONTAINER +EXEC +CPU +MEMORY +TASKS +READ +WRITTEN$", shell("execctl top --no-pager"), re.M)


def test_container_without_execs():
    machine = "/usr/lib/execd-tests/machine"
    shell(f"{machine} start idle")
    try:
        wait_for(lambda: request("GET", "/containers/idle/json").status == 200, what="the machine")
        found = request("GET", "/containers/idle/stats?stream=0&one-shot=1").json()
        assert found["execs"] == [] and found["cpu_stats"]["cpu_usage"]["total_usage"] == 0
    finally:
        shell(f"{machine} remove idle")


def test_many_execs_hold_up_nobody():
    """The figures of many execs are read by children of execd-spawner, which serves others meanwhile."""
    def spent():
        """By the spawner itself, and by its children that have ended."""
        with open(f"/proc/{shell('systemctl show -P MainPID execd-spawner.service').strip()}/stat", encoding="ascii") as stream:
            ticks = [int(t) for t in stream.read().rsplit(") ", 1)[1].split()[11:15]]
        return ticks[0] + ticks[1], ticks[2] + ticks[3]
    ids = []
    try:
        for _ in range(150):
            ids.append(create("web", ["sleep", "1000"], AttachStdout=False, AttachStderr=False))
            assert request("POST", f"/exec/{ids[-1]}/start", {"Detach": True}).status == 200
        before = spent()
        for _ in range(40):
            assert len(stats("stream=0&one-shot=1")["execs"]) >= len(ids)
        own, children = (after - earlier for after, earlier in zip(spent(), before))
        assert own < children, (own, children)
    finally:
        for exec_id in ids:
            request("POST", f"/exec/{exec_id}/kill?signal=KILL")
