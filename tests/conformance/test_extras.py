# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs as objects, which Docker does not have (EXTRAS.md)."""

import datetime
import json
import os
import threading
import time
from urllib.parse import quote

import pytest

import target as targets
from wire import STDERR, STDOUT, build, host_pid_alive, join, unique_name

pytestmark = pytest.mark.execd_only
NO_EXEC = "4" * 64


def listed(api, **filters):
    answer = api.get("/exec/json" + (f"?filters={quote(json.dumps(filters))}" if filters else ""))
    assert answer.status == 200, answer
    return answer.json()


def ids(api, **filters):
    return [e["ID"] for e in listed(api, **filters)]


def kill(api, exec_id, query=""):
    return api.post(f"/exec/{exec_id}/kill{query}")


def wait(api, exec_id, timeout=30):
    return api.post(f"/exec/{exec_id}/wait", timeout=timeout)


def attach(api, exec_id, query="", status=101):
    """A Conn after the head of an attach, and its head in .head."""
    c = api.conn()
    c.send(build("POST", f"/exec/{exec_id}/attach{query}", upgrade=True))
    c.head = c.read_head()
    assert c.head.status == status
    return c


@pytest.fixture
def detached(api):
    """Starts a detached exec; it is killed afterwards."""
    made = []

    def start(*cmd, **fields):
        made.append(api.create(*cmd, **fields))
        answer = api.start_detached(made[-1])
        assert answer.status == 200, answer
        return made[-1]

    yield start
    for exec_id in made:
        kill(api, exec_id, "?all=1")


# Inspect's further keys.

def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_states(api, detached):
    exec_id = api.create("sh", "-c", "exit 2")
    seen = api.inspect(exec_id)
    assert (seen["State"], seen["Result"], seen["Started"], seen["Finished"]) == ("created", None, None, None)
    assert abs((datetime.datetime.now(datetime.timezone.utc) - moment(seen["Created"])).total_seconds()) < 30
    with api.start(exec_id) as c:
        c.read_frames()
    seen = api.inspect(exec_id)
    assert (seen["State"], seen["Result"], seen["Error"]) == ("exited", "exit-code", None)
    assert moment(seen["Created"]) <= moment(seen["Started"]) <= moment(seen["Finished"])
    seen = api.inspect(detached("sleep", "30"))
    assert (seen["State"], seen["Result"], seen["Finished"]) == ("running", None, None)


@pytest.mark.parametrize("script,result", [("exit 0", "success"), ("exit 1", "exit-code"), ("kill -9 $$", "signal")])
def test_results(api, script, result):
    assert api.sh(script).inspect["Result"] == result


def test_failed(api):
    seen = api.run("nosuch").inspect
    assert (seen["State"], seen["Result"]) == ("failed", "failed")
    assert "executable file not found" in seen["Error"]


def test_container_and_unit(api, detached, container_id):
    exec_id = detached("sleep", "30")
    seen = api.inspect(exec_id)
    assert (seen["ContainerName"], seen["ContainerID"]) == (api.container, container_id)
    assert seen["Unit"] == f"exec-{exec_id}.scope" or seen["Unit"].endswith(".scope")
    with open(f"/proc/{seen['Pid']}/cgroup") as f:
        assert f"/{seen['Unit']}" in f.read()
    assert seen["CallerUID"] == os.getuid()


def test_scope_description(api, detached):
    unit = api.inspect(detached("sleep", "12.5"))["Unit"]

    def described():
        text = targets.run("systemctl", "show", "--value", "--property=Description", unit)
        return api.container in text and "sleep" in text
    # A scope that was made in advance is called what it is for a moment later.
    targets.wait_until(described, what="the description")


# Labels and the list.

def test_labels(api):
    labels = {"owner": "tests", "org.example/x": "a=b c", "empty": ""}
    assert api.inspect(api.create("true", Labels=labels))["Labels"] == labels
    assert api.inspect(api.create("true"))["Labels"] == {}


