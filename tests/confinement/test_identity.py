# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which container it is, and who is asking (R-F1, R-F3, R-G1)."""

import json
import os
import threading
import urllib.parse
import uuid

import client
import host
import parity
import pytest
from scale import times

MARK = "/run/execd-confinement-mark"
TOUCH = ["/bin/sh", "-c", f"touch {MARK}; touch /execd-confinement-mark"]


def register(name, command, machine_class="container"):
    """A process of the host's, registered with machined as if it were a machine."""
    unit = f"confinement-{uuid.uuid4().hex[:8]}"
    host.sh(["systemd-run", "--quiet", f"--unit={unit}", *command])
    pid = host.main_pid(f"{unit}.service")
    if "--fork" in command:
        # The one that is meant is a child of unshare.
        pid = host.wait_until(lambda: next(iter(host.children_of(pid)), None), "the child of unshare")
    if "/bin/sleep" in command:
        host.wait_until(lambda: host.comm_of(pid) == "sleep", "unshare to have done its work")
    host.sh(["busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
             "org.freedesktop.machine1.Manager", "RegisterMachine", "sayssus", name, "0", "test", machine_class,
             str(pid), "/"])
    return unit


HOST_LEADERS = {
    "same": ["/bin/sleep", "600"],
    "mount-only": ["/usr/bin/unshare", "--mount", "/bin/sleep", "600"],
    "pid-only": ["/usr/bin/unshare", "--pid", "--fork", "/bin/sleep", "600"],
    "user-only": ["/usr/bin/unshare", "--user", "--map-root-user", "/bin/sleep", "600"],
    # T-C7: a user namespace and mounts of its own, and the host's processes.
    "all-but-pid": ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", "--net", "--uts", "--ipc", "/bin/sleep",
                    "600"],
    "net-uts-ipc": ["/usr/bin/unshare", "--net", "--uts", "--ipc", "/bin/sleep", "600"],
}


@pytest.mark.parametrize("machine_class", ["container", "host"])
@pytest.mark.parametrize("kind", HOST_LEADERS)
def test_leader_of_the_host(kind, machine_class):
    """T-F1: a process in the host's mount or pid namespace is the host, whatever was registered with machined."""
    name = f"registered-{kind}"
    try:
        unit = register(name, HOST_LEADERS[kind], machine_class)
    except AssertionError as error:
        if machine_class == "host" and "Invalid" in str(error):
            return  # this machined does not let anybody call a machine that
        raise
    try:
        for fields in ({}, {"Privileged": True}, {"User": "1000"}):
            outcome = client.run(name, TOUCH, **fields)
            client.assert_refused(outcome, statuses=(400, 403, 404, 409, 501))
        assert not os.path.exists(MARK) and not os.path.exists("/execd-confinement-mark")
    finally:
        # PID 1 of a namespace does not hear SIGTERM.
        host.sh(["systemctl", "kill", "--signal=KILL", unit])
        host.sh(["systemctl", "stop", unit])
        host.sh(["systemctl", "reset-failed", unit], check=False)
        for path in (MARK, "/execd-confinement-mark"):
            if os.path.exists(path):
                os.unlink(path)


def test_time_namespace():
    """T-C8: time is the container's too."""
    name = "registered-time"
    unit = register(name, ["/usr/bin/unshare", "--time", "--boottime", "1000000", "--mount", "--pid", "--fork",
                           "--mount-proc", "/bin/sleep", "600"])
    try:
        assert float(client.output(name, ["cat", "/proc/uptime"]).split()[0]) > 1000000
        assert float(host.sh("cat /proc/uptime").split()[0]) < 1000000
    finally:
        host.sh(["systemctl", "kill", "--signal=KILL", unit])
        host.sh(["systemctl", "stop", unit])
        host.sh(["systemctl", "reset-failed", unit], check=False)


NAMES = [".host", "..", ".", "", "web/..", "../web", "web/", "web\n", "\nweb", "we b", "web\x00", "web%00", "*", "we?",
         "x" * 4096, "-p", "--help", "\u00fc\u00fc", "/", "//", "web;id", "%2e%2e", ".hidden", "web\r\nX-Evil: 1"]


@pytest.mark.parametrize("name", NAMES, ids=[repr(n)[:20] for n in NAMES])
def test_odd_names(name):
    """T-F1: a name that no container has is none; .host is not a container."""
    path = urllib.parse.quote(name, safe="")
    reply = client.request("POST", f"/v1.41/containers/{path}/exec", {"Cmd": TOUCH, "AttachStdout": True})
    # A path that is not clean is sent to its clean form, as dockerd does.
    assert reply.status in (301, 400, 403, 404, 405, 414, 431), f"{reply.status}: {reply.body[:300]}"
    assert not os.path.exists(MARK)


