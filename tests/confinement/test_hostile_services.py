# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-SVC, T-F4: a service under the control of an attacker: its changes to itself give a command no more than it has."""

import os
import shutil
import time

import bpf
import client
import host
import pytest
import services
import test_false_proc as false_proc
import test_one_moment as moment

LEAVER = "{inside}/hostile leaver {inside}"
STATUS = ["/bin/cat", "/proc/self/status"]
# Root of the host by its number, and confined.
CONFINED = ["CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_DAC_OVERRIDE", "NoNewPrivileges=yes", "PrivateTmp=yes"]
# A main process that names another one as soon as PATH/pid is there.
NAMES_ANOTHER = ("/bin/sh -c 'systemd-notify --ready; while [ ! -e {inside}/pid ]; do sleep 0.1; done; "
                 "systemd-notify --pid=$(cat {inside}/pid); touch {inside}/did; sleep 1000'")


def name_main_process(s, pid):
    with open(f"{s.shared}/pid.new", "w", encoding="ascii") as stream:
        stream.write(str(pid))
    os.rename(f"{s.shared}/pid.new", f"{s.shared}/pid")
    host.wait_until(lambda: os.path.exists(f"{s.shared}/did"), "the message to systemd")


@pytest.fixture
def naming(service):
    return service("naming", ["Type=notify", "NotifyAccess=all", *CONFINED], program=NAMES_ANOTHER)


@pytest.mark.parametrize("victim", ["service", "machine", "ours"])
def test_main_process_of_somebody_else(service, naming, victim):
    """systemd takes a root service's word for it. Its commands do not run in another unit all the same."""
    if victim == "service":
        pid = service("victim", ["User=daemon"]).main_pid()
    elif victim == "machine":
        pid = int(host.sh(["machinectl", "show", "web", "-p", "Leader", "--value"]))
    else:
        pid = host.main_pid("execd.service") or host.main_pid("dbus.service")
    assert client.run(naming.name, STATUS).code == 0
    name_main_process(naming, pid)
    if naming.main_pid() != pid:
        # A later systemd does not.
        assert client.run(naming.name, STATUS).code == 0
        return
    for fields in ({}, {"Privileged": True}, {"User": "nobody", "Privileged": True}):
        client.assert_refused(client.run(naming.name, STATUS, **fields))