def test_too_many_labels(api):
    answer = api.try_create({"Cmd": ["true"], "Labels": {f"l{n}": "x" for n in range(65)}})
    assert answer.status == 413
    assert "Labels" in answer.message and "64" in answer.message


def test_list(api, container_id):
    exec_id = api.create("echo", "hi", Labels={"k": "v"})
    seen = [e for e in listed(api) if e["ID"] == exec_id]
    assert seen == [api.inspect(exec_id)]


def test_list_filters(api, detached, victim):
    mark = unique_name("mark")
    created = api.create("true", Labels={"mark": mark, "n": "1"})
    running = detached("sleep", "30", Labels={"mark": mark, "n": "2"})
    exited = api.run("true", Labels={"mark": mark, "n": "3"}).id
    failed = api.run("nosuch", Labels={"mark": mark, "n": "4"}).id
    elsewhere = api.create("true", Labels={"mark": mark}, container=victim.name)
    mine = [f"mark={mark}"]
    assert set(ids(api, label=mine)) == {created, running, exited, failed, elsewhere}
    assert set(ids(api, label={mine[0]: True})) == {created, running, exited, failed, elsewhere}
    assert ids(api, label=mine, status=["created"], container=[api.container]) == [created]
    assert ids(api, label=mine, status=["running"]) == [running]
    assert ids(api, label=mine, status=["exited"]) == [exited]
    assert ids(api, label=mine, status=["failed"]) == [failed]
    assert set(ids(api, label=mine, status=["exited", "failed"])) == {exited, failed}
    assert ids(api, label=mine, container=[victim.name]) == [elsewhere]
    assert ids(api, label=mine + ["n=3"]) == [exited]
    assert set(ids(api, label=mine + ["n"])) == {created, running, exited, failed}
    assert ids(api, label=["mark=nosuch"]) == []


def test_list_by_container_id(api, container_id):
    exec_id = api.create("true")
    assert exec_id in ids(api, container=[container_id]) and exec_id in ids(api, container=[container_id[:12]])
    assert exec_id not in ids(api, container=["nosuch"])


def test_list_with_an_unknown_filter(api):
    assert api.get("/exec/json?filters=" + quote('{"bogus":["x"]}')).status == 400
    assert api.get("/exec/json?filters=%7B").status == 400


# kill

@pytest.mark.parametrize("query,code", [("", 137), ("?signal=15", 143), ("?signal=TERM", 143), ("?signal=sigint", 130),
                                        ("?signal=SIGKILL", 137), ("?signal=USR1", 138), ("?signal=", 137)])
def test_kill(api, detached, query, code):
    exec_id = detached("sleep", "60")
    answer = kill(api, exec_id, query)
    assert (answer.status, answer.body) == (204, b"")
    assert api.wait_exit(exec_id)["ExitCode"] == code


def test_kill_reaches_the_command_only(api, detached):
    exec_id = detached("sh", "-c", "trap '' TERM; sleep 30 & echo $! > /tmp/child; wait; wait")
    targets.wait_until(lambda: api.sh("kill -0 $(cat /tmp/child)").code == 0)
    assert kill(api, exec_id, "?signal=TERM").status == 204
    targets.let_pass(0.3)
    assert api.sh("kill -0 $(cat /tmp/child)").code == 0


def processes(unit):
    """The pids in the cgroup of an exec's scope."""
    path = targets.run("systemctl", "show", "--value", "--property=ControlGroup", unit).strip()
    try:
        with open(f"/sys/fs/cgroup{path}/cgroup.procs") as f:
            return f.read().split() if path else []
    except FileNotFoundError:
        return []


def test_kill_all(api, detached):
    exec_id = detached("sh", "-c", "(sleep 71) & (setsid sleep 71) & sleep 71; sleep 71")
    unit = api.inspect(exec_id)["Unit"]
    targets.wait_until(lambda: len(processes(unit)) >= 4, what="the tree")
    assert kill(api, exec_id, "?all=1").status == 204
    targets.wait_until(lambda: not processes(unit), what="the end of all of them")
    assert api.wait_exit(exec_id)["ExitCode"] == 137


