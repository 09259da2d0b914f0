# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-SVC: a command in a service is what the main process of the service is (R-C1, R-C2), and ends with it."""

import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.parse

import client
import host
import parity
import pytest
import services
import test_one_moment as moment
from scale import times

REPORT = ["/probe/probe", "report"]
FILTERS = ["SystemCallFilter=@system-service @mount mknod mknodat", "SystemCallErrorNumber=EPERM", "RestrictNamespaces=yes",
           "LockPersonality=yes", "SystemCallArchitectures=native"]
ROOT = "/var/lib/execd-tests/service-root"
IMAGE = "/var/lib/execd-tests/service-root.img"
# Name: what the unit has.
UNITS = {
    "dynamic": ["DynamicUser=yes", "NoNewPrivileges=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE",
                "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN", *FILTERS],
    "user": ["User=daemon", "SupplementaryGroups=tty audio", "UMask=0000"],
    "mapped": ["User=daemon", "SupplementaryGroups=audio", "PrivateUsers=yes"],
    "strict": ["User=nobody", "ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes", "PrivateNetwork=yes",
               "ProtectProc=invisible", "ProtectHostname=yes", "PrivateIPC=yes", "ProtectKernelTunables=yes"],
    "rooted": ["User=daemon", f"RootDirectory={ROOT}", "MountAPIVFS=yes", "WorkingDirectory=/var"],
    "mapped-root": ["User=daemon", "PrivateUsers=yes", f"RootDirectory={ROOT}", "MountAPIVFS=yes", "WorkingDirectory=/var"],
    "imaged": ["User=daemon", f"RootImage={IMAGE}", "MountAPIVFS=yes", "WorkingDirectory=/var"],
    "squashed": ["User=daemon", f"RootImage={host.TOOLS}/service-root.squashfs", "MountAPIVFS=yes", "WorkingDirectory=/var"],
    "nnp": ["User=daemon", "NoNewPrivileges=yes"],
    "limited": ["User=daemon", "LimitNOFILE=1000:2000", "LimitNPROC=5000:6000", "Nice=7", "OOMScoreAdjust=333",
                "CPUAffinity=0", "IOSchedulingClass=best-effort", "IOSchedulingPriority=6", "CoredumpFilter=0x11",
                "UMask=0027", "CPUSchedulingPolicy=batch", "Personality=x86-64"],
    "hardened": ["CapabilityBoundingSet=CAP_SYS_ADMIN CAP_AUDIT_CONTROL", "ProtectSystem=strict", "NoNewPrivileges=yes",
                 "PrivateDevices=yes", *FILTERS],
    "closed": ["User=daemon", "DevicePolicy=closed", "IPAddressDeny=any"],
}


@pytest.fixture
def rule():
    made = []

    def make(text):
        made.append(services.Rule(text))

    yield make
    for r in made:
        r.remove()


@pytest.fixture(scope="module", autouse=True)
def root_directory():
    for name in ("dev", "proc", "sys", "tmp", "run", "etc", "usr", "var", "probe"):
        os.makedirs(f"{ROOT}/{name}", exist_ok=True)
    # Some versions of systemd take a directory for an operating system only with such a file.
    os.makedirs(f"{ROOT}/usr/lib", exist_ok=True)
    with open(f"{ROOT}/usr/lib/os-release", "w", encoding="ascii") as stream:
        stream.write("ID=test\nVERSION_ID=1\n")
    shutil.copy(f"{ROOT}/usr/lib/os-release", f"{ROOT}/etc/os-release")
    if shutil.which("mke2fs"):
        host.sh(f"rm -f {IMAGE}; truncate -s 16M {IMAGE} && mke2fs -q -F -t ext4 -d {ROOT} {IMAGE}")
    # The sandbox has no devices but those that are made for it.
    for number, name in [(237, "loop-control"), *((i, f"loop{i}") for i in range(16))]:
        if not os.path.exists(f"/dev/{name}"):
            host.sh(f"mknod /dev/{name} {'c 10' if number == 237 else 'b 7'} {number}")
    yield
    shutil.rmtree(ROOT)
    if os.path.exists(IMAGE):
        os.unlink(IMAGE)


