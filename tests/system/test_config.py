# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd.conf and its drop-ins: their places, messages about mistakes, their effects, and reloading."""

import os
import select
import shutil
import socket
import subprocess
import time
from email.utils import parsedate_to_datetime

import pytest

from execd import (Attached, connect, create, cursor, head_bytes, inspect, let_pass, monitor_bus, read_head, records_since,
                   reload_execd, request, run, shell, wait_for)

DIRECTORIES = ["/etc/execd", "/run/execd", "/usr/local/lib/execd", "/usr/lib/execd"]
DROP_IN = "/etc/execd/execd.conf.d/50-test.conf"
EXECD = "/usr/lib/execd/execd"


def clear():
    for directory in DIRECTORIES:
        shutil.rmtree(f"{directory}/execd.conf.d", ignore_errors=True)
        if directory != "/etc/execd":
            subprocess.run(["rm", "-f", f"{directory}/execd.conf"], check=True)
    # No package installs files there.
    shutil.rmtree("/usr/local/lib/execd", ignore_errors=True)


@pytest.fixture(autouse=True)
def no_files():
    """Only the main file that is installed."""
    clear()
    shutil.copy("/etc/execd/execd.conf", "/tmp/execd.conf.shipped")
    yield
    clear()
    # Through a link to /dev/null, this would go there, mode included.
    if os.path.lexists("/etc/execd/execd.conf"):
        os.unlink("/etc/execd/execd.conf")
    shutil.copy("/tmp/execd.conf.shipped", "/etc/execd/execd.conf")
    shell("systemctl reset-failed execd.service; systemctl restart execd.service")


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    if text is None:
        os.symlink("/dev/null", path)
        return
    with open(path, "w") as f:
        f.write(text)


def execd(*arguments):
    done = subprocess.run([EXECD, *arguments], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def effective():
    """Key to (value, where it is from)."""
    status, out, _ = execd("--dump-config")
    assert status == 0
    values, origin = {}, None
    for line in out.splitlines():
        if line.startswith("# "):
            origin = line[2:]
        elif "=" in line:
            key, value = line.split("=", 1)
            values[key] = (value, origin)
    return values


def service(name):
    return shell(f"systemctl show -P {name} execd.service").strip()


def restart(text):
    put(DROP_IN, text)
    shell("systemctl reset-failed execd.service; systemctl restart execd.service")


def reload(text):
    put(DROP_IN, text)
    said_since_reload.cursor = reload_execd()


def journal_since(begun):
    return "\n".join(str(r["MESSAGE"]) for r in records_since(begun, "execd.service"))


def said_since_reload():
    return journal_since(said_since_reload.cursor)


# Which files.


def test_shipped_file_changes_nothing():
    assert execd("--check-config") == (0, "", "")
    assert {origin for _, origin in effective().values()} == {"default"}


def test_main_file_precedence():
    os.unlink("/etc/execd/execd.conf")
    for number, directory in enumerate(reversed(DIRECTORIES), 1):
        put(f"{directory}/execd.conf", f"[Exec]\nExecsMax={number}\n")
        assert effective()["ExecsMax"] == (str(number), f"{directory}/execd.conf:2")
    put("/etc/execd/execd.conf", None)
    assert effective()["ExecsMax"] == ("4096", "default")


def test_drop_in_precedence_and_masks():
    put("/usr/lib/execd/execd.conf.d/50-a.conf", "[Exec]\nExecsMax=1\n")
    put("/usr/local/lib/execd/execd.conf.d/40-b.conf", "[Exec]\nExecsMax=2\nExecsPerUserMax=2\n")
    assert effective()["ExecsMax"] == ("1", "/usr/lib/execd/execd.conf.d/50-a.conf:2")
    assert effective()["ExecsPerUserMax"][0] == "2"
    put("/run/execd/execd.conf.d/50-a.conf", "\n[Exec]\nExecsMax=3\n")
    assert effective()["ExecsMax"] == ("3", "/run/execd/execd.conf.d/50-a.conf:3")
    put("/etc/execd/execd.conf.d/50-a.conf", None)
    assert effective()["ExecsMax"][0] == "2"
    put("/etc/execd/execd.conf.d/60-c.conf", "[Exec]\nExecsMax=\n")
    assert effective()["ExecsMax"] == ("4096", "/etc/execd/execd.conf.d/60-c.conf:2")


def test_command_line_wins():
    put(DROP_IN, "[Daemon]\nIdleTimeoutSec=5s\nLogLevel=err\n")
    _, out, _ = execd("--dump-config", "--idle-timeout=7", "--debug")
    assert "# command line\nIdleTimeoutSec=7s\n" in out and "# command line\nLogLevel=debug\n" in out


# Faults.


def test_check_config():
    put(DROP_IN, "[Daemon]\nIdleTimeoutSec=banana\nNoSuchKey=1\n[NoSuchSection]\nA=b\n[HTTP]\nHeadTimeoutSec 5\n")
    status, out, err = execd("--check-config")
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        f"{DROP_IN}:2: IdleTimeoutSec=banana is ignored: expected a time span of at least 1s (such as 45s or 15min), "
        "or infinity",
        f"{DROP_IN}:3: unknown key NoSuchKey= in section [Daemon], ignoring",
        f"{DROP_IN}:4: unknown section [NoSuchSection], ignoring",
        f"{DROP_IN}:7: the line is ignored: there is no \"=\" in it",
    ]