@pytest.mark.parametrize("signal", ["0", "65", "-9", "NOSUCH", "SIG", "9x", "1.5", "KILL,TERM"])
def test_kill_with_a_bad_signal(api, detached, signal):
    exec_id = detached("sleep", "60")
    answer = kill(api, exec_id, f"?signal={signal}")
    assert answer.status == 400
    assert "signal" in answer.message
    assert api.inspect(exec_id)["Running"] is True


def test_kill_what_does_not_run(api):
    assert kill(api, NO_EXEC).status == 404
    assert kill(api, api.run("true").id).status == 409
    assert kill(api, api.create("true")).status == 409


# A command goes on when this is opened.
GATE = "until rm /tmp/opened 2>/dev/null; do sleep 0.1; done"


def open_gate(api):
    api.sh(": >/tmp/opened")


# wait

def test_wait_for_a_running_one(api, detached):
    exec_id = detached("sh", "-c", f"{GATE}; exit 5")
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(wait(api, exec_id)))
    waiter.start()
    targets.let_pass(0.5)
    assert not answers
    open_gate(api)
    waiter.join(30)
    assert answers[0].status == 200
    assert answers[0].json() == {"StatusCode": 5, "Error": None, "Result": "exit-code"}


def test_wait_for_an_ended_one(api):
    assert wait(api, api.run("true").id).json() == {"StatusCode": 0, "Error": None, "Result": "success"}
    assert wait(api, api.sh("kill -9 $$").id).json()["Result"] == "signal"


def test_wait_for_a_failed_one(api):
    seen = wait(api, api.run("nosuch").id).json()
    assert (seen["StatusCode"], seen["Result"]) == (127, "failed")
    assert "not found" in seen["Error"]["Message"]


def test_wait_before_the_start(api):
    exec_id = api.create("sh", "-c", "exit 6")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(wait(api, exec_id))) for _ in range(5)]
    for t in threads:
        t.start()
    targets.let_pass(0.3)
    assert not answers
    api.run("true")
    api.start_detached(exec_id)
    for t in threads:
        t.join(30)
    assert [a.json()["StatusCode"] for a in answers] == [6] * 5


def test_wait_for_an_unknown_one(api):
    assert wait(api, NO_EXEC).status == 404


def test_waiter_that_leaves(api, detached):
    exec_id = detached("sh", "-c", "sleep 1; exit 7")  # it outlives the one who leaves
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/wait"))
        time.sleep(0.2)  # nothing shows that the request was read
    assert wait(api, exec_id).json()["StatusCode"] == 7


# attach

def speaks_twice(api, detached):
    """An exec that has written 'early' and 'err', and writes 'late' once go_on() was called."""
    api.sh("rm -f /tmp/go-on; mkfifo /tmp/go-on")
    exec_id = detached("sh", "-c", "echo early; echo err >&2; read x </tmp/go-on; echo late")
    targets.wait_until(lambda: {b"early\n", b"err\n"} <= {text for _, text in logs_so_far(api, exec_id)}, what="the first lines")
    return exec_id


def logs_so_far(api, exec_id):
    with attach(api, exec_id) as c:
        frames = []
        while not c.quiet(0.1):
            frames.append(c.read_frame())
        return frames


def go_on(api):
    api.sh("echo >/tmp/go-on")


def test_attach_replays_and_goes_on(api, detached):
    exec_id = speaks_twice(api, detached)
    with attach(api, exec_id) as c:
        assert c.head.get("Content-Type") == "application/vnd.docker.multiplexed-stream"
        go_on(api)
        frames = c.read_frames()
    assert join(frames, STDOUT) == b"early\nlate\n"
    assert join(frames, STDERR) == b"err\n"


@pytest.mark.parametrize("query,out,err", [("?logs=0", b"late\n", b""), ("?stderr=0", b"early\nlate\n", b""),
                                           ("?stdout=0", b"", b"err\n")])