def report(s, **fields):
    outcome = client.run(s.name, REPORT, **fields)
    assert outcome.ran and outcome.code == 0, outcome
    return parity.parse(outcome.out.decode())


@pytest.mark.parametrize("name", UNITS)
def test_parity(service, name):
    """T-PAR: the same as the main process's own children."""
    if name == "imaged" and not os.path.exists(IMAGE):
        pytest.skip("mke2fs is not installed here")
    s = service(f"par-{name}", UNITS[name])
    found = parity.differences(parity.from_same(s), report(s), {"all", "service", name})
    assert not found, "\n".join(found)


def execctl(*words, uid=None, check=False):
    command = ["execctl", "--no-ask-password", *words] if words[0] != "--" else list(words[1:])
    if uid is not None:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, done
    return done


def test_environment_and_credentials(service):
    """The variables of the unit, without those that belong to one process alone."""
    os.makedirs(host.SHARED, exist_ok=True)
    with open(f"{host.SHARED}/note", "w", encoding="ascii") as stream:
        stream.write("loaded")
    s = service("env", ["DynamicUser=yes", "StateDirectory=env-test", "SetCredential=key:secret",
                        f"LoadCredential=loaded:{host.SHARED}/note", "Environment=FOO=bar", "WatchdogSec=1h",
                        "NotifyAccess=all"])
    names = client.fields(client.run(s.name, ["/usr/bin/env"]))
    assert names["FOO"] == "bar" and names["STATE_DIRECTORY"].endswith("/env-test")
    for private in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"):
        assert private not in names, names
    read = client.output(s.name, ["/bin/sh", "-c", 'cd "$CREDENTIALS_DIRECTORY" && cat key loaded'])
    assert read == "secretloaded"


OVERWRITE = """import ctypes, time
libc = ctypes.CDLL(None)
first = ctypes.cast(ctypes.c_void_p.in_dll(libc, "environ").value, ctypes.POINTER(ctypes.c_void_p))[0]
ctypes.memset(first, ord("x"), 64)
open("{shared}/did", "w").close()
time.sleep(1000)  # until it is stopped
"""


def test_environment_that_is_written_over(service):
    """As PostgreSQL does to change its title: the variables of the unit are there all the same."""
    shared = f"{host.SHARED}/overwriting.service"
    s = service("overwriting", ["User=daemon", "Environment=FOO=bar PATH=/bin"], private_mounts=False,
                program="/bin/sh -c 'while [ ! -e {inside}/script ]; do sleep 0.1; done; exec python3 {inside}/script'")
    with open(f"{shared}/script.new", "w", encoding="ascii") as stream:
        stream.write(OVERWRITE.format(shared=shared))
    os.rename(f"{shared}/script.new", f"{shared}/script")
    host.wait_until(lambda: os.path.exists(f"{shared}/did"), "the main process to write over its environment")
    with open(f"/proc/{s.main_pid()}/environ", "rb") as stream:
        assert b"xxxxxxxx" in stream.read()
    names = client.fields(client.run(s.name, ["/usr/bin/env"]))
    assert names["FOO"] == "bar" and names["PATH"] == "/bin"


def test_environment_is_the_services_alone(service):
    """Another user gets nothing that the service may have written into its own memory."""
    s = service("mine", ["User=daemon", "Environment=LD_PRELOAD_OR_SO=evil"])
    assert "LD_PRELOAD_OR_SO" in client.output(s.name, ["/usr/bin/env"])
    for fields in ({"User": "nobody"}, {"User": "0", "Privileged": True}, {"Privileged": True}):
        assert "LD_PRELOAD_OR_SO" not in client.output(s.name, ["/usr/bin/env"], **fields)


