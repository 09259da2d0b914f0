# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process that waits for a file system which its container serves, and holds locks of its own meanwhile: a request
that reads of it in /proc waits with it. No other request does (R-K6)."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading

import client
import host
import pytest

PREPARE = "mknod /dev/fuse c 10 229; : >/file; "
MEMORY = "/probe/hostile fuse-memory /file /probe/asked"
ALONE = "the state of the container's first process cannot be read"
FLUSH = "/probe/hostile fuse-flush /file /probe/asked /probe/hostile sleep"


def commands(name):
    reply = client.request("GET", f"/containers/{name}/top")
    assert reply.status == 200, reply.message
    top = reply.json()
    return [row[top["Titles"].index("CMD")] for row in top["Processes"]]


@pytest.fixture
def asked():
    """Waits for the file system of a machine to be asked; it answers when its server is killed."""
    servers = []

    def wait(m, name="asked", ancestor=None):
        host.wait_until(lambda: os.path.exists(f"{m.shared}/{name}"), "the file system to be asked")
        with open(f"{m.shared}/{name}", encoding="ascii") as stream:
            inside = stream.read()
        found = [pid for pid in host.processes_of(ancestor or m.leader()) if host.status_of(pid)["NSpid"].split()[-1] == inside]
        assert found
        servers.extend(found)

    def end():
        while servers:
            host.sh(["kill", "-KILL", str(servers.pop())], check=False)

    wait.end = end
    yield wait
    end()


@pytest.fixture
def served(machine, asked):
    """Makes a machine in which a process waits."""

    def make(script=None, payload=(), name="hostile-memory"):
        m = machine(name, script=script, payload=payload)
        asked(m)
        return m

    return make


def is_scout_waiting():
    for pid in host.children_of(host.main_pid("execd-spawner.service")):
        try:
            if host.comm_of(pid) == "execd-scout" and host.status_of(pid)["State"][0] == "D":
                return True
        except (FileNotFoundError, ProcessLookupError):
            pass
    return False


class Attempt:
    """A command in a container, beside which others run elsewhere: `others` began when a process already kept a scout
    waiting for it, and were over before it."""

    def __init__(self, container, command=("/bin/true",)):
        self.outcome = None
        self.others = 0
        self.thread = threading.Thread(target=self.run, args=(container, list(command)))
        self.thread.start()

    def run(self, container, command):
        self.outcome = client.run(container, command)

    def beside(self, container="web"):
        while not self.outcome:
            is_waiting = is_scout_waiting()
            assert client.run(container, ["/bin/true"]).code == 0
            self.others += is_waiting and not self.outcome
        self.thread.join()
        return self