def test_check_config_with_unknown_keys_only():
    put(DROP_IN, "[Daemon]\nNoSuchKey=1\nX-Mine=2\n[X-Other]\nA=b\n")
    status, _, err = execd("--check-config")
    assert status == 0 and err == f"{DROP_IN}:2: unknown key NoSuchKey= in section [Daemon], ignoring\n"


def test_check_config_of_files(tmp_path):
    good, bad = tmp_path / "good.conf", tmp_path / "bad"
    good.write_text("[Exec]\nExecsMax=77\n")
    bad.write_text("[Exec]\nExecsMax=0\n")
    put(DROP_IN, "[Exec]\nExecsMax=nonsense\n")
    assert execd("--check-config", str(good)) == (0, "", "")
    assert execd("--check-config", str(good), str(bad)) == (
        1, "", f"{bad}:2: ExecsMax=0 is ignored: expected a number from 1 to 8192\n")
    assert f"# {good}:2\nExecsMax=77\n" in execd("--dump-config", str(good), str(bad))[1]
    assert execd("--check-config", str(tmp_path / "none"))[0] == 1
    assert execd(str(good))[0] == 1, "only a check takes files"


def test_mistakes_do_not_keep_it_from_starting():
    put("/etc/execd/execd.conf", "[Exec]\nExecsMax=many\nDefaultOnDisconnect=kill\n[What]\n")
    put("/etc/execd/execd.conf.d/10-large.conf", "#" * (1 << 20) + "\n")
    begun = cursor()
    restart("[Daemon]\nNoSuchKey=1\n")
    assert inspect(create("web", ["true"]))["OnDisconnect"] == "kill"
    said = journal_since(begun)
    assert "/etc/execd/execd.conf:2: ExecsMax=many is ignored: expected a number from 1 to 8192" in said
    assert "/etc/execd/execd.conf:4: unknown section [What], ignoring" in said
    assert "10-large.conf: the file is ignored: it is larger than 1048576 bytes" in said
    assert f"{DROP_IN}:2: unknown key NoSuchKey= in section [Daemon], ignoring" in said
    assert {r["PRIORITY"] for r in records_since(begun, "execd.service") if "is ignored" in r["MESSAGE"]} == {"4"}


def test_file_that_execd_cannot_read():
    put(DROP_IN, "[Exec]\nExecsMax=5\n")
    os.chmod(DROP_IN, 0o600)
    begun = cursor()
    shell("systemctl restart execd.service")
    assert request("GET", "/_ping").body == b"OK"
    assert f"{DROP_IN}: failed to read: Permission denied" in journal_since(begun)


# The effects of the settings.


def test_idle_timeout():
    restart("[Daemon]\nIdleTimeoutSec=1s\nIdleTimeoutMaxSec=0\n")
    assert request("GET", "/_ping").body == b"OK"
    wait_for(lambda: service("ActiveState") == "inactive", seconds=25, what="execd to leave")
    assert request("GET", "/_ping").body == b"OK", "and it comes back"