def test_root_of_the_host_only_on_request(service):
    """A service that is root without confinement is the host: recorded as privileged, and for root alone."""
    s = service("plain", private_mounts=False)
    done = execctl("run", s.name, "--", "id", "-u")
    assert done.returncode != 0 and "Privileged" in done.stderr
    assert execctl("run", "--privileged", s.name, "--", "id", "-u", check=True).stdout == "0\n"

    def starts():
        records = map(json.loads, host.journal_since(0, "-u", "execd.service", f"CONTAINER_NAME={s.name}").splitlines())
        return [r for r in records if "started by" in r["MESSAGE"]]
    started = host.wait_until(starts, "the record of the start")
    assert all(r["EXEC_PRIVILEGED"] == "1" and r["CONTAINER_KIND"] == "service" for r in started)


def test_root_in_another_users_service(service):
    s = service("user", ["User=daemon"])
    done = execctl("run", "-u", "root", s.name, "--", "id", "-u")
    assert done.returncode != 0 and "Privileged" in done.stderr
    assert execctl("run", "-u", "0:0", s.name, "--", "id", "-u").returncode != 0
    assert execctl("run", "--privileged", "-u", "root", s.name, "--", "id", "-u", check=True).stdout == "0\n"
    assert execctl("run", "-u", "nobody", s.name, "--", "id", "-un", check=True).stdout == "nobody\n"


def test_working_directory_is_entered_as_the_user(service):
    """R-A3: the directories are the host's, and a command gets where its user gets to and no further."""
    s = service("directory", ["User=daemon"])
    closed = f"{s.shared}/closed"
    os.makedirs(f"{closed}/open")
    os.chmod(closed, 0o700)
    for place in (f"{s.inside}/closed/open", "/proc/1/root", f"/proc/{host.main_pid('dbus.service')}/cwd"):
        client.assert_refused(client.run(s.name, ["/bin/pwd"], WorkingDir=place), "permission denied")
    root = {"User": "root", "Privileged": True}
    assert client.output(s.name, ["/bin/pwd"], WorkingDir=f"{s.inside}/closed/open", **root) == f"{s.inside}/closed/open\n"
    os.chown(closed, 1, 1)
    assert client.output(s.name, ["/bin/pwd"], WorkingDir=f"{s.inside}/closed/open") == f"{s.inside}/closed/open\n"
    client.assert_refused(client.run(s.name, ["/bin/pwd"], WorkingDir=f"{s.inside}/closed", User="nobody"), "permission denied")


ALLOW = """polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec-service" && action.lookup("unit") == "%s")
        return polkit.Result.YES;
});
"""


def test_who_may(service, rule):
    """No user by default, members of the group neither; with a rule for one unit, in that one only; never as root."""
    one, other, plain = service("one", ["User=daemon"]), service("other", ["User=daemon"]), service("root")
    for uid in (1000, 1001):
        assert execctl("run", one.name, "--", "id", uid=uid).returncode != 0
    rule(ALLOW % one.name + ALLOW % plain.name)
    assert execctl("run", one.name, "--", "id", "-un", uid=1000, check=True).stdout == "daemon\n"
    for refused in (["run", other.name], ["run", plain.name], ["run", "-u", "nobody", one.name],
                    ["run", "--privileged", one.name], ["run", "--privileged", plain.name]):
        done = execctl(*refused, "--", "id", uid=1000)
        assert done.returncode != 0 and "denied" in done.stderr.lower(), done


SLEEP = ["/bin/sh", "-c", "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &); sleep 1000"]


def wait_for_command(s, n=2):
    """Until the commands of an exec in this service run: its processes beside the service's own."""
    uid = int(host.status_of(s.main_pid())["Uid"].split()[0])
    host.wait_until(lambda: len(services.processes_of(uid)) > n, "the processes of the command")
    return uid


