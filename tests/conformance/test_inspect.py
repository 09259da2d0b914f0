# SPDX-License-Identifier: LGPL-2.1-or-later
"""GET /exec/{id}/json in each state, and what containers say of their execs (exec-api §5)."""

import time

import pytest

from wire import Api

KEYS = ["ID", "Running", "ExitCode", "ProcessConfig", "OpenStdin", "OpenStderr", "OpenStdout", "CanRemove",
        "ContainerID", "DetachKeys", "Pid"]


def test_keys_in_order(api):
    seen = api.inspect(api.create("true"))
    assert list(seen)[:len(KEYS)] == KEYS
    assert list(seen["ProcessConfig"]) == ["tty", "entrypoint", "arguments", "privileged"]


def test_created(api, container_id):
    exec_id = api.create("sh", "-c", "x")
    seen = api.inspect(exec_id)
    assert seen["ID"] == exec_id
    assert (seen["Running"], seen["ExitCode"], seen["Pid"], seen["CanRemove"]) == (False, None, 0, False)
    assert seen["ContainerID"] == container_id
    assert seen["ProcessConfig"] == {"tty": False, "entrypoint": "sh", "arguments": ["-c", "x"], "privileged": False}
    assert (seen["OpenStdin"], seen["OpenStdout"], seen["OpenStderr"]) == (False, True, True)
    assert seen["DetachKeys"] == ""


def test_no_arguments(api):
    assert api.inspect(api.create("true"))["ProcessConfig"]["arguments"] == []


@pytest.mark.parametrize("user", ["app", "0", "app:wheel"])
def test_user(api, user):
    config = api.inspect(api.create("true", User=user))["ProcessConfig"]
    assert list(config) == ["tty", "entrypoint", "arguments", "privileged", "user"]
    assert config["user"] == user


def test_no_user_is_left_out(api):
    assert "user" not in api.inspect(api.create("true", User=""))["ProcessConfig"]


def test_running(api, running):
    exec_id, _ = running("sleep", "30")
    seen = api.wait_running(exec_id)
    assert (seen["Running"], seen["ExitCode"], seen["CanRemove"]) == (True, None, False)
    with open(f"/proc/{seen['Pid']}/cmdline", "rb") as f:
        assert f.read() == b"sleep\x0030\0"


def test_exited(api):
    exec_id, c = api.open("sh", "-c", "echo r; read x; exit 5", AttachStdin=True)
    with c:
        c.frames_until(b"r\n")
        pid = api.wait_running(exec_id)["Pid"]
        c.send(b"\n")
        c.read_frames()
    seen = api.inspect(exec_id)
    assert (seen["Running"], seen["ExitCode"]) == (False, 5)
    assert seen["Pid"] == pid > 0


def test_failed_start(api):
    seen = api.run("nosuch").inspect
    assert (seen["Running"], seen["Pid"]) == (False, 0)
    assert seen["ExitCode"] in (126, 127)


def test_flags_never_change(api):
    exec_id = api.run("true", stdin=b"").id
    seen = api.inspect(exec_id)
    assert (seen["OpenStdin"], seen["OpenStdout"], seen["OpenStderr"]) == (True, True, True)


def test_same_in_every_version(api):
    exec_id = api.run("true").id
    newest = api.inspect(exec_id)
    for version in ("/v1.24", "/v1.35", "/v1.41"):
        assert Api(api.path, api.container, version).inspect(exec_id) == newest


def test_exited_ones_stay(api):
    exec_id = api.run("sh", "-c", "exit 3").id
    time.sleep(2)  # long enough for others to be forgotten
    assert api.inspect(exec_id)["ExitCode"] == 3


@pytest.mark.slow
def test_exited_ones_stay_after_many_others(api):
    exec_id = api.run("sh", "-c", "exit 3").id
    for _ in range(100):
        api.run("true")
    assert api.inspect(exec_id)["ExitCode"] == 3


def exec_ids(api, name):
    return api.get(f"/containers/{name}/json").json()["ExecIDs"]


def test_exec_ids_of_a_container(api, victim, kill):
    assert exec_ids(api, victim.name) is None
    created = api.create("true", container=victim.name)
    assert exec_ids(api, victim.name) == [created]
    exec_id, c = api.open("sleep", "30", container=victim.name)
    with c:
        api.wait_running(exec_id)
        assert sorted(exec_ids(api, victim.name)) == sorted([created, exec_id])
        kill(exec_id)
    assert exec_ids(api, victim.name) == [created]