def test_idle_timeout_of_a_running_daemon():
    restart("[Daemon]\nIdleTimeoutSec=infinity\n")
    pid = service("MainPID")
    reload("[Daemon]\nIdleTimeoutSec=1s\nIdleTimeoutMaxSec=0\n")
    wait_for(lambda: service("ActiveState") == "inactive", seconds=25, what="execd to leave")
    with connect() as s:  # a client keeps it there meanwhile
        s.sendall(head_bytes("GET", "/_ping"))
        assert read_head(s)[0] == 200
        assert service("MainPID") != pid
        reload("[Daemon]\nIdleTimeoutSec=infinity\n")
        pid = service("MainPID")
    let_pass(2.5)
    assert service("MainPID") == pid


def spare_scopes():
    return shell("systemctl list-units --no-legend --plain 'exec-*.scope' | grep 'web: runner for an exec' | cut -d' ' -f1",
                 check=False).split()


@pytest.mark.slow
def test_stays_for_those_who_come_back():
    """A client that pauses for some seconds finds execd, the spawner and a runner again; then all of them exit."""
    restart("[Daemon]\nIdleTimeoutSec=1s\nIdleTimeoutMaxSec=0\n")
    assert run("web", ["true"])[0] == 0
    wait_for(lambda: service("ActiveState") == "inactive", seconds=25, what="execd to leave")
    wait_for(lambda: not spare_scopes(), what="the runner to leave with it")
    let_pass(1)
    put(DROP_IN, "[Daemon]\nIdleTimeoutSec=1s\nIdleTimeoutMaxSec=12s\n")
    assert run("web", ["true"])[0] == 0
    pid, spawner = service("MainPID"), shell("systemctl show -P MainPID execd-spawner.service")
    spares = wait_for(spare_scopes, what="a runner for the next exec")
    let_pass(5)
    assert service("MainPID") == pid and spare_scopes() == spares, "it does not leave after a second"
    assert run("web", ["true"])[0] == 0
    assert shell("systemctl show -P MainPID execd-spawner.service") == spawner
    wait_for(lambda: service("ActiveState") == "inactive", seconds=40, what="execd to leave when nobody comes back")
    wait_for(lambda: not spare_scopes(), what="the runner to leave with it")


def test_idle_connection_with_infinity():
    restart("[Daemon]\nIdleTimeoutSec=infinity\n[HTTP]\nHeadTimeoutSec=500ms\n")
    with connect() as s:
        for _ in range(2):
            s.sendall(head_bytes("GET", "/_ping"))
            assert read_head(s)[0] == 200
            let_pass(1)


UNFINISHED = {"Head": b"GET /_ping HTTP/1.1\r\nX: ",
              "Body": b"POST /containers/web/exec HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"}


@pytest.mark.parametrize("short,long", [("Head", "Body"), ("Body", "Head")])
def test_request_timeouts(short, long):
    """By execd's own clock, what has the shorter time is answered first; both defaults are longer than the longer one here."""
    restart(f"[HTTP]\n{short}TimeoutSec=200ms\n{long}TimeoutSec=2s\n")
    with connect() as first, connect() as second:
        began = time.monotonic()
        first.sendall(UNFINISHED[short])
        second.sendall(UNFINISHED[long])
        (status, head, _), (late_status, late_head, _) = read_head(first), read_head(second)
    assert status == late_status == 408
    assert parsedate_to_datetime(head["date"]) <= parsedate_to_datetime(late_head["date"])
    assert time.monotonic() - began > 1.8


def test_connection_limit():
    restart("[HTTP]\nConnectionsPerUserMax=3\n")
    sockets = [connect() for _ in range(6)]
    try:
        def closed():
            ready, _, _ = select.select(sockets, [], [], 0)
            return sum(s.recv(1, socket.MSG_PEEK) == b"" for s in ready)

        wait_for(lambda: closed() >= 3, what="the three that are too many to be closed")
        let_pass(0.2)
        assert closed() == 3
    finally:
        for s in sockets:
            s.close()


@pytest.mark.parametrize("key", ["ExecsMax", "ExecsPerUserMax"])
def test_exec_limits(key):
    restart(f"[Exec]\n{key}=2\n")
    for _ in range(2):
        create("web", ["true"])
    reply = request("POST", "/containers/web/exec", {"Cmd": ["true"]})
    assert reply.status == 503 or reply.status == 429, reply.body
    assert "the limit is 2" in reply.json()["message"]