def test_attach_to_parts(api, detached, query, out, err):
    exec_id = speaks_twice(api, detached)
    with attach(api, exec_id, query) as c:
        go_on(api)
        frames = c.read_frames()
    assert (join(frames, STDOUT), join(frames, STDERR)) == (out, err)


def test_attach_replays_the_last_64_kib(api, detached):
    exec_id = detached("sh", "-c", "seq 0 19999 | sed 's/^/line /'; sleep 60")
    targets.wait_until(lambda: api.get(f"/exec/{exec_id}/logs").body.endswith(b"line 19999\n"), what="all that it prints")
    with attach(api, exec_id) as c:
        data = c.frames_until(b"line 19999\n")
    # Of about 200 KB; whole frames, so it may be some more. (Each has a head, which counts: in many small ones there is less.)
    assert 60 * 1024 <= len(data) <= 128 * 1024
    assert data.endswith(b"line 19998\nline 19999\n")


def test_attach_beside_the_starter(api, running):
    # The line is read before the end.
    exec_id, first = running("sh", "-c", "echo one; read x; echo two $x; sleep 0.2", AttachStdin=True)
    first.frames_until(b"one\n")
    with attach(api, exec_id) as second, attach(api, exec_id) as third:
        assert second.frames_until(b"one\n") == third.frames_until(b"one\n") == b"one\n"
        first.send(b"go\n")
        for c in (first, second, third):
            assert c.frames_until(b"two go\n")
            assert c.read_frames() == []


def test_attach_as_a_second_writer(api, running):
    exec_id, _ = running("cat", AttachStdin=True)
    api.wait_running(exec_id)
    with attach(api, exec_id, "?stdin=1", status=409):
        pass


def test_attach_joins_a_tty_again(api, running):
    exec_id, c = running("sh", "-c", "stty -echo; echo ready; while read x; do echo got $x; done", Tty=True,
                         AttachStdin=True)
    c.read_until(b"ready\r\n")
    c.send(b"\x10\x11")
    assert c.ends_within(30)
    with attach(api, exec_id, "?stdin=1") as again:
        assert again.head.get("Content-Type") == "application/vnd.docker.raw-stream"
        again.read_until(b"ready\r\n")
        again.send(b"word\n")
        assert again.read_until(b"got word\r\n")


def test_attach_without_upgrade(api, detached):
    exec_id = detached("sh", "-c", f"echo early; {GATE}")
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/attach"))
        assert c.read_head().status == 200
        open_gate(api)
        assert c.read_frames() == [(STDOUT, b"early\n")]


def test_reader_that_stalls_does_not_hold_up_the_command_for_ever(api, detached):
    """A second reader that reads nothing: the exec's own end is still seen by the others."""
    exec_id = detached("sh", "-c", f"{GATE}; echo done; exit 4")
    with attach(api, exec_id):
        open_gate(api)
        assert wait(api, exec_id).json()["StatusCode"] == 4


def test_attach_to_what_does_not_run(api):
    assert api.post(f"/exec/{NO_EXEC}/attach", upgrade=True).status == 404
    assert api.post(f"/exec/{api.create('true')}/attach", upgrade=True).status == 409
    assert api.post(f"/exec/{api.run('true').id}/attach", upgrade=True).status == 409


# logs

def test_logs_of_a_detached_one(api, detached):
    exec_id = detached("sh", "-c", "echo out; echo err >&2; exit 3")
    wait(api, exec_id)
    answer = api.get(f"/exec/{exec_id}/logs")
    assert answer.status == 200
    assert answer.head.get("Content-Type") == "application/vnd.docker.multiplexed-stream"
    assert sorted(frames_of(answer.body)) == [(STDOUT, b"out\n"), (STDERR, b"err\n")]
    assert frames_of(api.get(f"/exec/{exec_id}/logs?stderr=0").body) == [(STDOUT, b"out\n")]
    assert frames_of(api.get(f"/exec/{exec_id}/logs?stdout=0").body) == [(STDERR, b"err\n")]


