# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd is restarted while commands run, as by an upgrade: no exec is lost, and nothing of it stays behind."""

import json
import subprocess
import time
import urllib.parse

import pytest

from execd import Attached, create, inspect, journal, request, shell, wait_for


def restart():
    shell("systemctl restart execd.service")


def stored():
    return int(shell("systemctl show -P NFileDescriptorStore execd.service"))


def start_detached(*cmd, **fields):
    exec_id = create("web", list(cmd), **fields)
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    return exec_id


def end_of(exec_id):
    reply = request("POST", f"/exec/{exec_id}/wait")
    assert reply.status == 200, reply.body
    return reply.json()["StatusCode"]


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    wait_for(lambda: stored() == 0, what="systemd to have forgotten the descriptors")


@pytest.mark.parametrize("times", [1, 3])
def test_detached_exec_goes_on(times):
    shell("execctl run web -- sh -c 'rm -f /tmp/go; mkfifo /tmp/go'")
    exec_id = start_detached("sh", "-c", "echo before; read x </tmp/go; echo after; echo wrong >&2; exit 7")
    pid = inspect(exec_id)["Pid"]
    for _ in range(times):
        restart()
        seen = inspect(exec_id)
        assert seen["Running"] and seen["Pid"] == pid and seen["ExitCode"] is None
        assert exec_id in [e["ID"] for e in request("GET", "/exec/json").json()]
    shell("execctl run web -- sh -c 'echo x >/tmp/go'")
    assert end_of(exec_id) == 7
    logs = request("GET", f"/exec/{exec_id}/logs").body
    assert b"after" in logs and b"wrong" in logs
    ended = wait_for(lambda: [r for r in journal(exec_id) if r.get("EXIT_CODE") == "7"])
    assert ended[-1]["CALLER_UID"] == "0"


def test_output_waits_for_the_next_start():
    exec_id = start_detached("sh", "-c", "sleep 4; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    restart()
    assert end_of(exec_id) == 0
    assert b"line 19999" in request("GET", f"/exec/{exec_id}/logs").body


def test_terminal_is_joined_again():
    exec_id = create("web", ["sh"], Tty=True, AttachStdin=True)
    a = Attached(exec_id, tty=True)
    a.socket.sendall(b"x=kept; echo rea''dy\n")
    got = b""
    while b"ready" not in got:
        got += a.socket.recv(4096)
    restart()
    while a.socket.recv(4096):
        pass
    assert inspect(exec_id)["Running"]
    out = shell(f"(sleep 1; echo 'echo it is $x; exit 5'; sleep 2) | timeout 20 script -qec 'execctl attach {exec_id}' "
                "/dev/null", check=False)
    assert "it is kept" in out
    assert end_of(exec_id) == 5


def test_one_that_is_bound_to_its_client_ends_with_it():
    exec_id = create("web", ["sleep", "1000"], OnDisconnect="kill")
    a = Attached(exec_id)
    restart()
    assert end_of(exec_id) == 137
    a.socket.close()


def test_starts_under_way_are_waited_for():
    ids = [create("web", ["sh", "-c", f"sleep 1; exit {i}"]) for i in range(20)]
    streams = [Attached(i) for i in ids]
    restart()
    assert [end_of(i) for i in ids] == list(range(20))
    for s in streams:
        s.socket.close()


def test_signals_and_limits_reach_it():
    exec_id = start_detached("sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.1; done", Labels={"a": "b"},
                             Properties={"RuntimeMaxSec": "60"})
    restart()
    query = urllib.parse.quote(json.dumps({"label": ["a=b"]}))
    seen = next(e for e in request("GET", f"/exec/json?filters={query}").json() if e["ID"] == exec_id)
    assert seen["Labels"] == {"a": "b"}
    assert request("POST", f"/exec/{exec_id}/kill?signal=USR1").status in (200, 204)
    assert end_of(exec_id) == 9


def test_command_with_fds_of_its_caller(tmp_path):
    out = tmp_path / "out"
    shell(f"execctl run web -- sh -c 'sleep 2; echo done; exit 4' >{out} 2>&1 & sleep 1; systemctl restart execd.service;"
          "wait $!", check=False)
    wait_for(lambda: "done" in out.read_text(), what="the command to have written to its own stdout")


def test_many():
    ids = [start_detached("sh", "-c", f"sleep 3; exit {i % 50}") for i in range(100)]
    restart()
    assert [end_of(i) for i in ids] == [i % 50 for i in range(100)]


def test_command_with_fds_of_a_caller_that_it_is_bound_to():
    """execctl stays on the bus while execd is away; when it leaves, its command ends."""
    caller = subprocess.Popen(["execctl", "run", "--on-disconnect=kill", "web", "--", "sleep", "1234"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    find = "pgrep -fx 'sleep 1234' || :"
    wait_for(lambda: shell(find))
    for _ in range(2):
        restart()
        request("GET", "/_ping")
        time.sleep(0.5)
        assert caller.poll() is None and shell(find)
    caller.kill()
    caller.wait()
    wait_for(lambda: not shell(find), seconds=3, what="the command to have ended with its caller")


@pytest.mark.slow
def test_execd_dies():
    """What runs for some time is left with systemd while execd is well, for that it may be killed."""
    long = start_detached("sh", "-c", "echo early; sleep 30; echo late; exit 6")
    quick = start_detached("sh", "-c", "sleep 14; exit 5")
    tty = create("web", ["sh", "-c", "trap 'exit 3' HUP; while :; do sleep 0.1; done"], Tty=True, OnDisconnect="hangup")
    a = Attached(tty, tty=True)
    wait_for(lambda: stored() >= 11, seconds=17, what="systemd to have the descriptors")
    assert end_of(quick) == 5
    wait_for(lambda: stored() == 7, what="those of the one that ended to be given back")
    pid = shell("systemctl show -P MainPID execd.service").strip()
    shell(f"kill -KILL {pid}")
    wait_for(lambda: shell("systemctl show -P MainPID execd.service").strip() not in (pid, "0"))
    assert inspect(long)["Running"]
    assert end_of(tty) == 3, "its client is gone, so its terminal is hung up"
    assert end_of(long) == 6
    assert b"late" in request("GET", f"/exec/{long}/logs").body
    a.socket.close()