@pytest.mark.slow
def test_created_exec_goes():
    restart("[Exec]\nCreatedTimeoutSec=1s\n")
    exec_id = create("web", ["true"])
    assert request("GET", f"/exec/{exec_id}/json").status == 200
    wait_for(lambda: request("GET", f"/exec/{exec_id}/json").status == 404, what="it to go")


def test_drain_timeout():
    restart("[Exec]\nDrainTimeoutSec=100ms\n")
    assert run("web", ["sh", "-c", "sleep 60 & echo done"])[:2] == (0, b"done\n")
    wait_for(lambda: shell("pgrep -fx 'sleep 60'", check=False), what="what was not waited for")
    reload("[Exec]\nDrainTimeoutSec=3s\n")
    began = time.monotonic()
    assert run("web", ["sh", "-c", "sleep 60 & echo done"])[:2] == (0, b"done\n")
    assert time.monotonic() - began > 2.9
    # A process that a short command leaves keeps its scope, which can still have the name of a spare one.
    shell("pkill -fx 'sleep 60'")


def scopes_ready():
    return shell("systemctl list-units --plain --no-legend 'exec-*.scope'").count("runner for an exec")


def test_spare_runners():
    restart("[Exec]\nSpareRunnersMax=0\n")
    wait_for(lambda: scopes_ready() == 0, what="those of before to go")
    assert run("web", ["true"])[0] == 0
    assert run("booted", ["true"])[0] == 0
    assert scopes_ready() == 0
    reload("[Exec]\nSpareRunnersMax=1\n")
    assert run("web", ["true"])[0] == 0
    assert run("booted", ["true"])[0] == 0
    wait_for(lambda: scopes_ready() == 1, what="one, for the latest")
    reload("[Exec]\nSpareRunnersMax=0\n")
    wait_for(lambda: scopes_ready() == 0, what="it to go")


def test_ready_runners():
    restart("[Exec]\nReadyRunnersMax=0\nSpareRunnersMax=0\n")
    exec_id = create("web", ["true"])
    let_pass(0.3)
    assert exec_id not in shell("systemctl list-units --plain --no-legend 'exec-*.scope'")
    assert Attached(exec_id).read_all() == (b"", b"") and inspect(exec_id)["ExitCode"] == 0