def frames_of(data):
    frames = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        frames.append((data[0], data[8:8 + size]))
        data = data[8 + size:]
    return frames


def test_logs_of_a_detached_tty(api, detached):
    exec_id = detached("sh", "-c", "echo out; echo err >&2", Tty=True)
    wait(api, exec_id)
    answer = api.get(f"/exec/{exec_id}/logs")
    assert answer.head.get("Content-Type") == "application/vnd.docker.raw-stream"
    assert answer.body == b"out\r\nerr\r\n"


def test_logs_while_it_runs(api, detached):
    exec_id = detached("sh", "-c", "echo so far; sleep 30")
    targets.wait_until(lambda: frames_of(api.get(f"/exec/{exec_id}/logs").body) == [(STDOUT, b"so far\n")])


def test_logs_are_in_the_journal_too(api, detached):
    word = unique_name("journal")
    exec_id = detached("echo", word)
    wait(api, exec_id)
    targets.wait_until(lambda: word in targets.run("journalctl", "--no-pager", "-o", "cat", f"EXEC_ID={exec_id}"))


def test_logs_of_an_attached_one(api):
    assert api.get(f"/exec/{api.run('echo', 'x').id}/logs").status == 409
    assert api.get(f"/exec/{NO_EXEC}/logs").status == 404


# OnDisconnect

TREE = "echo ready; (sleep 61) & (setsid sleep 61) & sleep 61"


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("stdin", [False, True])
def test_kill_on_disconnect(api, tty, stdin):
    """The whole tree goes with the client."""
    exec_id, c = api.open("sh", "-c", TREE, Tty=tty, AttachStdin=stdin, OnDisconnect="kill")
    c.read_until(b"ready")
    seen = api.wait_running(exec_id)
    targets.wait_until(lambda: len(processes(seen["Unit"])) >= 3, what="the tree")
    c.close()
    targets.wait_until(lambda: not host_pid_alive(seen["Pid"]), what="the end of the command")
    targets.wait_until(lambda: not processes(seen["Unit"]), what="the end of the tree")
    assert api.wait_exit(exec_id)["ExitCode"] == 137


@pytest.mark.parametrize("tty", [False, True])
def test_hangup_on_disconnect(api, tty):
    script = "trap 'exit 44' HUP; echo ready; while :; do sleep 0.1; done"
    exec_id, c = api.open("sh", "-c", script, Tty=tty, AttachStdin=True, OnDisconnect="hangup")
    c.read_until(b"ready")
    c.close()
    assert api.wait_exit(exec_id)["ExitCode"] == 44


def test_keep_on_disconnect(api, running):
    exec_id, c = running("sh", "-c", "echo ready; while :; do sleep 0.3; echo tick; done", OnDisconnect="keep")
    c.read_until(b"ready")
    c.close()
    targets.let_pass(1)
    assert api.inspect(exec_id)["Running"] is True
    with attach(api, exec_id) as again:
        assert again.frames_until(b"tick\n").startswith(b"ready\n")
        again.frames_until(b"tick\n")


@pytest.mark.parametrize("policy", ["kill", "hangup"])
def test_half_close_is_no_disconnect(api, policy):
    exec_id, c = api.open("sh", "-c", "sleep 0.5; echo later", OnDisconnect=policy)  # the client has closed its half by then
    with c:
        c.half_close()
        assert c.read_frames() == [(STDOUT, b"later\n")]
    assert api.inspect(exec_id)["ExitCode"] == 0


def test_detaching_by_keys_is_no_disconnect(api, running):
    exec_id, c = running("sh", "-c", "echo ready; sleep 30", Tty=True, AttachStdin=True, OnDisconnect="kill")
    c.read_until(b"ready")
    c.send(b"\x10\x11")
    assert c.ends_within(30)
    targets.let_pass(0.5)
    assert api.inspect(exec_id)["Running"] is True