@pytest.mark.parametrize("verb", ["stop", "restart", "kill"])
def test_ends_with_the_service(service, verb):
    """T-SVC: nothing of the command is left, and no dynamic uid has a process."""
    s = service("ending", ["DynamicUser=yes"])
    for _ in range(times(17)):
        created = client.create(s.name, SLEEP).json()["Id"]
        assert client.start_detached(created).status == 200
        uid = wait_for_command(s)
        main = s.main_pid()
        host.sh({"stop": ["systemctl", "stop", s.name], "restart": ["systemctl", "restart", s.name],
                 "kill": ["systemctl", "kill", "-s", "KILL", s.name]}[verb])
        host.wait_until(lambda: client.inspect(created)["Running"] is False, "the end of the exec")
        host.wait_until(lambda: set(services.processes_of(uid)) <= {s.main_pid()} - {main}, "the end of its processes")
        if verb != "restart":
            s.start()
        assert client.output(s.name, ["/bin/echo", "new"]) == "new\n"


def test_stop_is_not_held_up(service):
    """The service is stopped after its commands, which are killed: no time of theirs is waited for."""
    s = service("quick", ["User=daemon"])
    created = client.create(s.name, SLEEP).json()["Id"]
    assert client.start_detached(created).status == 200
    host.wait_until(lambda: client.inspect(created)["Running"], "the command")
    assert services.seconds(s.stop) < 8  # a scope of its own would take ten, and then SIGKILL


def test_is_not_started(service):
    """To run a command in a stopped service starts nothing."""
    s = service("stopped", ["User=daemon"])
    created = client.create(s.name, ["/bin/echo", "x"]).json()["Id"]
    s.stop()
    client.assert_refused(client.start(created))
    client.assert_refused(client.run(s.name, ["/bin/echo"]), statuses=(404, 409))
    assert services.show(s.name, "ActiveState") == "inactive"


LEAVE = ["/bin/sh", "-c", "(exec </dev/null >/dev/null 2>&1; trap '' TERM HUP; setsid sleep 1000 &)"]


def test_stop_ends_all_in_the_scope(service):
    """Processes of an exec that execd no longer knows end before the service, whose dynamic user is free then."""
    s = service("leaving", ["DynamicUser=yes"])
    outcome = client.run(s.name, LEAVE)
    assert outcome.code == 0, outcome
    uid = wait_for_command(s, 1)
    s.stop()
    assert not services.processes_of(uid)


def test_stopped_service_that_still_runs(service):
    """A main process may outlive its unit: nothing is run in it, and the unit is not started for that."""
    s = service("outlived", ["User=daemon", "KillMode=none"])
    created = client.create(s.name, ["/bin/echo", "x"]).json()["Id"]
    main = s.main_pid()
    s.stop()
    assert os.path.exists(f"/proc/{main}")
    client.assert_refused(client.start(created))
    assert services.show(s.name, "ActiveState") == "inactive"
    os.kill(main, signal.SIGKILL)


def test_not_before_it_is_set_up(service):
    """Until it has executed its program, the main process is systemd's, and root."""
    gate = f"{host.SHARED}/gate"
    os.makedirs(host.SHARED, exist_ok=True)
    if not os.path.exists(gate):
        os.mkfifo(gate)
    s = services.Service("gated", ["User=daemon", f"StandardInput=file:{gate}"], wait=False)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.run(s.name, ["/usr/bin/id", "-un"])))
    try:
        host.wait_until(lambda: s.main_pid() > 0, "the main process")
        assert not s.is_executed()
        thread.start()
        host.let_pass(0.5)
        assert not outcomes, outcomes
        with open(gate, "w", encoding="ascii"):
            thread.join(30)
        assert outcomes[0].out == b"daemon\n", outcomes
    finally:
        s.remove()