@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
def test_restart_between_create_and_start(machine, detached):
    """T-F3: the exec was created for one run of the container, and the next is another."""
    m = machine("hostile-again", payload=["/probe/hostile", "sleep"])
    created = client.create(m.name, TOUCH)
    assert created.status == 201
    m.restart()
    if detached:
        reply = client.start_detached(created.json()["Id"])
        outcome = client.Outcome(reply.status, reply.message)
    else:
        outcome = client.start(created.json()["Id"])
    assert outcome.status in (404, 409), outcome
    leader = m.leader()
    assert not os.path.exists(f"/proc/{leader}/root{MARK}") and not os.path.exists(m.path("/execd-confinement-mark"))
    # The new run of it takes execs.
    assert client.output(m.name, ["/bin/echo", "ok"]) == "ok\n"


def test_another_under_the_same_name(machine):
    """T-F3: the name was given to another machine meanwhile."""
    m = machine("hostile-name", payload=["/probe/hostile", "sleep"])
    created = client.create(m.name, TOUCH)
    m.remove()
    other = machine("hostile-name", ["--private-users=786432:65536", "--private-users-ownership=chown"],
                    ["/probe/hostile", "sleep"])
    client.request("GET", "/containers/json")  # the other one is known
    outcome = client.start(created.json()["Id"])
    assert outcome.status in (404, 409), outcome
    assert not os.path.exists(f"/proc/{other.leader()}/root{MARK}")


def test_restart_while_starting(machine):
    """T-F3: container and start race; a command runs in the run that it was created for, or not at all."""
    m = machine("hostile-race", payload=["/probe/hostile", "sleep"])
    for _ in range(times(10)):
        old = host.namespaces_of(m.leader())["pid"]
        ids = [client.create(m.name, ["/probe/probe", "brief"]).json()["Id"] for _ in range(4)]
        killer = threading.Thread(target=m.restart)
        killer.start()
        for exec_id in ids:
            outcome = client.start(exec_id)
            if outcome.ran and outcome.code == 0:
                assert client.fields(outcome)["ns.pid"] == old
        killer.join()


@pytest.mark.parametrize("what", ["list", "create", "start", "inspect"])
def test_socket_within_a_container(machine, what):
    """T-G1: root of a container that was given the socket is not root of the host."""
    m = machine("hostile-socket", ["--bind=/run/execd/execd.sock:/execd.sock"], ["/probe/probe", "serve", "/probe"])
    created = client.create("web", TOUCH).json()["Id"]
    mark = "/var/lib/execd-tests/machines/web/root/execd-confinement-mark"
    host.sh(["rm", "-f", mark])
    method, path, body = {
        "list": ("GET", "/containers/json", None),
        "create": ("POST", "/v1.41/containers/web/exec", {"Cmd": TOUCH}),
        "start": ("POST", f"/v1.41/exec/{created}/start", {"Detach": True}),
        "inspect": ("GET", f"/v1.41/exec/{created}/json", None),
    }[what]
    with open(f"{m.shared}/http", "wb") as stream:
        stream.write(client.request_bytes(method, path, body, [("Connection", "close")]))
    answer = parity.ask_payload(m, 0, 0, [0], ["/probe/hostile", "http", "/execd.sock", "/probe/http"])
    assert "connect:" not in answer, answer
    assert answer.startswith("HTTP/1.1 403 "), answer[:300]
    assert json.loads(answer.split("\n\n", 1)[1])["error"]["code"] == "FORBIDDEN"
    assert not os.path.exists(mark)
    # The same bytes from the host are good.
    assert client.request(method, path, body).status in (200, 201, 204)
    if what == "start":
        host.wait_until(lambda: os.path.exists(mark), "the command to have run")
        os.unlink(mark)


def test_socket_within_a_container_of_users(machine):
    """With private users the file's mode already says no."""
    m = machine("hostile-socket2", ["--bind=/run/execd/execd.sock:/execd.sock", "--private-users=851968:65536",
                                    "--private-users-ownership=chown"], ["/probe/probe", "serve", "/probe"])
    with open(f"{m.shared}/http", "wb") as stream:
        stream.write(client.request_bytes("GET", "/containers/json", None, [("Connection", "close")]))
    answer = parity.ask_payload(m, 0, 0, [0], ["/probe/hostile", "http", "/execd.sock", "/probe/http"])
    assert "EACCES" in answer or "HTTP/1.1 403 " in answer, answer
