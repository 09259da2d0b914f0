# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-SVC: a command in a service is what the main process of the service is (R-C1, R-C2), and ends with it."""

import json
import os
import shutil
import subprocess

import client
import host
import parity
import pytest
import services

REPORT = ["/probe/probe", "report"]
FILTERS = ["SystemCallFilter=@system-service @mount mknod mknodat", "SystemCallErrorNumber=EPERM", "RestrictNamespaces=yes",
           "LockPersonality=yes", "SystemCallArchitectures=native"]
ROOT = "/var/lib/execd-tests/service-root"
# Name: what the unit has.
UNITS = {
    "dynamic": ["DynamicUser=yes", "NoNewPrivileges=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE",
                "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN", *FILTERS],
    "user": ["User=daemon", "SupplementaryGroups=tty audio", "UMask=0000"],
    "mapped": ["User=daemon", "SupplementaryGroups=audio", "PrivateUsers=yes"],
    "strict": ["User=nobody", "ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes", "PrivateNetwork=yes",
               "ProtectProc=invisible", "ProtectHostname=yes", "PrivateIPC=yes", "ProtectKernelTunables=yes"],
    "rooted": ["User=daemon", f"RootDirectory={ROOT}", "MountAPIVFS=yes", "WorkingDirectory=/var"],
    "nnp": ["User=daemon", "NoNewPrivileges=yes"],
    "limited": ["User=daemon", "LimitNOFILE=1000:2000", "LimitNPROC=5000:6000", "Nice=7", "OOMScoreAdjust=333",
                "CPUAffinity=0", "IOSchedulingClass=best-effort", "IOSchedulingPriority=6", "CoredumpFilter=0x11",
                "UMask=0027", "CPUSchedulingPolicy=batch", "Personality=x86-64"],
    "hardened": ["CapabilityBoundingSet=CAP_SYS_ADMIN CAP_AUDIT_CONTROL", "ProtectSystem=strict", "NoNewPrivileges=yes",
                 "PrivateDevices=yes", *FILTERS],
    "closed": ["User=daemon", "DevicePolicy=closed", "IPAddressDeny=any"],
}


@pytest.fixture
def service():
    made = []

    def make(*arguments, **options):
        made.append(services.Service(*arguments, **options))
        return made[-1]

    yield make
    for s in made:
        s.remove()


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
    yield
    shutil.rmtree(ROOT)


def report(s, **fields):
    outcome = client.run(s.name, REPORT, **fields)
    assert outcome.ran and outcome.code == 0, outcome
    return parity.parse(outcome.out.decode())


@pytest.mark.parametrize("name", UNITS)
def test_parity(service, name):
    """T-PAR: the same as the main process's own children."""
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
    """What the unit has set, and nothing that belongs to one process alone."""
    s = service("env", ["DynamicUser=yes", "StateDirectory=env-test", "SetCredential=key:secret",
                        f"LoadCredential=loaded:{host.TOOLS}/../confinement/note", "Environment=FOO=bar", "Type=simple",
                        "WatchdogSec=1h", "NotifyAccess=all"])
    names = client.fields(client.run(s.name, ["/usr/bin/env"]))
    assert names["FOO"] == "bar" and names["STATE_DIRECTORY"].endswith("/env-test")
    for private in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"):
        assert private not in names, names
    read = client.output(s.name, ["/bin/sh", "-c", 'cat "$CREDENTIALS_DIRECTORY"/key'])
    assert read == "secret"


def test_root_of_the_host_only_on_request(service):
    """A service that is root without confinement is the host: recorded as privileged, and for root alone."""
    s = service("plain", private_mounts=False)
    done = execctl("run", s.name, "--", "id", "-u")
    assert done.returncode != 0 and "Privileged" in done.stderr
    assert execctl("run", "--privileged", s.name, "--", "id", "-u", check=True).stdout == "0\n"
    records = [json.loads(line) for line in host.sh(
        ["journalctl", "-o", "json", "-u", "execd.service", "--no-pager", f"CONTAINER_NAME={s.name}"]).splitlines()]
    started = [r for r in records if "started by" in r["MESSAGE"]]
    assert started and all(r["EXEC_PRIVILEGED"] == "1" and r["CONTAINER_KIND"] == "service" for r in started)


def test_root_in_another_users_service(service):
    s = service("user", ["User=daemon"])
    done = execctl("run", "-u", "root", s.name, "--", "id", "-u")
    assert done.returncode != 0 and "Privileged" in done.stderr
    assert execctl("run", "-u", "0:0", s.name, "--", "id", "-u").returncode != 0
    assert execctl("run", "--privileged", "-u", "root", s.name, "--", "id", "-u", check=True).stdout == "0\n"
    assert execctl("run", "-u", "nobody", s.name, "--", "id", "-un", check=True).stdout == "nobody\n"


ALLOW = """polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec-service" && action.lookup("unit") == "%s")
        return polkit.Result.YES;
});
"""


def test_who_may(service, rule):
    """Nobody by default, members of the group neither; with a rule for one unit, in that one only; never as root."""
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
    for _ in range(3):
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


def test_refused(service):
    """What is no container, by its reason."""
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
    s = service("named@one", ["User=daemon"], unit=[])
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


def test_kill_reaches_all_but_the_runner(service):
    """In the PID namespace of the host the runner cannot be told from the command by its namespace."""
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