LEAVER = "{inside}/hostile leaver {inside}"
STATUS = ["/bin/cat", "/proc/self/status"]


@pytest.mark.parametrize("what", ["user", "childs-user", "user+mount"])
@pytest.mark.parametrize("found", [False, True], ids=["before", "after"])
def test_hostile_main_process(service, what, found):
    """T-F4: what it has in a user namespace of its own is no command's."""
    s = service("leaver", ["User=daemon", "NoNewPrivileges=yes", "CapabilityBoundingSet="], program=LEAVER)
    if found:
        assert client.run(s.name, STATUS).code == 0
    moment.tell(s, what)
    client.assert_refused(client.run(s.name, STATUS), "left its user namespace")


def test_leaves_its_control_group(service):
    s, other = service("moved", ["User=daemon"]), service("nest", ["User=daemon"])
    for found in (False, True):
        with open(f"/sys/fs/cgroup{other.group()}/cgroup.procs", "w", encoding="ascii") as stream:
            stream.write(str(s.main_pid()))
        client.assert_refused(client.run(s.name, STATUS), "control group")
        with open(f"/sys/fs/cgroup{s.group()}/cgroup.procs", "w", encoding="ascii") as stream:
            stream.write(str(s.main_pid()))
        assert client.run(s.name, STATUS).code == 0, found


def test_several_user_ids(service):
    s = service("ids", program="/usr/bin/setpriv --ruid 1 --euid 2 --clear-groups /bin/sleep infinity")
    client.assert_refused(client.run(s.name, STATUS), "more than one user")


def test_another_main_process(service):
    """A command enters the main process that there is now; one in the old process ends with that."""
    s = service("handing", ["User=daemon", "Type=notify", "NotifyAccess=all"],
                program="/bin/sh -c 'systemd-notify --ready; while [ ! -e {inside}/go ]; do sleep 0.1; done; "
                        "sleep 1000 & systemd-notify --pid=$! ; touch {inside}/did; read x <{inside}/end; exit 0'")
    os.mkfifo(f"{s.shared}/end")
    first = s.main_pid()
    created = client.create(s.name, SLEEP).json()["Id"]
    assert client.start_detached(created).status == 200
    host.wait_until(lambda: client.inspect(created)["Running"], "the command")
    with open(f"{s.shared}/go", "w", encoding="ascii"):
        pass
    host.wait_until(lambda: s.main_pid() not in (0, first), "another main process")
    shown = client.request("GET", f"/containers/{s.name}/json").json()
    assert shown["State"]["Pid"] == s.main_pid()
    assert client.inspect(created)["Running"]
    with open(f"{s.shared}/end", "w", encoding="ascii") as stream:
        stream.write("\n")
    host.wait_until(lambda: not os.path.exists(f"/proc/{first}"), "the end of the first one")
    host.wait_until(lambda: client.inspect(created)["Running"] is False, "the end of its command")
    assert client.output(s.name, ["/bin/echo", "x"]) == "x\n"


def test_another_main_process_after_a_restart(service):
    """An execd that was restarted follows the main process as the one before did."""
    s = service("handed", ["User=daemon", "RemainAfterExit=yes"], program="/bin/sleep 1000")
    created = client.create(s.name, SLEEP).json()["Id"]
    assert client.start_detached(created).status == 200
    host.wait_until(lambda: client.inspect(created)["Running"], "the command")
    host.sh(["systemctl", "restart", "execd.service"])
    assert client.inspect(created)["Running"]
    os.kill(s.main_pid(), signal.SIGTERM)
    host.wait_until(lambda: client.inspect(created)["Running"] is False, "the end of the command")
    assert services.show(s.name, "ActiveState") in ("active", "failed")


def test_oneshot_while_it_runs(service):
    """Nothing is ordered after a unit that is still starting: the command does not wait for it."""
    s = service("once", ["Type=oneshot", "User=daemon"], program="/bin/sleep 1000")
    assert client.output(s.name, ["/usr/bin/id", "-un"]) == "daemon\n"


