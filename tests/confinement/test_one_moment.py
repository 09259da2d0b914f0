# SPDX-License-Identifier: LGPL-2.1-or-later
"""A first process that changes after its container was found, or before it is found again (R-F4, R-F5, R-F6), and
commands that
are looked at in the right moment (R-C13, R-C14)."""

import concurrent.futures
import ctypes
import fcntl
import os
import signal
import struct
import termios
import threading

import client
import engines
import host
import pytest
from scale import times

LEAVER = ["/probe/hostile", "leaver", "/probe"]
# Of the host's user namespace, whatever the kernel has.
NOTHING = "0000000000000000"
UNPRIVILEGED = ["--user", "1000:1000", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
UNCONFINED = ["--security-opt", "seccomp=unconfined"]


@pytest.fixture(scope="module", autouse=True)
def programs():
    engines.start_docker()
    engines.make_image("docker")
    engines.make_image("podman")
    yield
    engines.stop_docker()


@pytest.fixture
def container(machine):
    """Makes a container of a kind, with the leaver as its first process."""
    made = []
    kinds = {"docker": engines.Docker, "podman": engines.Podman, "podman-crun": engines.PodmanCrun}

    def make(kind, options=(), payload=LEAVER):
        name = f"moment-{kind}"
        if kind == "nspawn":
            return machine(name, list(options), payload)
        made.append(kinds[kind](name, options, payload))
        return made[-1]

    yield make
    for c in made:
        c.remove()


def tell(c, what):
    """The first process does it, and says so."""
    for name in ("go", "did"):
        if os.path.exists(f"{c.shared}/{name}"):
            os.unlink(f"{c.shared}/{name}")
    with open(f"{c.shared}/go.new", "w", encoding="ascii") as stream:
        stream.write(what)
    os.chmod(f"{c.shared}/go.new", 0o666)
    os.rename(f"{c.shared}/go.new", f"{c.shared}/go")
    host.wait_until(lambda: os.path.exists(f"{c.shared}/did"), f"the first process to do {what}")
    with open(f"{c.shared}/did", encoding="ascii") as stream:
        assert stream.read() == "done", what


STATUS = ["/bin/cat", "/proc/self/status"]
NAMESPACES = ["/bin/sh", "-c", "for name in /proc/self/ns/*; do readlink $name; done; grep Cap /proc/self/status"]


def create(c, **fields):
    created = client.create(c.name, STATUS, **fields)
    assert created.status == 201, created.body
    return created.json()["Id"]


def run_when(c, moment, what, **fields):
    """The outcome of an exec around the moment in which the first process changes."""
    if moment == "restart":
        tell(c, what)
        host.restart_services()
    else:
        assert client.run(c.name, STATUS, **fields).code == 0
    if moment == "before":
        tell(c, what)
    if moment != "between":
        return client.run(c.name, STATUS, **fields)
    exec_id = create(c, **fields)
    tell(c, what)
    return client.start(exec_id)


MOMENTS = ["before", "between", "restart"]
KINDS = {
    "nspawn": [],
    "podman": UNPRIVILEGED,
    "podman-crun": UNPRIVILEGED,
    "docker": [*UNPRIVILEGED, *UNCONFINED],
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", ["user", "user+mount", "childs-user", "user+ambient"])
@pytest.mark.parametrize("kind", KINDS)
def test_first_process_leaves_its_user_namespace(container, kind, what, moment):
    """T-F4: the kernel then shows all capabilities for it, which it has in a namespace of its own. No exec gets them."""
    c = container(kind, KINDS[kind])
    client.assert_refused(run_when(c, moment, what, User="0"), "left its user namespace")
    client.assert_refused(client.run(c.name, STATUS, User="1000"), "left its user namespace")


@pytest.mark.parametrize("what", ["mount", "network", "uts", "ipc", "cgroup"])
def test_first_process_leaves_another_namespace(container, what):
    """T-F4: it is refused by name."""
    c = container("nspawn")
    for moment in ("before", "between"):
        client.assert_refused(run_when(c, moment, what), f"its {what} namespace".lower())
        host.restart_services()  # found anew, as it is now


@pytest.mark.parametrize("moment", MOMENTS)
def test_first_process_of_a_machine_in_another_root(container, moment):
    """T-F7: a command would begin in the root of the mount namespace, where its container is not."""
    c = container("nspawn")
    client.assert_refused(run_when(c, moment, "root"), "root directory of its mount namespace")


def register(name, leader):
    """As any program of root's may."""
    host.sh(["busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
             "org.freedesktop.machine1.Manager", "RegisterMachine", "sayssus", name, "0", "test", "container",
             str(leader), ""])


@pytest.fixture
def unit():
    """Makes services that go away with the test, and finds the one process in them that has a PID namespace."""
    made = []

    def make(name, script):
        # The first process of a PID namespace takes no SIGTERM.
        host.sh(["systemd-run", "--quiet", "--collect", f"--unit={name}", "--slice=machine.slice",
                 "-p", "Delegate=yes", "-p", "KillSignal=SIGKILL", "sh", "-c", script])
        made.append(name)
        own = os.readlink("/proc/self/ns/pid")

        def leader():
            path = host.sh(["systemctl", "show", "-p", "ControlGroup", "--value", name]).strip()
            with open(f"/sys/fs/cgroup{path}/cgroup.procs", encoding="ascii") as stream:
                pids = [int(line) for line in stream]
            return next((pid for pid in pids if os.readlink(f"/proc/{pid}/ns/pid") != own
                         and "sleep" in host.status_of(pid)["Name"]), None)

        return host.wait_until(leader, f"the first process of {name}")

    yield make
    for name in made:
        host.sh(["systemctl", "stop", name], check=False)


def test_machine_that_was_only_given_another_root(container, unit):
    """T-F7: its mount namespace has all files of the host."""
    root = container("nspawn").root
    name = "moment-chroot"
    register(name, unit(name, "exec unshare --mount --pid --fork --kill-child "
                                    f"chroot {root} /bin/sleep 100000"))
    with open("/etc/hostname", encoding="utf-8") as stream:
        hostname = stream.read()
    outcome = client.run(name, ["cat", "/etc/hostname"])
    assert hostname.encode() not in outcome.out
    client.assert_refused(outcome, "root directory of its mount namespace")


@pytest.mark.parametrize("below", ["", "/{name}.service", "/system.slice/{name}.service"], ids=["other", "named", "named-slice"])
def test_leader_of_a_machine_is_another_process_by_now(unit, below):
    """T-F8: systemd-machined has its number alone. A process outside of the control group of the machine is not its leader,
    and the owner of a group can give groups below it any name."""
    name, other = "moment-number", "moment-other"
    script = "exec unshare --mount --pid --fork --kill-child --mount-proc sleep 100000"
    leader, stranger = unit(name, script), unit(other, script)
    register(name, leader)
    assert client.run(name, ["true"]).code == 0
    group = host.cgroup_of(stranger) + below.format(name=name)
    os.makedirs(f"/sys/fs/cgroup{group}", exist_ok=True)
    with open(f"/sys/fs/cgroup{group}/cgroup.procs", "w", encoding="ascii") as stream:
        stream.write(str(leader))
    host.restart_services()
    client.assert_refused(client.run(name, ["true"]), f"not in the control group of its unit {name}.service")


def test_machine_of_a_user_with_the_id_of_another(unit):
    """T-F10: later versions of systemd-machined let users register machines of their own, with any name."""
    ident = next(c["Id"] for c in client.request("GET", "/containers/json").json() if "/web" in c["Names"])
    name = ident[:12]
    leader = unit("moment-users", "exec setpriv --reuid 1000 --regid 1000 --clear-groups unshare --user --map-root-user --mount "
                                  "--pid --fork --kill-child --mount-proc sleep 100000")
    register(name, leader)
    try:
        other = next(c["Id"] for c in client.request("GET", "/containers/json").json() if f"/{name}" in c["Names"])
        for reference, found in ((name, ident), (other, other)):
            created = client.create(reference, ["hostname"]).json()["Id"]
            assert client.inspect(created)["ContainerID"] == found
    finally:
        host.sh(["machinectl", "terminate", name], check=False)


@pytest.mark.parametrize("moment", MOMENTS)
def test_first_thread_has_ended(container, moment):
    """T-F4: the kernel then shows no namespaces, though the process lives on in its other threads."""
    c = container("nspawn")  # Docker cannot even remove such a one
    client.assert_refused(run_when(c, moment, "thread"), "first thread", statuses=(409, 501))


@pytest.mark.parametrize("moment", ["before", "between"])
@pytest.mark.parametrize("kind", ["nspawn", "docker", "podman"])
def test_ambient_set_raised(container, kind, moment):
    """T-F5: an exec does not get capabilities that the first process has raised since the container was found."""
    c = container(kind)
    fields = run_when(c, moment, "ambient", User="1000")
    assert fields.code == 0, fields
    status = dict(line.split(":\t") for line in fields.out.decode().splitlines() if line.startswith("Cap"))
    assert host.caps(host.status_of(c.leader())["CapAmb"]) != 0
    for name in ("CapAmb", "CapPrm", "CapEff", "CapInh"):
        assert status[name] == NOTHING, status
    bounding = host.caps(host.status_of(c.leader())["CapBnd"])
    assert host.caps(status["CapBnd"]) == bounding


def processes_of(scope):
    group = host.sh(["systemctl", "show", "-p", "ControlGroup", "--value", scope]).strip()
    with open(f"/sys/fs/cgroup{group}/cgroup.procs", encoding="ascii") as stream:
        return sorted(map(int, stream.read().split()))


def runner_of(exec_id):
    """The process that waits for the order in the scope of an exec which was not started: a child of the runner."""
    scope = f"exec-{exec_id}.scope"
    host.wait_until(lambda: scope in host.exec_scopes(), "the scope")
    host.wait_until(lambda: len(processes_of(scope)) == 2, "both processes of the runner")
    return max(processes_of(scope), key=lambda pid: int(host.status_of(pid)["PPid"]) in processes_of(scope))


def waiting_for(pid, fd):
    """How many bytes another process has not yet read from a socket of its own."""
    pidfd = os.pidfd_open(pid)
    copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)  # pidfd_getfd
    assert copy >= 0, os.strerror(ctypes.get_errno())
    try:
        return struct.unpack("i", fcntl.ioctl(copy, termios.FIONREAD, b"\0" * 4))[0]
    finally:
        os.close(copy)
        os.close(pidfd)


@pytest.mark.parametrize("what", ["mount", "uts", "user"])
def test_runner_joins_what_was_compared(container, what):
    """T-F6: the first process leaves after it was looked at, and before the runner joins its namespaces."""
    c = container("nspawn")
    expected = client.output(c.name, NAMESPACES)
    assert expected.count(":[") >= 7 and "CapEff" in expected
    created = client.create(c.name, NAMESPACES)
    exec_id = created.json()["Id"]
    runner = runner_of(exec_id)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.start(exec_id)))
    try:
        host.halt(runner)
        thread.start()
        host.wait_until(lambda: waiting_for(runner, 3) > 0, "the order for the runner")
        tell(c, what)
    finally:
        os.kill(runner, signal.SIGCONT)
    thread.join(30)
    # In another mount namespace its root directory is another one, which the runner compares as well.
    if what == "mount":
        client.assert_refused(outcomes[0], "root directory")
        return
    assert outcomes and outcomes[0].code == 0, outcomes
    assert outcomes[0].out.decode() == expected