def test_main_process_of_another_user(service):
    """A process of the service's own that has another user: a command is that user, and nothing more."""
    s = service("giving-away", ["Type=notify", "NotifyAccess=all"], private_mounts=False,
                program="/bin/sh -c 'systemd-notify --ready; while [ ! -e {inside}/go ]; do sleep 0.1; done; "
                        "setpriv --reuid=1 --regid=1 --clear-groups --bounding-set=-all --inh-caps=-all sleep 1000 & "
                        "systemd-notify --pid=$! ; sleep 1000'")
    first = s.main_pid()
    assert client.run(s.name, STATUS, Privileged=True).code == 0
    with open(f"{s.shared}/go", "w", encoding="ascii"):
        pass
    host.wait_until(lambda: s.main_pid() not in (0, first) and host.comm_of(s.main_pid()) == "sleep", "another main process")
    outcome = client.run(s.name, STATUS)
    assert outcome.code == 0, outcome
    status = dict(line.split(":\t", 1) for line in outcome.out.decode().splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1"] * 4 and int(status["CapBnd"], 16) == 0
    client.assert_refused(client.run(s.name, STATUS, User="0"), "Privileged")


SETUID = "/var/lib/execd-tests/becomes"  # not in /run, where the bit means nothing


@pytest.mark.parametrize("ids", [("--reuid=0", "--regid=0"), ("--reuid=33", "--regid=33"), ("--reuid=1", "--regid=42")],
                         ids=["root", "another", "group"])
def test_main_process_executes_a_setuid_program(service, ids):
    """A command still runs as the user of the unit: privileges of the program in the service do not pass to it."""
    s = service("setuid", ["User=daemon", "PrivateTmp=yes"],
                program="/bin/sh -c 'while [ ! -e {inside}/go ]; do sleep 0.1; done; exec " + SETUID +
                        f" {' '.join(ids)} --clear-groups /bin/sleep infinity'")
    shutil.copy("/usr/bin/setpriv", SETUID)
    os.chmod(SETUID, 0o4755)
    try:
        with open(f"{s.shared}/go", "w", encoding="ascii"):
            pass
        host.wait_until(lambda: host.comm_of(s.main_pid()) == "sleep", "the setuid program")
        client.assert_refused(client.run(s.name, STATUS), "Privileged: the main process of setuid.service runs as the user")
        client.assert_refused(client.start(client.create(s.name, STATUS).json()["Id"]), "Privileged")
        assert client.run(s.name, STATUS, Privileged=True).code == 0
        assert client.output(s.name, ["/usr/bin/id", "-un"], User="daemon") == "daemon\n"
    finally:
        os.unlink(SETUID)


@pytest.fixture
def scripted(service):
    """A service whose main process does this first, as a shell."""
    def make(name, properties, text, comm):
        s = service(name, properties, program="/bin/sh {inside}/script", wait=False)
        s.stop()
        with open(f"{s.shared}/script", "w", encoding="utf-8") as stream:
            stream.write("set -e\n" + text.replace("INSIDE", s.inside) + "\n")
        host.sh(["systemctl", "reset-failed", s.name], check=False)
        s.start(wait=False)
        host.wait_until(lambda: s.main_pid() and host.comm_of(s.main_pid()) == comm, "the end of the script")
        return s

    return make


SUBGROUP = """g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
mkdir -p $g/NAME
echo $$ >$g/NAME/cgroup.procs
exec INSIDE/probe serve INSIDE"""


@pytest.mark.parametrize("name", ["sub", f"exec-{'0' * 64}.scope", "payload"])
def test_control_group_of_its_own_making(scripted, name):
    """Delegate=yes: the main process is further down. Restrictions there apply to a command, too."""
    s = scripted("delegated", ["User=daemon", "Delegate=yes"], SUBGROUP.replace("NAME", name), "probe")
    assert host.cgroup_of(s.main_pid()) == f"{s.group()}/{name}"
    assert client.output(s.name, ["/usr/bin/id", "-un"]) == "daemon\n"
    command = services.script(bpf.ATTEMPT, "connect4")
    assert client.run(s.name, command).code == 0
    program = bpf.Program("connect4")
    program.attach(f"{s.group()}/{name}")
    assert services.by_itself(s, command) == 13 and client.run(s.name, command).code == 13
    program.detach(f"{s.group()}/{name}")
    program.close()
    created = client.create(s.name, ["/bin/sleep", "1000"]).json()["Id"]
    assert client.start_detached(created).status == 200
    s.stop()
    host.wait_until(lambda: not client.inspect(created)["Running"], "the end of the command")


@pytest.mark.parametrize("filters", [[], ["SystemCallFilter=~@clock"]], ids=["plain", "filters"])
def test_freezes_itself(scripted, filters):
    """Only itself: its next command runs or is refused with a text, and no other one waits for it."""
    s = scripted("freezing", ["User=daemon", "Delegate=yes", *filters], SUBGROUP.replace("NAME", "sub"), "probe")
    with open(f"/sys/fs/cgroup{s.group()}/sub/cgroup.freeze", "w", encoding="ascii") as stream:
        stream.write("1")
    try:
        outcome = client.run(s.name, ["/usr/bin/id", "-un"])
        print(outcome)
        if outcome.ran:
            assert outcome.out == b"daemon\n", outcome
        else:
            client.assert_refused(outcome)
        assert client.output("web", ["/bin/echo", "x"]) == "x\n"
    finally:
        with open(f"/sys/fs/cgroup{s.group()}/sub/cgroup.freeze", "w", encoding="ascii") as stream:
            stream.write("0")
    host.wait_until(lambda: client.run(s.name, ["/bin/true"]).code == 0, "a command after the thaw")


@pytest.mark.parametrize("what", ["mount", "uts", "ipc", "network", "cgroup"])
def test_leaves_a_namespace(service, what):
    """Refused by name; found anew, it is taken as it is."""
    s = service("leaver", CONFINED, program=LEAVER)
    assert client.run(s.name, STATUS).code == 0
    created = client.create(s.name, STATUS).json()["Id"]
    moment.tell(s, what)
    client.assert_refused(client.run(s.name, STATUS), f"its {what} namespace")
    client.assert_refused(client.start(created))
    host.restart_services()
    outcome, pid = false_proc.run_marked(s.name)
    assert pid, outcome
    host.assert_confined_like(pid, s.main_pid())


def test_becomes_another_user_with_capabilities(service):
    """An exec that was created for the one does not run as the other; an exec that is created later has its attributes."""
    s = service("ambient", ["CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SETUID CAP_SETGID CAP_DAC_OVERRIDE"], program=LEAVER)
    assert client.run(s.name, STATUS).code == 0
    created = client.create(s.name, STATUS).json()["Id"]
    moment.tell(s, "ambient")
    client.assert_refused(client.start(created), "another user")
    outcome, pid = false_proc.run_marked(s.name)
    assert pid, outcome
    here, there = host.status_of(pid), host.status_of(s.main_pid())
    for field in ("Uid", "Gid", "Groups", "CapBnd", "CapPrm", "CapAmb"):
        assert here[field] == there[field], field


def same_root(pid, other):
    here, there = (os.stat(f"/proc/{p}/root/") for p in (pid, other))
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def test_changes_its_root_directory(service):
    """A command sees what the main process sees, and there is no way back for it."""
    s = service("chrooting", CONFINED, program=LEAVER)
    assert client.run(s.name, STATUS).code == 0
    moment.tell(s, "root")
    assert client.run(s.name, STATUS).code == 127
    created = client.create(s.name, ["/hostile", "sleep", "chrooted"]).json()["Id"]
    assert client.start_detached(created).status == 200
    pid = host.find_process("chrooted")[0]
    assert same_root(pid, s.main_pid()) and not same_root(pid, 1)
    host.assert_confined_like(pid, s.main_pid(), 0)


PIVOT = """mount --make-rprivate /
cd INSIDE
mkdir -p new
mount -t tmpfs none new
cp probe hostile new
mkdir new/old
pivot_root new new/old
exec /hostile sleep"""


def test_pivots_its_root(scripted):
    """The root of its mount namespace is another one, below which the old one still is."""
    s = scripted("pivoting", [*CONFINED, "PrivateMounts=yes"], PIVOT, "hostile")
    assert client.run(s.name, STATUS).code == 127
    created = client.create(s.name, ["/hostile", "sleep", "pivoted"]).json()["Id"]
    assert client.start_detached(created).status == 200
    pid = host.find_process("pivoted")[0]
    assert same_root(pid, s.main_pid()) and not same_root(pid, 1)
    host.assert_confined_like(pid, s.main_pid(), 0)


COVER = {
    "programs": "mkdir INSIDE/evil; for p in sh id cat true; do cp INSIDE/probe INSIDE/evil/$p; done; mount --bind INSIDE/evil /usr/bin",
    "passwd": "echo daemon:x:0:0::/:/bin/sh >INSIDE/passwd; mount --bind INSIDE/passwd /etc/passwd",
    "proc": "P=/proc; mount -t tmpfs none /proc" + false_proc.FAKE,
    "no-proc": "umount -l /proc",
}


@pytest.mark.parametrize("what", COVER)
def test_mounts_over_the_hosts_files(scripted, what):
    """In mounts of its own; only it and its commands see them, and they decide nothing about a command."""
    s = scripted("covering", [*CONFINED, "PrivateMounts=yes"], COVER[what] + "\nexec INSIDE/hostile sleep", "hostile")
    outcome, pid = false_proc.run_marked(s.name)
    assert pid, outcome
    host.assert_confined_like(pid, s.main_pid(), 0)
    # Even if that name is root in there, the command has no more than the service.
    outcome, pid = false_proc.run_marked(s.name, User="1:1", Privileged=True)
    assert pid, outcome
    assert host.status_of(pid)["Uid"].split() == ["1"] * 4
    assert host.namespaces_of(pid)["mnt"] == host.namespaces_of(s.main_pid())["mnt"]


PRELOAD = """import ctypes
libc = ctypes.CDLL(None)
first = ctypes.cast(ctypes.c_void_p.in_dll(libc, "environ").value, ctypes.POINTER(ctypes.c_void_p))[0]
text = b"LD_PRELOAD={inside}/constructor.so\\0PATH={inside}\\0"
ctypes.memmove(first, text, len(text))
open("{inside}/did", "w").close()
import time
time.sleep(1000)
"""


def test_environment_that_it_has_made_up(service):
    """Data in its memory may reach commands of its own user, and of no other."""
    padding = "Environment=" + " ".join(f"A{i}=xxxxxxxxxxxxxxxx" for i in range(10))
    s = service("preloading", ["User=daemon", padding], program="/usr/bin/python3 {inside}/script", wait=False)
    with open(f"{s.shared}/script", "w", encoding="utf-8") as stream:
        stream.write(PRELOAD.format(inside=s.inside))
    s.stop()
    s.start()
    host.wait_until(lambda: os.path.exists(f"{s.shared}/did"), "the main process to write its environment")
    with open(f"/proc/{s.main_pid()}/environ", "rb") as stream:
        assert b"LD_PRELOAD" in stream.read()
    for fields in ({"User": "nobody"}, {"User": "root", "Privileged": True}, {"Privileged": True}):
        names = client.fields(client.run(s.name, ["/usr/bin/env"], **fields))
        assert "LD_PRELOAD" not in names and s.inside not in names["PATH"], names


def test_replaces_itself_all_the_time(service):
    """A command is in the service or not at all, whatever the main process is at the moment."""
    s = service("restless", ["User=daemon", "Restart=always", "RestartSec=0"], program="/bin/sleep 0.2")
    end, seen = time.monotonic() + 5, 0
    while time.monotonic() < end:
        outcome = client.run(s.name, ["/usr/bin/id", "-un"])
        if outcome.ran and outcome.code == 0:
            assert outcome.out == b"daemon\n", outcome
            seen += 1
        elif outcome.status == 101:
            assert outcome.code in (126, 127, 128, 137), outcome
        else:
            assert outcome.status in (404, 409, 500, 503), outcome
    assert seen > 0