def test_traceable_after_a_change_of_user(service):
    """If the kernel lets a service trace its user's processes, commands are refused: they are not confined yet at that moment."""
    s = service("tracing", ["User=daemon"])
    with open(f"{host.SHARED}/suid_dumpable", "w", encoding="ascii") as stream:
        stream.write("1\n")
    drop_in = host.DropIn("execd-spawner.service", "[Service]\n"
                          f"BindReadOnlyPaths={host.SHARED}/suid_dumpable:/proc/sys/fs/suid_dumpable\n")
    try:
        host.restart_services()
        client.assert_refused(client.run(s.name, STATUS), "fs.suid_dumpable")
        assert client.run("web", ["/bin/true"]).code == 0
    finally:
        drop_in.remove()
        host.restart_services()


def test_root_directory_of_its_own(service):
    """A main process may have changed its root directory itself: a command sees no more than it."""
    s = service("jailed", [f"BindPaths={host.SHARED}/jailed.service:{ROOT}/probe /dev:{ROOT}/dev /proc:{ROOT}/proc"],
                program=f"/usr/sbin/chroot --userspec=1:1 {ROOT} /probe/probe serve /probe")
    found = parity.differences(parity.from_same(s), report(s), {"all", "service"})
    assert not found, "\n".join(found)
    assert client.run(s.name, ["/bin/true"]).code == 127


def test_memory_is_not_made_executable(service):
    """By prctl(2), as newer versions of systemd do it; older ones have set a filter, which is copied."""
    s = service("memory", ["User=daemon", "MemoryDenyWriteExecute=yes"])
    ask = "import ctypes; print(ctypes.CDLL(None).prctl(66, 0, 0, 0, 0))"
    assert client.output(s.name, ["/usr/bin/python3", "-c", ask]) == "1\n"
    outcome = client.run(s.name, ["/usr/bin/python3", "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)"])
    assert outcome.code == 1 and "Operation not permitted" in outcome.text or "Permission denied" in outcome.text


SEND = """import socket, sys
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
sockets[0].bind((sys.argv[1], 0))
sockets[1].sendto(b"x", sockets[0].getsockname())
"""


ADDRESSES = {"open": ([], {"127.0.0.1": 0, "127.0.0.2": 0}),
             "denied": (["IPAddressDeny=any"], {"127.0.0.1": 1, "127.0.0.2": 1}),
             "allowed": (["IPAddressDeny=any", "IPAddressAllow=127.0.0.2"], {"127.0.0.1": 1, "127.0.0.2": 0})}


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses_are_denied(service, name):
    """The filters of the control group, which the scope does not have by itself."""
    properties, expected = ADDRESSES[name]
    s = service(f"addresses-{name}", ["User=daemon", *properties])
    for address, code in expected.items():
        assert services.by_itself(s, services.script(SEND, address)) == code
        outcome = client.run(s.name, services.script(SEND, address))
        assert outcome.code == code and (code == 0 or "PermissionError" in outcome.text), outcome


BIND = """import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_STREAM).bind(("127.0.0.1", int(sys.argv[1])))
"""


def test_ports_and_interfaces(service):
    """Programs that systemd makes with libbpf, where it is built with it."""
    s = service("bound", ["User=daemon", "SocketBindDeny=ipv4:tcp:7000"])
    if services.by_itself(s, services.script(BIND, "7000")) == 0:
        pytest.skip("this systemd has no SocketBindDeny=")
    assert client.run(s.name, services.script(BIND, "7000")).code == 1 and client.run(s.name, services.script(BIND, "7001")).code == 0
    s = service("without-lo", ["User=daemon", "RestrictNetworkInterfaces=~lo"])
    assert services.by_itself(s, services.script(SEND, "127.0.0.1")) == 1
    assert client.run(s.name, services.script(SEND, "127.0.0.1")).code == 1