@pytest.mark.parametrize("size, kept", [("128K", False), ("1M", True)])
def test_output_buffer(size, kept):
    """Of a detached exec, what does not fit is read from the journal, where it is cut into lines."""
    restart(f"[Exec]\nOutputBufferSize={size}\n")
    exec_id = create("web", ["sh", "-c", "yes 0123456789abcdef | head -n 20000 | tr -d '\\n'; sleep 60"])
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    try:
        wait_for(lambda: sleeps(exec_id), what="all of the output")
        with connect() as s:
            s.sendall(head_bytes("POST", f"/exec/{exec_id}/attach?stdout=1&logs=1", b"{}",
                                 [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
            status, _, data = read_head(s)
            assert status == 101
            # With the command the stream ends, after all that was kept.
            assert request("POST", f"/exec/{exec_id}/kill?signal=KILL").status == 204
            while piece := s.recv(1 << 20):
                data += piece
        assert (len(data) >= 320000) == kept, len(data)
    finally:
        request("POST", f"/exec/{exec_id}/kill?signal=KILL", {})


def sleeps(exec_id):
    """The command sleeps: what it wrote has been taken."""
    pids = shell(f"cat /sys/fs/cgroup/*/exec-{exec_id}.scope/cgroup.procs "
                 f"/sys/fs/cgroup/*/*/exec-{exec_id}.scope/cgroup.procs 2>/dev/null", check=False).split()
    return any(shell(f"cat /proc/{p}/comm 2>/dev/null", check=False) == "sleep\n" for p in pids)


def test_default_on_disconnect():
    restart("[Exec]\nDefaultOnDisconnect=kill\n")
    assert inspect(create("web", ["true"]))["OnDisconnect"] == "kill"
    assert inspect(create("web", ["true"], OnDisconnect="keep"))["OnDisconnect"] == "keep"
    a = Attached(create("web", ["sleep", "60"]))
    a.socket.close()
    wait_for(lambda: inspect(a.id)["ExitCode"] == 137, what="it to be killed")


def test_default_detach_keys():
    restart("[Exec]\nDefaultDetachKeys=ctrl-x,y\n")
    for keys, typed in ((None, b"\x18y"), ("ctrl-a", b"\x01")):
        fields = {"DetachKeys": keys} if keys else {}
        a = Attached(create("web", ["sh"], Tty=True, AttachStdin=True, **fields), tty=True)
        a.socket.sendall(typed)
        a.read_all()
        assert inspect(a.id)["Running"] is True
        request("POST", f"/exec/{a.id}/kill?signal=KILL", {})


def test_detach_keys_switched_off():
    restart("[Exec]\nDefaultDetachKeys=none\n")
    a = Attached(create("web", ["sh", "-c", "stty raw -echo; echo ready; head -c 2 | od -An -tx1"], Tty=True, AttachStdin=True),
                 tty=True)
    a.read_until(b"ready")
    a.socket.sendall(b"\x10\x11")
    assert b"10 11" in a.read_all()[0]
    assert inspect(a.id)["ExitCode"] == 0


def scope_property(exec_id, name):
    return shell(f"systemctl show -P {name} exec-{exec_id}.scope").strip()


def test_properties():
    restart("[Exec]\nDefaultProperty=TasksMax=77\nDefaultProperty=MemoryMax=1G\nAllowedProperties=MemoryMax CPUWeight\n")
    for _ in range(2):  # without a spare runner, and with one
        a = Attached(create("web", ["cat"], AttachStdin=True))
        wait_for(lambda: inspect(a.id)["Pid"] > 0, what="the command")
        assert inspect(a.id)["Properties"] == {"TasksMax": "77", "MemoryMax": "1G"}
        assert scope_property(a.id, "TasksMax") == "77" and scope_property(a.id, "MemoryMax") == str(1 << 30)
        a.socket.shutdown(socket.SHUT_WR)
        a.read_all()
    exec_id = create("web", ["true"], Properties={"MemoryMax": "64M"})
    assert inspect(exec_id)["Properties"] == {"MemoryMax": "64M", "TasksMax": "77"}
    reply = request("POST", "/containers/web/exec", {"Cmd": ["true"], "Properties": {"TasksMax": "infinity"}})
    assert reply.status == 403 and "Properties.TasksMax: not in AllowedProperties=" in reply.json()["message"]
    done = subprocess.run(["busctl", "call", "--", "org.execd1", "/org/execd1", "org.execd1.Manager", "CreateExec",
                           "sasa{sv}", "web", "1", "true", "1", "Properties", "a{ss}", "1", "TasksMax", "5"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode and "AllowedProperties=" in done.stderr, done.stderr
    reload("")
    a = Attached(create("web", ["cat"], AttachStdin=True))
    wait_for(lambda: inspect(a.id)["Pid"] > 0, what="the command")
    assert inspect(a.id)["Properties"] == {} and scope_property(a.id, "TasksMax") != "77"
    a.socket.shutdown(socket.SHUT_WR)
    a.read_all()


def test_unenforceable_limits():
    """Of the kernel of this host: where it has each controller, nothing is refused."""
    with open("/sys/fs/cgroup/cgroup.controllers", encoding="utf-8") as f:
        missing = "pids" not in f.read().split()
    said = "TasksMax: not enforced, since the kernel has no pids controller in the unified cgroup hierarchy"
    refused = "Properties.TasksMax: refused by UnenforceableLimits=refuse in execd.conf, since the kernel has no pids controller"
    named = refused.replace("Properties.", "execctl: --property: ")
    restart("[Exec]\nDefaultProperty=TasksMax=50\n")
    reply = request("POST", "/containers/web/exec", {"Cmd": ["true"]})
    assert reply.status == 201 and reply.json().get("Warnings", []) == ([said] if missing else [])
    reload("[Exec]\nUnenforceableLimits=refuse\n")
    limited, plain = {"Cmd": ["true"], "Properties": {"TasksMax": "50"}}, {"Cmd": ["true"]}
    for body, wrong in ((limited, missing), (plain, False), ({**plain, "Properties": {"TasksMax": "infinity"}}, False),
                        ({**plain, "Properties": {"RuntimeMaxSec": "5"}}, False)):
        reply = request("POST", "/containers/web/exec", body)
        assert reply.status == (403 if wrong else 201), reply.body
        assert not wrong or refused in reply.json()["message"], reply.body
    done = subprocess.run(["execctl", "run", "--property=TasksMax=50", "web", "--", "true"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == (1 if missing else 0) and (named in done.stderr) == missing, done
    reload("[Exec]\nUnenforceableLimits=refuse\nDefaultProperty=TasksMax=50\n")
    reply = request("POST", "/containers/web/exec", plain)
    assert reply.status == (403 if missing else 201) and (not missing or refused in reply.json()["message"]), reply.body


def capabilities_of(container, **fields):
    _, out = run(container, ["cat", "/proc/self/status"], **fields)[:2]
    text = out if isinstance(out, str) else out.decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("CapEff")), 16)


CAP_SYS_BOOT, CAP_MAC_ADMIN, CAP_SYSLOG = 1 << 22, 1 << 33, 1 << 34


@pytest.mark.parametrize("container", ["web", "userns"])
def test_privileged_capabilities(container):
    """Privileged adds what the key has to the capabilities of the container, and is refused where it has none."""
    own = capabilities_of(container)
    everything = capabilities_of(container, Privileged=True)
    assert everything & own == own
    added = (CAP_MAC_ADMIN | CAP_SYSLOG) & everything
    restart("[Exec]\nPrivilegedCapabilities=CAP_SYSLOG CAP_MAC_ADMIN\n")
    assert capabilities_of(container, Privileged=True) == own | added
    assert capabilities_of(container) == own
    exec_id = create(container, ["true"], Privileged=True)
    reload("[Exec]\nPrivilegedCapabilities=none\n")
    reply = request("POST", f"/containers/{container}/exec", {"Cmd": ["true"], "Privileged": True})
    assert reply.status == 403 and "PrivilegedCapabilities=none" in reply.json()["message"], reply.json()
    # One that was created before is refused at its start.
    reply = request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert reply.status == 403 and "PrivilegedCapabilities=none" in reply.json()["message"], reply.json()
    assert capabilities_of(container) == own


def test_default_runtime():
    restart("[Exec]\nDefaultProperty=RuntimeMaxSec=4\n")
    assert run("web", ["sleep", "60"])[0] == 143
    # No runner was made ready meanwhile, whose time would have begun.
    assert run("web", ["true"])[0] == 0
    let_pass(3.5)
    assert run("web", ["sleep", "1"])[0] == 0


def test_ended_output():
    restart("[Retention]\nEndedOutputMax=0\n")
    exec_id = create("web", ["echo", "kept"])
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    request("POST", f"/exec/{exec_id}/wait")
    shell("journalctl --sync")
    assert b"kept" in request("GET", f"/exec/{exec_id}/logs").body, "from the journal"


def test_ended_execs():
    restart("[Retention]\nEndedExecsMax=64\n")
    shell("systemctl stop execd.service; rm -f /run/execd/state/execs.json")
    for _ in range(70):
        assert run("web", ["true"])[0] == 0
    assert len(request("GET", "/exec/json?all=1").json()) <= 65


# Reloading.


def manager_property(name):
    return shell(f"busctl get-property org.execd1 /org/execd1 org.execd1.Manager {name}").split()[1]


def test_list_services():
    """Services of the host are in lists that name no kind, from a reload on."""
    def kinds():
        return {c["Labels"]["org.execd1.kind"] for c in request("GET", "/v1.41/containers/json").json()}

    assert "service" not in kinds()
    put(DROP_IN, "[Daemon]\nListServices=yes\n")
    shell("systemctl reload execd.service || systemctl start execd.service")
    wait_for(lambda: "service" in kinds())


def test_properties_on_the_bus():
    restart("[Exec]\nExecsMax=7\nExecsPerUserMax=5\n[Retention]\nRetentionSec=20s\n")
    assert [manager_property(n) for n in ("ExecsMax", "ExecsPerUserMax", "RetentionUSec")] == ["7", "5", "20000000"]
    with monitor_bus("type='signal',member='PropertiesChanged',path='/org/execd1'") as monitor:
        try:
            reload("[Exec]\nExecsMax=8\n")
            while '"ExecsMax":{"type":"u","data":8}' not in (line := monitor.stdout.readline()):
                assert line, "the monitor has ended"
        finally:
            monitor.terminate()
    assert manager_property("ExecsPerUserMax") == "1024"


def test_reload_leaves_what_runs_alone():
    restart("[Exec]\nExecsMax=10\n")
    pid = service("MainPID")
    a = Attached(create("web", ["cat"], AttachStdin=True))
    a.socket.sendall(b"before\n")
    a.read_until(b"before\n")
    with connect() as waiting:
        waiting.sendall(head_bytes("POST", f"/exec/{a.id}/wait", b"{}"))
        reload("[Exec]\nExecsMax=1\nDefaultOnDisconnect=kill\nOutputBufferSize=1M\n[Daemon]\nIdleTimeoutSec=1s\nIdleTimeoutMaxSec=0\n")
        assert service("MainPID") == pid
        reply = request("POST", "/containers/web/exec", {"Cmd": ["true"]})
        assert "the limit is 1" in reply.json()["message"], "the new limit holds"
        let_pass(2)
        assert service("MainPID") == pid, "it does not leave while something runs"
        a.socket.sendall(b"after\n")
        a.read_until(b"after\n")
        assert inspect(a.id)["Running"] is True and inspect(a.id)["OnDisconnect"] == "keep"
        a.socket.shutdown(socket.SHUT_WR)
        a.read_all()
        assert read_head(waiting)[0] == 200
    assert inspect(a.id)["ExitCode"] == 0


def test_reload_with_a_mistake_keeps_the_value():
    restart("[Exec]\nExecsMax=2\nDefaultOnDisconnect=hangup\n")
    reload("[Exec]\nExecsMax=two\nNoSuchKey=1\n")
    assert f"{DROP_IN}:2: ExecsMax=two is ignored: expected a number from 1 to 8192" in said_since_reload()
    assert f"{DROP_IN}:3: unknown key NoSuchKey= in section [Exec], ignoring" in said_since_reload()
    exec_id = create("web", ["true"])
    assert inspect(exec_id)["OnDisconnect"] == "keep", "a key that was removed has its default again"
    create("web", ["true"])
    assert request("POST", "/containers/web/exec", {"Cmd": ["true"]}).status != 201


def test_reload_shows():
    restart("")
    version = int(shell("systemctl --version").split()[1])
    assert service("Type") == ("notify-reload" if version >= 253 else "notify")
    begun = cursor()
    reload("")
    assert "Reloaded execd.service" in journal_since(begun)


def test_log_level():
    def level():
        return shell("busctl get-property org.execd1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 "
                     "LogLevel").strip()
    restart("[Daemon]\nLogLevel=debug\n")
    assert level() == 's "debug"'
    shell("busctl set-property org.execd1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel s info")
    reload("[Daemon]\nLogLevel=debug\nIdleTimeoutSec=20s\n")
    assert level() == 's "info"', "what was set by hand stays"
    put(DROP_IN, "[Daemon]\nLogLevel=warning\n")
    shell("systemctl reload execd.service")
    wait_for(lambda: level() == 's "warning"', what="the file to be read")


def test_many_reloads_at_once():
    restart("")
    pid = service("MainPID")
    for _ in range(50):
        os.kill(int(pid), 1)
    assert request("GET", "/_ping").body == b"OK"
    wait_for(lambda: service("ActiveState") == "active", what="the unit to be active")
    assert service("MainPID") == pid


def hangup_is_blocked(pid):
    with open(f"/proc/{pid}/status") as f:
        mask = next(line.split()[1] for line in f if line.startswith("SigBlk:"))
    return os.readlink(f"/proc/{pid}/exe").endswith("/execd") and int(mask, 16) & 1


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02])
def test_signal_while_it_starts(delay):
    """Once main() has begun, a SIGHUP does not end it, and is not lost."""
    shell("systemctl stop execd.service")
    begun = cursor()
    starting = subprocess.Popen(["systemctl", "start", "execd.service"])
    pid = int(wait_for(lambda: service("MainPID") not in ("0", "") and service("MainPID"), what="a process"))
    wait_for(lambda: hangup_is_blocked(pid), what="the signal to be blocked")
    time.sleep(delay)  # the moments of a start are what is tried
    os.kill(pid, 1)
    assert starting.wait(timeout=30) == 0
    assert request("GET", "/_ping").body == b"OK"
    assert int(service("MainPID")) == pid
    wait_for(lambda: "Configuration reloaded" in journal_since(begun), what="the reload")
