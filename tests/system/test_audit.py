# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that is done is on record, whatever commands print and whether or not journald reads."""

import contextlib
import glob
import json
import os
import pathlib
import signal
import threading
import time

import pytest

import execd
from execd import Attached, create, inspect, journal, request, run, shell, wait_for
from test_callers import call_as

DENIED = "9b64e2bb69b54967818a6c2220391d34"
COUNTED = "7f3a1c6f0b5e4d0c9a82d4e6b1c05f37"
ATTACHED = "9603e61fa62d45c5b7ef7b6789840a47"
REPLAYED = "6cc08ddb78f647efa36aede32d9bcb00"
RESIZED = "b3b42f685a824974b7f761171425f5a3"
KILLED = "275bea0bc5c546c7a3d6cab2ddd068f9"
UNWILLING = "the journal does not accept records"


def detach(container, cmd, **fields):
    exec_id = create(container, cmd, **fields)
    reply = request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert reply.status == 200, reply.body
    return exec_id


def wait(exec_id):
    return request("POST", f"/exec/{exec_id}/wait").json()["StatusCode"]


def records(*matches):
    shell("journalctl --sync")
    return [json.loads(line) for line in shell("journalctl --all -o json --no-pager " + " ".join(matches)).split("\n") if line]


def of_kind(exec_id, message_id):
    return [r for r in journal(exec_id) if r.get("MESSAGE_ID") == message_id]


def text_of(record):
    """journalctl gives what it does not take for text as a list of bytes."""
    message = record["MESSAGE"]
    return message if isinstance(message, str) else bytes(message).decode()