# Of the distribution, and more or less confined by it.
PACKAGED = ["systemd-journald", "systemd-machined", "dbus", "polkit", "nginx", "systemd-logind", "systemd-timesyncd"]


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_service(name):
    """T-PAR: as the kernel shows the main process."""
    unit = f"{name}.service"
    was = services.show(unit, "ActiveState")
    host.sh(["systemctl", "start", unit], check=False)
    main = host.main_pid(unit)
    if main == 0:
        pytest.skip(f"{unit} does not run here")
    privileged = client.run(unit, STATUS).status == 400
    outcome = client.run(unit, ["/bin/sh", "-c", "cat /proc/self/status; for n in /proc/self/ns/*; do readlink $n; done"],
                         Privileged=privileged)
    assert outcome.code == 0, outcome
    here, there = host.status_of(main), dict(
        (k, v.strip()) for k, _, v in (line.partition(":") for line in outcome.out.decode().splitlines()))
    for field in ("Uid", "Gid", "Groups", "CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters"):
        assert here[field] == there[field], (field, here[field], there[field])
    for link in set(host.namespaces_of(main).values()):
        assert link in outcome.out.decode(), link
    if was != "active":
        host.sh(["systemctl", "stop", unit])


def test_lists(service):
    """Services are listed for those who ask for them."""
    s = service("listed", ["User=daemon"])

    def names(filters=None):
        query = "" if filters is None else "?filters=" + urllib.parse.quote(json.dumps(filters))
        return [c["Names"][0][1:] for c in client.request("GET", f"/containers/json{query}").json()]

    assert s.name not in names() and "web" in names()
    assert s.name in names({"kind": ["service"]}) and "web" not in names({"kind": ["service"]})
    assert s.name in names({"kind": ["service", "machine"]}) and "web" in names({"kind": ["service", "machine"]})
    assert names({"kind": ["service"], "name": ["^listed"]}) == [s.name]
    assert client.request("GET", "/containers/json?filters=%7B%22kind%22%3A%5B%22x%22%5D%7D").status == 400
    for words, listed in (([], False), (["--all"], True)):
        rows = execctl("containers", "--no-legend", *words, check=True).stdout
        assert (s.name in rows) is listed and "web" in rows
    call = ["busctl", "--json=short", "call", "org.execd1", "/org/execd1", "org.execd1.Manager"]
    listed = {row[1]: row[2] for row in json.loads(host.sh([*call, "ListServices"]))["data"][0]}
    assert listed[s.name] == "service" and set(listed.values()) == {"service"}
    assert s.name not in host.sh([*call, "ListContainers"])


def test_no_services(service):
    """An administrator may leave them out."""
    s = service("left-out", ["User=daemon"])
    drop_in = host.DropIn("execd-spawner.service", "[Service]\nExecStart=\n"
                          "ExecStart=/usr/lib/execd/execd-spawner --idle-timeout=15 --no-services\n")
    try:
        host.restart_services()
        client.assert_refused(client.run(s.name, STATUS), "No such container", statuses=(404,))
        assert client.request("GET", "/containers/json?filters=%7B%22kind%22%3A%5B%22service%22%5D%7D").json() == []
    finally:
        drop_in.remove()
        host.restart_services()


