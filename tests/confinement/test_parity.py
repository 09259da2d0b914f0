# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-PAR: a command has what the container's own init gives its children, and nothing else (R-A7, R-C1, R-C2, R-C4)."""

import re

import client
import host
import parity
import pytest

SERVE = ["/probe/probe", "serve", "/probe"]
SERVICE = """[Service]
ExecStart=/probe/probe serve /probe
KeyringMode=shared
[Install]
WantedBy=multi-user.target
"""
LIMITS = ["NOFILE=1000:2000", "CORE=0:0", "NPROC=5000:6000", "STACK=4194304:8388608", "MEMLOCK=65536:65536"]
SCORES = ["Nice=5", "IOSchedulingClass=best-effort", "IOSchedulingPriority=6", "CoredumpFilter=0x11"]
# Name: nspawn's options, properties of the unit, whether nspawn's stub is its PID 1.
MACHINES = {
    "web": ([], [], True),
    "init": ([], [], False),
    "booted": ([], [], False),
    "userns": (["--private-users=589824:65536", "--private-users-ownership=chown"], [], True),
    "filtered": (["--system-call-filter=~mkdir"], [], True),
    "nnp": (["--no-new-privileges=yes"], [], True),
    "dropped": (["--drop-capability=CAP_MKNOD,CAP_SYS_ADMIN,CAP_SYS_PTRACE,CAP_NET_RAW"], [], True),
    "closed": ([], ["DevicePolicy=closed"], True),
    "limited": ([f"--rlimit={limit}" for limit in LIMITS], [], True),
    "keyed": (["--system-call-filter=@keyring"], [], True),
    "scored": (["--oom-score-adjust=300", "--cpu-affinity=0", "--personality=x86"], SCORES, True),
}
USERS = {"root": (0, 0, [0]), "app": (1000, 1000, [1000, 10])}
FULL = {"userns": 0x1ffffffffff}


def make(module_machine, name):
    options, properties, stubbed = MACHINES[name]
    if name != "booted":
        return module_machine(f"par-{name}", options, SERVE, properties, as_pid2=stubbed)
    m = module_machine("par-booted", root="debian")
    m.write("/etc/systemd/system/parity.service", SERVICE)
    # Started by the machine's own PID 1 at its boot.
    host.sh(["systemctl", "-M", m.name, "daemon-reload"])
    host.sh(["systemctl", "-M", m.name, "start", "parity.service"])
    return m


@pytest.fixture(scope="module")
def machines(module_machine):
    cache = {}

    def get(name):
        if name not in cache:
            cache[name] = make(module_machine, name)
        return cache[name]

    return get


def tags_of(name, user, tty, privileged):
    return {"all", name} | ({"privileged"} if privileged else set()) | ({"tty"} if tty else set()) | (
        {"user"} if user != "root" else set())


def by_execd(machine, user, tty=False, privileged=False):
    outcome = client.run(machine.name, ["/probe/probe", "report"], tty=tty, User=user, Privileged=privileged)
    assert outcome.ran and outcome.code == 0, outcome
    return parity.parse(outcome.out.decode().replace("\r\n", "\n"))


def assert_equal(reference, got, tags):
    found = parity.differences(reference, got, tags)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("privileged", [False, True], ids=["plain", "privileged"])
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", MACHINES)
def test_equal(machines, name, user, privileged):
    m = machines(name)
    reference = parity.from_payload(m, *USERS[user])
    got = by_execd(m, user, privileged=privileged)
    assert_equal(reference, got, tags_of(name, user, False, privileged))
    if privileged:
        check_privileged(name, user, reference, got)


def check_privileged(name, user, reference, got):
    full = FULL.get(name, host.caps(host.status_of(1)["CapBnd"]))
    parity.assert_privileged(reference, got, full, user == "root")
    # A filter holds against the privileged, too; so does the container's device policy.
    if name == "filtered":
        assert got["try.mkdir"] == "EPERM"
    if name == "closed":
        assert got["try.node.loop"] == "EPERM"


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ["web", "booted", "userns"])
def test_equal_on_a_terminal(machines, name, user):
    m = machines(name)
    reference = parity.from_payload(m, *USERS[user], tty=True)
    got = by_execd(m, user, tty=True)
    assert_equal(reference, got, tags_of(name, user, True, False))
    assert got["tty.controlling"] == "yes" and got["tty.0.controlling"] == "1"


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", MACHINES)
def test_equal_to_the_leader(machines, name, user):
    """Against what the kernel says of the leader itself, which holds for every kind of init."""
    m = machines(name)
    leader = m.leader()
    status = host.status_of(leader)
    namespaces = host.namespaces_of(leader)
    got = by_execd(m, user)
    for key, value in namespaces.items():
        assert got[f"ns.{key}"] == value
    assert host.caps(got["cap.bounding"]) == host.caps(status["CapBnd"])
    assert host.caps(got["cap.inheritable"]) == 0
    assert host.caps(got["cap.permitted"]) == (host.caps(status["CapPrm"]) if user == "root" else 0)
    for field in ("NoNewPrivs", "Seccomp", "Seccomp_filters"):
        assert got[f"status.{field}"] == status[field]
    with open(f"/proc/{leader}/limits", encoding="ascii") as stream:
        limits = stream.read()
    for name_there, name_here in (("Max open files", "nofile"), ("Max core file size", "core"),
                                  ("Max processes", "nproc"), ("Max stack size", "stack"),
                                  ("Max locked memory", "memlock")):
        soft, hard = re.search(name_there + r"\s+(\S+)\s+(\S+)", limits).groups()
        assert got[f"limit.{name_here}"] == f"{soft} {hard}".replace("unlimited", "-1")
    with open(f"/proc/{leader}/oom_score_adj", encoding="ascii") as stream:
        assert got["proc.oom_score_adj"] == stream.read().replace("\n", "\\n")


def test_machines_are_what_they_are_for(machines):
    """The comparison would hold between two commands that are not confined; the machines must differ."""
    field = {name: parity.from_payload(machines(name), *USERS["root"]) for name in MACHINES}
    assert field["web"]["try.mkdir"] == "ok" and field["filtered"]["try.mkdir"] == "EPERM"
    assert field["nnp"]["status.NoNewPrivs"] == "1" and field["web"]["status.NoNewPrivs"] == "0"
    assert host.caps(field["dropped"]["cap.bounding"]) < host.caps(field["web"]["cap.bounding"])
    assert field["closed"]["try.node.loop"] == "EPERM" and field["web"]["try.node.loop"] == "ok"
    assert field["limited"]["limit.nofile"] == "1000 2000"
    assert field["userns"]["ns.user"] != field["web"]["ns.user"]
    assert int(field["web"]["status.Seccomp_filters"]) > 0
    scored = field["scored"]
    assert scored["proc.oom_score_adj"] == "300\\n" and scored["proc.personality"] == "00000008\\n"
    assert scored["proc.coredump_filter"] == "00000011\\n"
    assert scored["sched.ioprio"] == str(2 << 13 | 6) != field["web"]["sched.ioprio"]


def test_sees_a_naive_join(machines):
    """A process that only joins all namespaces differs in every part of its confinement."""
    m = machines("web")
    reference = parity.from_payload(m, *USERS["root"])
    text = host.sh(["env", "-i", "MARK=1", "nsenter", "-t", str(m.leader()), "-a", "/probe/probe", "report"])
    found = parity.differences(reference, parity.parse(text), {"all", "web"})
    fields = {line.split(":")[0] for line in found}
    assert {"cap.bounding", "status.Seccomp_filters", "proc.cgroup"} <= fields, found
    assert len(fields) > 20