def test_command_line(served):
    """The list of processes has the name in brackets. A request in the meantime gets the same answer, and a later one
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
    # The next spawner looks at containers for the first time.
    host.sh("systemctl restart execd-spawner.service")
    assert client.run("web", ["/bin/true"]).code == 0
    listed = {c["Names"][0][1:]: c["Command"] for c in client.request("GET", "/containers/json").json()}
    assert listed[m.name] == "[hostile]"
    assert "[" not in listed["web"]


def test_process_in_execve(served):
    """The other processes are listed, of its own container and elsewhere."""
    m = served(script=f"{PREPARE} {FLUSH} &\n")
    assert "/probe/hostile sleep" in commands(m.name)
    assert commands("web")
    assert client.run("web", ["/bin/true"]).code == 0


def test_leader_in_execve(served):
    """No container is found later because of it, and execd-spawner goes on."""
    m = served(payload=["/bin/sh", "-c", f"{PREPARE} exec {FLUSH}"])
    host.sh("systemctl restart execd-spawner.service")
    assert client.run("web", ["/bin/true"]).code == 0
    spawner = host.main_pid("execd-spawner.service")
    client.assert_refused(Attempt(m.name).beside().outcome, ALONE)
    client.assert_refused(client.run(m.name, ["/bin/true"]), ALONE)
    assert client.run("web", ["/bin/true"]).code == 0
    assert host.main_pid("execd-spawner.service") == spawner


def test_leaders_in_execve_one_after_another(served, asked, service):
    """Each one is new, and none of them has been left alone before. A service is looked for in rounds, which do not
    wait for them either. systemd-machined does when it is asked for addresses: no two at a time."""
    other = service("scouted")
    assert client.run("web", ["/bin/true"]).code == 0 and client.run(other.name, ["/bin/true"]).code == 0
    spawner = host.main_pid("execd-spawner.service")
    others = 0
    for i in range(3):
        m = served(payload=["/bin/sh", "-c", f"{PREPARE} exec {FLUSH}"], name=f"hostile-memory-{i}")
        attempt = Attempt(m.name).beside(other.name)
        client.assert_refused(attempt.outcome, ALONE)
        others += attempt.others
        asked.end()
    assert others
    assert client.run("web", ["/bin/true"]).code == 0
    assert host.main_pid("execd-spawner.service") == spawner


def test_main_process_in_execve(service, fuse):
    s = service("hostile-memory", ["ExecStartPre=/bin/touch /probe/file"],
                "{inside}/hostile fuse-flush {inside}/file {inside}/asked {inside}/hostile sleep", wait=False)
    host.wait_until(lambda: os.path.exists(f"{s.shared}/asked"), "the file system to be asked")
    try:
        attempts = [Attempt(s.name) for _ in range(4)]
        for attempt in attempts:
            client.assert_refused(attempt.beside().outcome, ALONE)
        client.assert_refused(client.run(s.name, ["/bin/true"]), ALONE)
    finally:
        with open(f"{s.shared}/asked", encoding="ascii") as stream:
            os.kill(int(stream.read()), signal.SIGKILL)


def test_known_leader_in_execve(machine, asked):
    m = machine("hostile-memory", payload=["/bin/sh", "-c", f"{PREPARE} until [ -e /probe/go ]; do sleep 0.1; done; exec {FLUSH}"])
    assert client.run(m.name, ["/bin/true"]).code == 0
    spawner = host.main_pid("execd-spawner.service")
    with open(f"{m.shared}/go", "w", encoding="ascii"):
        pass
    asked(m)
    others = 0
    for i in range(3):
        attempts = [Attempt(m.name) for _ in range(4)]
        for attempt in attempts:
            client.assert_refused(attempt.beside().outcome, ALONE)
            others += attempt.others
        if others:
            break
        host.let_pass(3 << i)  # it is left alone for so long; this machine was slower than the scout
    assert others
    client.assert_refused(client.run(m.name, ["/bin/true"]), ALONE)
    assert host.main_pid("execd-spawner.service") == spawner


def order_of(runner):
    """The socket that a parked runner gets its order from."""
    pidfd = os.pidfd_open(runner)
    fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, 3, 0)  # pidfd_getfd
    os.close(pidfd)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return socket.socket(fileno=fd)


def test_commands_in_execve(machine, asked):
    """A command that executes another program before it was compared with its container: the order is made by a
    stopped runner and a stopped execd-spawner."""
    m = machine("hostile-memory", script="mknod /dev/fuse c 10 229\n")
    assert client.run(m.name, ["/bin/true"]).code == 0
    spawner = host.main_pid("execd-spawner.service")
    for i in range(3):
        assert client.run(m.name, ["/bin/sh", "-c", f": >/file{i}"]).code == 0
        exec_id = client.create(m.name, ["/probe/hostile", "fuse-flush", f"/file{i}", f"/probe/asked{i}", "/probe/hostile", "sleep"]).json()["Id"]
        unit = f"exec-{exec_id}.scope"
        host.wait_until(lambda u=unit: [host.status_of(pid)["State"][0] for pid in host.members_of(u)] == ["S", "S"],
                        "both processes of the runner to wait for the order")
        runners = host.members_of(unit)
        runner = next(pid for pid in runners if int(host.status_of(pid)["PPid"]) == spawner)
        outcome = []
        try:
            host.halt(*runners)
            thread = threading.Thread(target=lambda e=exec_id, o=outcome: o.append(client.start(e)))
            thread.start()
            with order_of(runner) as order:
                order.recv(1, socket.MSG_PEEK)
            host.halt(spawner)
            for pid in runners:
                os.kill(pid, signal.SIGCONT)
            asked(m, f"asked{i}", runner)
        finally:
            host.sh(["kill", "-CONT", str(spawner), *map(str, runners)], check=False)
        while not outcome:
            assert client.run("web", ["/bin/true"]).code == 0
        thread.join()
        client.assert_refused(outcome[0], "failed to check the command, which was killed: its state cannot be read")
    assert client.run(m.name, ["/bin/true"]).code == 0
    assert host.main_pid("execd-spawner.service") == spawner


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
def test_caller_in_execve(way, tmp_path, fuse):
    """R-K6: execd reads nothing of its callers that waits for them."""
    asked, file = tmp_path / "asked", tmp_path / "file"
    file.touch()
    assert client.run("web", ["/bin/true"]).code == 0
    execd = host.main_pid("execd.service")
    host.halt(execd)
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


@pytest.mark.parametrize("when", ["before it is compared", "when it runs"])
def test_command_with_many_groups(machine, when):
    """A command decides how much the kernel says of it, for that has its groups. It is listed and killed as any other."""
    m = machine("hostile-groups", payload=["/probe/hostile", "sleep"])
    wait = "until [ -e /probe/go ]; do sleep 0.1; done; " if when == "when it runs" else ""
    exec_id = client.create(m.name, ["/bin/sh", "-c", f"{wait}exec /probe/hostile many-groups"]).json()["Id"]
    reply = client.start_detached(exec_id)
    assert reply.status == 200, reply.message
    with open(f"{m.shared}/go", "w", encoding="ascii"):
        pass
    command = host.wait_until(lambda: next(iter(host.find_process("many-groups")), None), "the command")
    host.wait_until(lambda: len(host.status_of(command)["Groups"].split()) == 65536, "its groups")
    reply = client.request("POST", f"/exec/{exec_id}/kill?signal=CONT")
    assert reply.status in (200, 204), reply.message
    assert "/probe/hostile many-groups" in commands(m.name)
    reply = client.request("POST", f"/exec/{exec_id}/kill?signal=KILL")
    assert reply.status in (200, 204), reply.message
    host.wait_until(lambda: not client.inspect(exec_id)["Running"], "its end")


def test_first_process_with_many_groups(machine):
    """It has them before it is found, or takes them later: commands in its container run, and are listed."""
    m = machine("hostile-group-leader", payload=["/probe/hostile", "many-groups"])
    host.wait_until(lambda: len(host.status_of(m.leader())["Groups"].split()) == 65536, "its groups")
    assert client.output(m.name, ["/bin/echo", "ok"]) == "ok\n"
    assert "/probe/hostile many-groups" in commands(m.name)