def test_refused(service):
    """Services that are not containers, by reason."""
    for name, properties, program, word in (
            ("once", ["Type=oneshot", "RemainAfterExit=yes"], "/bin/true", "no main process"),
            ("limited", ["User=daemon", "RestrictFileSystems=ext4 tmpfs proc"], None, "RestrictFileSystems="),
            ("bits", ["User=daemon", "SecureBits=noroot"], None, "SecureBits="),
            ("session", ["User=daemon", "Slice=user-1000.slice"], None, "user.slice"),
            ("own", ["User=execd"], None, "execd")):
        unit = f"refused-{name}"
        if program:
            with open(f"{services.UNITS}/{unit}.service", "w", encoding="utf-8") as stream:
                stream.write("\n".join(["[Service]", f"ExecStart={program}", *properties]) + "\n")
            host.sh(f"systemctl daemon-reload && systemctl start {unit}.service")
            outcome = client.run(f"{unit}.service", ["/bin/true"])
            host.sh(f"systemctl stop {unit}.service && rm {services.UNITS}/{unit}.service && systemctl daemon-reload")
        else:
            outcome = client.run(service(unit, properties).name, ["/bin/true"])
        client.assert_refused(outcome, word)
    client.assert_refused(client.run("no-such.service", ["/bin/true"]), "No such container", statuses=(404,))


def test_names(service):
    """Instances of templates, aliases, ids; and the id is of one run."""
    s = service("named@one", ["User=daemon"])
    shown = client.request("GET", f"/containers/{s.name}/json").json()
    assert shown["Name"] == f"/{s.name}" and shown["State"]["Pid"] == s.main_pid()
    assert client.output(shown["Id"], ["/bin/echo", "id"]) == "id\n"
    host.restart_services()
    assert client.output(shown["Id"], ["/bin/echo", "again"]) == "again\n"
    host.sh(["systemctl", "restart", s.name])
    client.assert_refused(client.run(shown["Id"], ["/bin/echo"]), "No such container", statuses=(404,))
    assert client.request("GET", f"/containers/{s.name}/json").json()["Id"] != shown["Id"]


def test_start_after_a_restart_of_the_spawner(service):
    """The spawner that has never heard of the service finds it by the id of the exec's container."""
    s = service("late", ["User=daemon"])
    created = client.create(s.name, ["/bin/echo", "late"]).json()["Id"]
    host.sh(["systemctl", "stop", "execd-spawner.service"])
    outcome = client.start(created)
    assert outcome.code == 0 and outcome.out == b"late\n", outcome


def test_kill_leaves_the_runner(service):
    """A signal for all that no process can block: the runner still reports the end of the command."""
    s = service("surviving", ["User=daemon"], private_mounts=False)
    created = client.create(s.name, ["/bin/sleep", "1000"]).json()["Id"]
    assert client.start_detached(created).status == 200
    host.wait_until(lambda: client.inspect(created)["Running"], "the command")
    command = client.inspect(created)["Pid"]
    assert client.request("POST", f"/exec/{created}/kill?signal=STOP&all=1").status in (200, 204)
    host.wait_until(lambda: host.status_of(command)["State"].startswith("T"), "a stopped command")
    os.kill(command, signal.SIGKILL)
    host.wait_until(lambda: client.inspect(created)["Running"] is False, "the end of the exec")
    assert client.inspect(created)["ExitCode"] == 137


def test_kill_reaches_all_but_the_runner(service):
    """In the PID namespace of the host the namespace does not distinguish the runner from the command."""
    s = service("killed", ["User=daemon"], private_mounts=False)
    created = client.create(s.name, SLEEP).json()["Id"]
    assert client.start_detached(created).status == 200
    host.wait_until(lambda: client.inspect(created)["Running"], "the command")
    uid = wait_for_command(s)
    assert client.request("POST", f"/exec/{created}/kill?signal=KILL&all=1").status in (200, 204)
    host.wait_until(lambda: client.inspect(created)["Running"] is False, "the end of the exec")
    host.wait_until(lambda: services.processes_of(uid) == [s.main_pid()], "the end of all its processes")
    assert client.inspect(created)["ExitCode"] == 137


def test_top_shows_the_service(service):
    s = service("shown", ["User=daemon"])
    titles, rows = (client.request("GET", f"/containers/{s.name}/top").json()[k] for k in ("Titles", "Processes"))
    assert [row[titles.index("PID")] for row in rows] == [str(s.main_pid())]