def test_leader_that_stays_is_found_again(container):
    """A restart forgets what was found; a first process that has not changed is found as before."""
    for kind, options in KINDS.items():
        c = container(kind, options)
        first = client.output(c.name, NAMESPACES)
        host.restart_services()
        again = client.output(c.name, NAMESPACES)
        assert first == again


def test_command_with_namespaces_of_its_own(container):
    """Confinement that the command adds before it is compared is no mismatch, also if the command has ended."""
    for kind, options in (("nspawn", []), ("docker", UNCONFINED)):
        c = container(kind, options)
        for _ in range(times(100)):
            outcome = client.run(c.name, ["/probe/hostile", "unshared"])
            assert outcome.status == 101 and outcome.code == 0, outcome


def test_payload_of_a_stub_is_the_oldest_child(machine):
    """R-F1: a process that falls to the stub may have a lower pid than the payload, once the numbers begin anew."""
    m = machine("moment-stub", payload=LEAVER, as_pid2=True)
    stub = m.registered_leader()
    payload = m.leader()
    orphans = []

    def leave_orphan():
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as stream:
            stream.write(str(max(300, stub - 50)))
        tell(m, "orphan")
        orphans.extend(p for p in host.children_of(stub) if p != payload and p not in orphans)
        return min(orphans) < payload

    host.wait_until(leave_orphan, lambda: f"an orphan of {stub} before {payload}: {orphans}")
    host.restart_services()
    shown = client.request("GET", f"/containers/{m.name}/json").json()
    assert shown["State"]["Pid"] == payload