@contextlib.contextmanager
def stopped_journald():
    pid = int(shell("systemctl show -P MainPID systemd-journald.service"))
    execd.halt(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def flood(n):
    """Detached commands that print without end."""
    ids = [detach("web", ["yes"]) for _ in range(n)]
    try:
        yield ids
    finally:
        for exec_id in ids:
            request("POST", f"/exec/{exec_id}/kill?signal=KILL")
    assert [wait(exec_id) for exec_id in ids] == [137] * n


def test_flood_holds_up_nobody():
    with flood(4):
        for _ in range(20):
            assert request("GET", "/_ping").body == b"OK"
            assert run("booted", ["echo", "there"]) == (0, b"there\n", b"")


def test_terminal_floods_too():
    exec_id = detach("web", ["yes"], Tty=True)
    assert run("booted", ["true"])[0] == 0
    assert request("POST", f"/exec/{exec_id}/kill?signal=KILL").status == 204
    assert wait(exec_id) == 137
    assert {text_of(r).splitlines()[0] for r in journal(exec_id) if "EXEC_STREAM" in r} == {"y"}


def test_output_is_of_the_scope():
    """The journal itself says whose it is, however short the command."""
    for i in range(10):
        exec_id = detach("web", ["sh", "-c", "echo to out; echo to err >&2"])
        assert wait(exec_id) == 0
        lines = wait_for(lambda: (r := [x for x in journal(exec_id) if "EXEC_STREAM" in x]) and len(r) == 2 and r)
        for r in lines:
            assert r["_SYSTEMD_UNIT"] == f"exec-{exec_id}.scope" == r["EXEC_UNIT"], i
            assert r["SYSLOG_IDENTIFIER"] == "exec-web" and r["CONTAINER_NAME"] == "web"
            assert r["CONTAINER_KIND"] == "machine" and r["_COMM"] == "execd-runner"
        assert sorted((r["MESSAGE"], r["EXEC_STREAM"]) for r in lines) == [("to err", "stderr"), ("to out", "stdout")]
        assert "to out" in shell(f"journalctl --no-pager -u exec-{exec_id}.scope")
        wait_for(lambda: journal(exec_id)[-1].get("EXIT_CODE") == "0", what="the end, which comes last")


def runners_of(exec_id):
    directory, = glob.glob(f"/sys/fs/cgroup/**/exec-{exec_id}.scope", recursive=True)
    pids = pathlib.Path(f"{directory}/cgroup.procs").read_text(encoding="ascii").split()
    return [pid for pid in pids if os.readlink(f"/proc/{pid}/exe").endswith("/execd-runner")]


def work_of(pid):
    """Figures that change while it works: the time that it has had the processor, and how often it has given it up."""
    times = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()[11:13]
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return times + [line for line in text.splitlines() if "ctxt_switches" in line]


def test_command_without_output_costs_nothing():
    """It has closed its output, or its output has no reader, and goes on: its runner sleeps until it ends."""
    exec_id = detach("web", ["sh", "-c", "echo so much; exec >/dev/null 2>&1; exec sleep 1000"])
    wait_for(lambda: any(r.get("MESSAGE") == "so much" for r in journal(exec_id)), what="its output")
    try:
        pids = runners_of(exec_id)
        assert pids

        def sleeps():
            seen = [work_of(pid) for pid in pids]
            execd.let_pass(0.5)
            return [work_of(pid) for pid in pids] == seen
        wait_for(sleeps, what="the runner to sleep")
    finally:
        request("POST", f"/exec/{exec_id}/kill?signal=KILL")


def test_lines_that_are_hard_to_cut():
    long = "x" * 50000
    exec_id = detach("web", ["sh", "-c", "printf 'a\\n\\nb\\n'; head -c 50000 /dev/zero | tr '\\0' x; echo; printf end"])
    assert wait(exec_id) == 0
    lines = wait_for(lambda: (r := [text_of(x) for x in journal(exec_id) if "EXEC_STREAM" in x]) and r[-1] == "end" and r)
    assert lines[:2] == ["a", "b"] and "".join(lines[2:-1]) == long
    assert max(map(len, lines)) == 16384


def test_container_called_execd():
    shell("/usr/lib/execd-tests/machine start execd")
    try:
        exec_id = detach("execd", ["sh", "-c", "echo Exec 0123456789ab in web created by uid 0: id; echo err >&2"])
        assert wait(exec_id) == 0
        assert wait_for(lambda: [r for r in journal(exec_id) if r.get("EXEC_STREAM") == "stderr"])
    finally:
        shell("/usr/lib/execd-tests/machine stop execd; /usr/lib/execd-tests/machine remove execd", check=False)
    for matches in ("-u execd.service", "-t execd", "-u execd-spawner.service"):
        assert not [r for r in records(matches, f"EXEC_ID={exec_id}") if "EXEC_STREAM" in r], matches


def test_service_has_no_rate_limit():
    assert run("web", ["true"])[0] == 0
    # The value that systemd passes to journald, in microseconds. Without it there is a default.
    assert os.readlink("/run/systemd/units/log-rate-limit-interval:execd.service") == "1"


@pytest.mark.slow
def test_no_record_is_lost_beside_much_output():
    """With the distribution's rate limit, 10000 records in 30 seconds."""
    assert not shell("grep -rs RateLimit /etc/systemd/journald.conf.d /run/systemd/journald.conf.d || :")
    printer = detach("web", ["sh", "-c", "seq 100000"])
    ids = []

    def work():
        for _ in range(125):
            exec_id = create("booted", ["true"])
            Attached(exec_id).read_all()
            ids.append(exec_id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wait(printer) == 0
    wait_for(lambda: journal(printer)[-1].get("EXIT_CODE") == "0", what="the end, which comes last")
    printed = "".join(text_of(r) + "\n" for r in journal(printer) if "EXEC_STREAM" in r)
    assert printed == "".join(f"{i}\n" for i in range(1, 100001))
    assert shell(f"execctl logs --lines=3 {printer}").split() == ["99998", "99999", "100000"]
    wanted = set(ids)
    assert len(wanted) == 500

    def n_found():
        return sum(r.get("EXEC_ID") in wanted for r in records("-u execd.service", "--since=-10min"))
    wait_for(lambda: n_found() >= 1500, what="all records")
    assert n_found() == 1500


@pytest.mark.slow
def test_journald_that_does_not_read():
    """Others are served, commands do not run without a record, and afterwards nothing is missing."""
    shell("execctl run web -- sh -c 'rm -f /tmp/ran-* /tmp/go-journald; mkfifo /tmp/go-journald'")
    before = detach("web", ["sh", "-c", "echo early; read x </tmp/go-journald; echo late; exit 3"])
    flooder = detach("web", ["yes"])
    asked, refused = [], 0
    with stopped_journald():
        # Until the kernel takes no more for journald.
        while not refused and len(asked) < 5000:
            reply = request("POST", "/containers/web/exec", {"Cmd": ["true"]})
            if reply.status == 201:
                asked.append(reply.json()["Id"])
                reply = request("POST", f"/exec/{asked[-1]}/start", {"Detach": True})
            if reply.status == 503:
                assert reply.json()["message"] == UNWILLING and reply.json()["error"]["code"] == "UNAVAILABLE"
                refused += 1
        assert refused
        assert request("GET", "/_ping").body == b"OK"
        assert inspect(before)["Running"]
        assert request("POST", "/containers/web/exec", {"Cmd": ["true"]}).status == 503
        assert request("POST", f"/exec/{flooder}/kill?signal=KILL").status == 204
        pathlib.Path("/proc", shell("machinectl show web -p Leader --value").strip(), "root/tmp/go-journald").write_text("x\n")
        wait_for(lambda: inspect(before)["ExitCode"] == 3, what="the exit status")
    assert wait(before) == 3 and wait(flooder) == 137
    assert run("web", ["echo", "well"]) == (0, b"well\n", b"")
    wait_for(lambda: journal(before)[-1].get("EXIT_CODE") == "3", what="the end, which comes last")
    assert [text_of(r) for r in journal(before) if "EXEC_STREAM" in r] == ["early", "late"]
    assert len(of_kind(flooder, KILLED)) == 1
    for exec_id in asked:
        ran = inspect(exec_id)["State"] == "exited"
        if ran:
            wait_for(lambda e=exec_id: journal(e)[-1].get("EXIT_CODE"), what="the end, which comes last")
        kinds = [r["MESSAGE"].split(" in web ")[1].split()[0] for r in journal(exec_id)]
        assert kinds == (["created", "started", "exited"] if ran else kinds), exec_id
        assert ran or "started" not in kinds, exec_id


def test_attach_is_recorded():
    exec_id = create("web", ["cat"], AttachStdin=True)
    first = Attached(exec_id)
    for n, query in ((1, "stdin=0"), (2, "stdin=0&logs=0")):
        with execd.connect() as s:
            s.sendall(execd.head_bytes("POST", f"/exec/{exec_id}/attach?{query}", b"",
                                       [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
            assert execd.read_head(s)[0] == 101
        record = wait_for(lambda n=n: len(r := of_kind(exec_id, ATTACHED)) == n and r)[-1]
        assert " attached to without its input by uid 0 (root)" in record["MESSAGE"]
        assert record["CALLER_UID"] == "0" and record["CALLER_USER"] == "root" and record["PRIORITY"] == "5"
    shell(f"busctl call org.execd1 /org/execd1/exec/_{exec_id} org.execd1.Exec Attach 'a{{sv}}' 0")
    assert wait_for(lambda: len(of_kind(exec_id, ATTACHED)) == 3)
    first.socket.close()
    request("POST", f"/exec/{exec_id}/kill")


def test_reading_output_is_recorded():
    exec_id = detach("web", ["echo", "secret"], Record=True)
    assert wait(exec_id) == 0
    assert request("GET", f"/exec/{exec_id}/logs").status == 200
    assert " replayed from its output by uid 0 (root)" in wait_for(lambda: of_kind(exec_id, REPLAYED))[0]["MESSAGE"]
    assert wait_for(lambda: request("GET", f"/exec/{exec_id}/recording").status == 200)
    assert " replayed from its recording by uid 0 (root)" in wait_for(
        lambda: (r := of_kind(exec_id, REPLAYED)) and len(r) > 1 and r)[1]["MESSAGE"]
    shell(f"busctl call org.execd1 /org/execd1 org.execd1.Manager GetRecording s {exec_id}")
    assert wait_for(lambda: len(of_kind(exec_id, REPLAYED)) == 3)


def test_resize_of_another_is_recorded(users):
    status, answer = call_as("member", "POST", "/containers/web/exec", {"Cmd": ["cat"], "Tty": True, "AttachStdin": True})
    assert status == 201
    exec_id = answer["Id"]
    assert call_as("member", "POST", f"/exec/{exec_id}/start", {"Detach": True})[0] == 200
    assert call_as("member", "POST", f"/exec/{exec_id}/resize?h=20&w=70")[0] == 200
    assert request("POST", f"/exec/{exec_id}/resize?h=30&w=90").status == 200
    shell(f"busctl call org.execd1 /org/execd1/exec/_{exec_id} org.execd1.Exec Resize qq 40 100")
    found = wait_for(lambda: (r := of_kind(exec_id, RESIZED)) and len(r) == 2 and r)
    assert [" resized to 90x30 by uid 0 " in found[0]["MESSAGE"], " resized to 100x40 by uid 0 " in found[1]["MESSAGE"]]
    request("POST", f"/exec/{exec_id}/kill")
    assert wait_for(lambda: of_kind(exec_id, KILLED))[0]["CALLER_UID"] == "0"


def test_a_user_who_was_just_added():
    """The record of the creation has looked at the names; another user of the same number was there before."""
    shell("userdel -f newcomer", check=False)
    exec_id = create("web", ["sleep", "1000"])
    shell("useradd -M -G execd newcomer")
    try:
        assert call_as("newcomer", "POST", f"/exec/{exec_id}/kill")[0] == 403
        assert wait_for(lambda: of_kind(exec_id, DENIED))[0]["CALLER_USER"] == "newcomer"
    finally:
        shell("userdel -f newcomer", check=False)


@pytest.mark.parametrize("method, path, action, verb", [
    ("POST", "/exec/{}/kill", "manage", "kill"),
    ("POST", "/exec/{}/attach", "manage", "attach"),
    ("POST", "/exec/{}/resize?h=1&w=1", "manage", "resize"),
    ("POST", "/exec/{}/start", "manage", "start"),
    ("GET", "/exec/{}/recording", "replay", "replay"),
    ("GET", "/exec/{}/logs", "replay", "logs"),
])
def test_refusals_say_what_was_refused(users, method, path, action, verb):
    exec_id = create("web", ["sleep", "1000"])
    assert call_as("member", method, path.format(exec_id), {} if verb == "start" else None)[0] == 403
    record = wait_for(lambda: of_kind(exec_id, DENIED))[0]
    assert record["ACTION"] == f"org.execd1.{action}" and record["VERB"] == verb and "not authorized" in record["REASON"]
    assert record["CALLER_USER"] == "member" and record["CONTAINER_NAME"] == "web" and record["PRIORITY"] == "5"
    assert record["MESSAGE"].startswith("Denied uid ") and f" (member) org.execd1.{action} ({verb})" in record["MESSAGE"]


@pytest.mark.parametrize("call, verb", [
    ("Manager ListContainers", "inspect"),
    ("Manager ListServices", "inspect"),
    ("Manager ListExecs", "list"),
    ("Manager CreateExec sasa{{sv}} web 1 true 0", "create"),
    ("Exec Kill ib 9 false", "kill"),
    ("Exec Resize qq 1 1", "resize"),
    ("Exec Attach 'a{{sv}}' 0", "attach"),
    ("Exec Wait t 0", "wait"),
])
def test_refusals_on_the_bus(users, call, verb):
    exec_id = create("web", ["sleep", "1000"])
    interface = call.split()[0]
    path = "/org/execd1" if interface == "Manager" else f"/org/execd1/exec/_{exec_id}"
    cursor = shell("journalctl --sync; journalctl -n 0 --show-cursor").rpartition(": ")[2].strip()
    shell(f"runuser -u stranger -- busctl call org.execd1 {path} org.execd1.{call.format()}", check=False)
    found = wait_for(lambda: [r for r in records(f"--after-cursor='{cursor}'") if r.get("MESSAGE_ID") == DENIED])
    assert [(r["CALLER_USER"], r["VERB"]) for r in found] == [("stranger", verb)]


def test_denials_do_not_fill_the_journal(users):
    """A user who is refused again and again leaves so many records, and then a number."""
    exec_id = create("web", ["true"])
    shell("systemctl restart execd.service")
    exec_id = create("web", ["true"])
    begun = execd.cursor()
    script = (f"import sys; sys.path.insert(0, {str(pathlib.Path(execd.__file__).parent)!r}); import execd\n"
              f"print(sum(execd.request('POST', '/exec/{exec_id}/kill').status in (403, 503) for _ in range(260)))")
    # One that polkit is late for is recorded as well.
    assert shell(f"setpriv --reuid=member --regid=execd --clear-groups python3 -c \"{script}\"").strip() == "260"
    assert request("GET", "/_ping").status == 200
    shell("systemctl stop execd.service")
    found = execd.records_since(begun, "execd.service")
    assert sum(r.get("MESSAGE_ID") == DENIED for r in found) == 200
    counted = [r for r in found if r.get("MESSAGE_ID") == COUNTED]
    assert [(r["N_DENIALS"], r["CALLER_USER"]) for r in counted] == [("60", "member")]


def test_request_that_comes_as_execd_is_about_to_leave():
    """It was not read while the idle timeout ran out: it is served, and no connection is dropped."""
    shell("mkdir -p /run/execd/execd.conf.d; printf '[Daemon]\\nIdleTimeoutSec=1s\\nIdleTimeoutMaxSec=0\\n' >/run/execd/execd.conf.d/idle.conf;"
          "systemctl restart execd.service")
    try:
        for _ in range(5):
            with execd.connect() as s:
                s.sendall(execd.head_bytes("GET", "/_ping"))
                assert execd.read_head(s)[0] == 200
                pid = int(shell("systemctl show -P MainPID execd.service"))
                execd.halt(pid)
                try:
                    s.sendall(execd.head_bytes("GET", "/version"))
                    # The time without work runs out while execd cannot see the request.
                    due = time.monotonic() + 1.2
                    wait_for(lambda: time.monotonic() >= due)
                finally:
                    os.kill(pid, signal.SIGCONT)
                assert execd.read_head(s)[0] == 200
    finally:
        shell("rm /run/execd/execd.conf.d/idle.conf; systemctl restart execd.service")


def test_client_that_connects_as_execd_is_about_to_leave():
    """Its connection was accepted when the time without work had run out, and its request comes a moment later."""
    shell("mkdir -p /run/execd/execd.conf.d; printf '[Daemon]\\nIdleTimeoutSec=3s\\nIdleTimeoutMaxSec=0\\n' >/run/execd/execd.conf.d/idle.conf;"
          "systemctl restart execd.service")
    try:
        assert execd.request("GET", "/_ping").status == 200
        pid = int(shell("systemctl show -P MainPID execd.service"))
        execd.halt(pid)
        try:
            s = execd.connect()
            due = time.monotonic() + 3.2
            wait_for(lambda: time.monotonic() >= due)
        finally:
            os.kill(pid, signal.SIGCONT)
        with s:
            # A request of another client is served after the connection was accepted, and the timer has been looked at.
            shell("systemctl service-log-level execd.service")
            s.sendall(execd.head_bytes("GET", "/version"))
            assert execd.read_head(s)[0] == 200
        assert int(shell("systemctl show -P MainPID execd.service")) == pid
    finally:
        shell("rm /run/execd/execd.conf.d/idle.conf; systemctl restart execd.service")
