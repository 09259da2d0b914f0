# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process that waits for a file system which its container serves, and holds locks of its own meanwhile: whoever
reads of it in /proc waits with it. Nobody else does (R-K6)."""

import os
import signal
import stat
import subprocess
import sys
import threading

import client
import host
import pytest

PREPARE = "mknod /dev/fuse c 10 229; : >/file; "
MEMORY = "/probe/hostile fuse-memory /file /probe/asked"
FLUSH = "/probe/hostile fuse-flush /file /probe/asked /probe/hostile sleep"


def commands(name):
    reply = client.request("GET", f"/containers/{name}/top")
    assert reply.status == 200, reply.message
    top = reply.json()
    return [row[top["Titles"].index("CMD")] for row in top["Processes"]]


@pytest.fixture
def served(machine):
    """Makes a machine in which a process waits; it goes on when the server of the file system is killed."""
    servers = []

    def make(script=None, payload=()):
        m = machine("hostile-memory", script=script, payload=payload)
        host.wait_until(lambda: os.path.exists(f"{m.shared}/asked"), "the file system to be asked")
        with open(f"{m.shared}/asked", encoding="ascii") as stream:
            inside = stream.read()
        servers.extend(pid for pid in host.processes_of(m.leader()) if host.status_of(pid)["NSpid"].split()[-1] == inside)
        assert servers
        return m

    yield make
    for pid in servers:
        os.kill(pid, signal.SIGKILL)


def test_command_line(served):
    """The list of processes has the name in brackets. Who asks meanwhile gets the same answer, and who asks later
    does not wait for another reader."""
    m = served(script=f"{PREPARE} {MEMORY} &\n")
    answers = []
    tops = [threading.Thread(target=lambda: answers.append(commands(m.name))) for _ in range(5)]
    for t in tops:
        t.start()
    while not answers:
        assert client.run("web", ["/bin/true"]).code == 0
    for t in tops:
        t.join()
    answers += [commands(m.name) for _ in range(3)]
    assert len(answers) == 8 and all("[hostile]" in a for a in answers), answers
    assert "[" not in "".join(commands("web"))
    assert client.run(m.name, ["/bin/true"]).code == 0


def test_command_line_of_a_leader(served):
    m = served(payload=["/bin/sh", "-c", f"{PREPARE} exec {MEMORY}"])
    # What looks at containers for the first time is the next spawner.
    host.sh("systemctl restart execd-spawner.service")
    assert client.run("web", ["/bin/true"]).code == 0
    listed = {c["Names"][0][1:]: c["Command"] for c in client.request("GET", "/containers/json").json()}
    assert listed[m.name] == "[hostile]"
    assert "[" not in listed["web"]


def test_process_in_execve(served):
    """The others are listed, those of its own container and those elsewhere."""
    m = served(script=f"{PREPARE} {FLUSH} &\n")
    assert "/probe/hostile sleep" in commands(m.name)
    assert commands("web")
    assert client.run("web", ["/bin/true"]).code == 0


def test_leader_in_execve(served):
    """Nothing but SIGKILL ends what the loop reads of it; the next execd-spawner leaves it alone."""
    m = served(payload=["/bin/sh", "-c", f"{PREPARE} exec {FLUSH}"])
    host.sh("systemctl restart execd-spawner.service")
    host.wait_until(lambda: client.run("web", ["/bin/true"]).code == 0, "others to be served", 30)
    client.assert_refused(client.run(m.name, ["/bin/true"]), "is left alone")
    assert client.run("web", ["/bin/true"]).code == 0


# A caller that is in the middle of execve(2) when execd looks at who it is.
CALL = {
    "http": """
s = socket.socket(socket.AF_UNIX)
s.connect("/run/execd/execd.sock")
s.sendall(b"GET /_ping HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
s.set_inheritable(True)
""",
    "bus": """
sys.path.insert(0, sys.argv[4])
import bus
b = bus.Bus()
b.send("/org/execd1", "org.execd1.Manager", "ListContainers")
os.set_inheritable(bus.lib.sd_bus_get_fd(b.bus), True)
""",
}
BEGIN, EXECUTE = "import os, socket, sys", "os.execv(sys.argv[1], ['hostile', 'fuse-flush', *sys.argv[2:4], '/bin/true'])"


@pytest.mark.parametrize("way", CALL)
def test_caller_in_execve(way, tmp_path):
    """R-K6: execd reads nothing of its callers that waits for them."""
    asked, file = tmp_path / "asked", tmp_path / "file"
    file.touch()
    made = not os.path.exists("/dev/fuse")
    if made:
        os.mknod("/dev/fuse", stat.S_IFCHR | 0o600, os.makedev(10, 229))
    assert client.run("web", ["/bin/true"]).code == 0
    execd = host.main_pid("execd.service")
    os.kill(execd, signal.SIGSTOP)
    try:
        caller = subprocess.Popen([sys.executable, "-c", "\n".join((BEGIN, CALL[way], EXECUTE)), f"{host.TOOLS}/hostile",
                                   str(file), str(asked), os.path.join(os.path.dirname(__file__), "..", "dbus")],
                                  start_new_session=True)
        host.wait_until(asked.exists, "the caller to be in execve")
        os.kill(execd, signal.SIGCONT)
        for _ in range(3):
            assert client.run("web", ["/bin/true"]).code == 0
            assert '"web"' in host.sh("busctl --json=short call org.execd1 /org/execd1 org.execd1.Manager ListContainers")
        assert host.main_pid("execd.service") == execd
        with open(f"/proc/{caller.pid}/status", encoding="ascii") as stream:
            assert stream.readline() == "Name:\thostile\n" and caller.poll() is None
    finally:
        os.kill(execd, signal.SIGCONT)
        os.killpg(caller.pid, signal.SIGKILL)
        caller.wait()
        host.sh(f"umount --lazy {file}")
        if made:
            os.unlink("/dev/fuse")