def test_a_reader_that_leaves_is_no_disconnect(api, running):
    """Only the client that started it counts."""
    exec_id, c = running("sh", "-c", "echo ready; sleep 30", OnDisconnect="kill")
    c.read_until(b"ready")
    with attach(api, exec_id) as reader:
        reader.frames_until(b"ready")
    targets.let_pass(0.5)
    assert api.inspect(exec_id)["Running"] is True


@pytest.mark.parametrize("value", ["", None, "keep", "hangup", "kill"])
def test_on_disconnect_values(api, value):
    exec_id = api.create("true", OnDisconnect=value)
    assert api.inspect(exec_id)["OnDisconnect"] == (value or "keep")


# Properties

def test_properties_are_shown(api):
    properties = {"MemoryMax": "512M", "MemoryHigh": "50%", "TasksMax": "64", "CPUQuota": "150%", "CPUWeight": "50",
                  "IOWeight": "200", "AllowedCPUs": "0-1", "RuntimeMaxSec": "1min 30s", "OOMPolicy": "kill"}
    assert api.inspect(api.create("true", Properties=properties))["Properties"] == properties
    assert api.inspect(api.create("true"))["Properties"] == {}


SHOWN = [("MemoryMax", "64M", "MemoryMax", str(64 << 20)), ("MemoryHigh", "1G", "MemoryHigh", str(1 << 30)),
         ("TasksMax", "77", "TasksMax", "77"), ("TasksMax", 78, "TasksMax", "78"), ("CPUQuota", "20%", "CPUQuotaPerSecUSec", "200ms"),
         ("CPUWeight", "33", "CPUWeight", "33"), ("IOWeight", "44", "IOWeight", "44"),
         ("RuntimeMaxSec", "1h", "RuntimeMaxUSec", "1h"), ("OOMPolicy", "kill", "OOMPolicy", "kill"),
         ("AllowedCPUs", "0", "AllowedCPUs", "0")]


@pytest.mark.parametrize("name,value,shown,text", SHOWN, ids=[f"{n}={v}" for n, v, _, _ in SHOWN])
def test_properties_reach_the_scope(api, detached, name, value, shown, text):
    unit = api.inspect(detached("sleep", "30", Properties={name: value}))["Unit"]
    assert targets.run("systemctl", "show", "--value", f"--property={shown}", unit).strip() == text


def missing(name):
    """The controller that the property needs and this host does not have, or None."""
    needed = {"M": "memory", "T": "pids", "C": "cpu", "I": "io", "A": "cpuset"}.get(name[0])
    return needed if needed not in targets.run("cat", "/sys/fs/cgroup/cgroup.controllers").split() else None


def test_limits_that_the_kernel_does_not_enforce(api):
    properties = {"MemoryMax": "512M", "TasksMax": "64", "CPUQuota": "150%", "IOWeight": "200", "AllowedCPUs": "0",
                  "RuntimeMaxSec": "1min", "OOMPolicy": "kill", "MemoryHigh": "infinity"}
    wanted = [f"{name}: not enforced, since the kernel has no {missing(name)} controller in the unified cgroup hierarchy"
              for name in list(properties)[:5] if missing(name)]
    body = api.try_create({"Cmd": ["true"], "Properties": properties}).json()
    assert sorted(body.get("Warnings", [])) == sorted(wanted)
    for properties in ({}, {"RuntimeMaxSec": "1min", "OOMPolicy": "kill"}, {"TasksMax": "infinity"}):
        assert "Warnings" not in api.try_create({"Cmd": ["true"], "Properties": properties}).json(), properties


def test_runtime_limit_ends_it(api):
    began = time.monotonic()
    result = api.run("sleep", "600", Properties={"RuntimeMaxSec": "2"}, timeout=60)
    assert time.monotonic() - began > 1.5
    assert result.inspect["Result"] == "timeout"
    assert result.inspect["State"] == "exited"
    assert result.code in (137, 143)
    assert wait(api, result.id).json()["Result"] == "timeout"


def test_keys_of_the_list_are_those_of_inspect(api):
    exec_id = api.create("true")
    assert set(listed(api)[0]) == set(api.inspect(exec_id))