LATE = {
    "no-shebang": ("echo hello\n", "exec format error"),
    "crlf-shebang": ("#!/bin/sh\r\necho hello\r\n", "no such file or directory"),
    "empty": ("", "exec format error"),
    "bad-elf": ("\x7fELF\x02\x01\x01" + "\0" * 90, "exec format error"),
    "no-interpreter": ("#!/no/such/interpreter\n", "no such file or directory"),
}


@pytest.mark.parametrize("user", ["0", "1000"])
@pytest.mark.parametrize("kind", ["nspawn", "docker", "podman", "podman-crun"])
def test_command_that_cannot_be_executed(container, kind, user):
    """T-C14: it fails when all else was done, and its own error is what is said; in each kind of container."""
    c = container(kind)
    for name, (text, _) in LATE.items():
        with open(f"{c.shared}/{name}", "w", encoding="latin-1", newline="") as stream:
            stream.write(text)
        os.chmod(f"{c.shared}/{name}", 0o755)
    for name, (_, error) in LATE.items():
        for tty in (False, True):
            outcome = client.run(c.name, [f"/probe/{name}"], tty=tty, User=user)
            assert outcome.status == 101 and outcome.code == 255 and error in outcome.text, (name, outcome)
    outcome = client.run(c.name, ["/bin/echo", "x" * (128 * 1024)], User=user)
    assert outcome.status == 101 and outcome.code == 255 and "argument list too long" in outcome.text, outcome


@pytest.mark.slow
def test_no_command_is_judged_too_early(container):
    """T-C13: a command is looked at when execve(2) is over, with many at a time too."""
    c = container("docker")

    def run(_):
        return client.run(c.name, ["/bin/true"])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for outcome in pool.map(run, range(times(2000))):
            assert outcome.status == 101 and outcome.code == 0, outcome
