# SPDX-License-Identifier: LGPL-2.1-or-later
"""The user that a command runs as (exec-api §2.4)."""

import re

import pytest


def identity(api, user, **fields):
    """(uid, gid, set of groups) of a command run as `user`."""
    result = api.sh("grep -E '^(Uid|Gid|Groups):' /proc/self/status", User=user, **fields)
    assert result.code == 0, result
    lines = {k: v.split() for k, v in re.findall(r"(\w+):\s*(.*)", result.out.decode())}
    assert len(set(lines["Uid"])) == len(set(lines["Gid"])) == 1
    return int(lines["Uid"][0]), int(lines["Gid"][0]), {int(g) for g in lines["Groups"]}


GRANTED = [
    ("app", (1000, 1000, {1000, 10})), ("1000", (1000, 1000, {1000, 10})), ("root", (0, 0, None)), ("0", (0, 0, None)),
    ("app:wheel", (1000, 10, {10})), ("app:10", (1000, 10, {10})), ("1000:0", (1000, 0, {0})),
    ("1000:1000", (1000, 1000, {1000})), ("4242", (4242, 0, {0})), ("4242:4343", (4242, 4343, {4343})),
    ("4242:app", (4242, 1000, {1000})), ("app:", (1000, 1000, {1000, 10})), (":wheel", (0, 10, {10})),
    ("nobody", (65534, 65534, {65534})), ("01000", (1000, 1000, {1000, 10})), ("app:wheel:x", (1000, 10, {10})),
    ("0:0", (0, 0, {0})), ("root:wheel", (0, 10, {10})),
]


@pytest.mark.parametrize("user,wanted", GRANTED, ids=[u for u, _ in GRANTED])
def test_user(api, user, wanted):
    uid, gid, groups = identity(api, user)
    assert (uid, gid) == wanted[:2]
    if wanted[2] is not None:
        # The primary group among the supplementary ones: not all versions listed it.
        assert groups | {gid} == wanted[2] | {gid}
        assert groups <= wanted[2] | {gid}


def test_empty_user_is_the_containers(api):
    assert identity(api, "")[:2] == (0, 0)


def test_user_is_shown(api):
    assert api.inspect(api.create("true", User="app:wheel"))["ProcessConfig"]["user"] == "app:wheel"


def test_no_capabilities_for_a_user(api):
    out = api.sh("grep Cap /proc/self/status", User="app").out.decode()
    assert re.search(r"CapEff:\s*0+\n", out) and re.search(r"CapPrm:\s*0+\n", out)


def test_no_inheritable_or_ambient_capabilities(api):
    out = api.sh("grep Cap /proc/self/status", User="app").out.decode()
    assert re.search(r"CapInh:\s*0+\n", out) and re.search(r"CapAmb:\s*0+\n", out)


NOT_FOUND = [("nosuch", "unable to find user nosuch: no matching entries in passwd file"),
             ("app:nosuch", "unable to find group nosuch: no matching entries in group file"),
             ("0x10", "unable to find user 0x10: no matching entries in passwd file"),
             ("1e3", "unable to find user 1e3: no matching entries in passwd file")]


@pytest.mark.parametrize("user,text", NOT_FOUND, ids=[u for u, _ in NOT_FOUND])
def test_unknown_user(api, target, user, text, differ):
    """Since moby 28.2 the user is looked up at create."""
    answer = api.try_create({"Cmd": ["true"], "User": user, "AttachStdout": True})
    assert answer.status == differ(dockerd=201, execd=400)
    if target.is_execd:
        assert answer.message == text
        return
    exec_id = answer.json()["Id"]
    with api.start(exec_id) as c:
        assert text.encode() in c.read_to_eof()
    assert api.inspect(exec_id)["ExitCode"] == 126


def test_unknown_user_detached(api, target, differ):
    answer = api.try_create({"Cmd": ["true"], "User": "nosuch"})
    if answer.status == 201:
        answer = api.start_detached(answer.json()["Id"])
    assert answer.status == differ(dockerd=500, execd=400)
    assert "unable to find user nosuch: no matching entries in passwd file" in answer.message


@pytest.mark.parametrize("user", ["4294967295", "4294967296", "99999999999999999999", "0:4294967295"])
def test_number_out_of_range(api, target, user, differ):
    answer = api.try_create({"Cmd": ["true"], "User": user, "AttachStdout": True})
    assert answer.status == differ(dockerd=201, execd=400)
    if target.is_execd:
        assert "uids and gids must be in range" in answer.message


@pytest.mark.execd_only
@pytest.mark.parametrize("user", ["+5", "-1", " 1", "1 ", "app\n", "\n0", "a\tb", "root,x", "$(id)", "../etc", "a" * 300])
def test_user_that_can_be_none(api, user):
    answer = api.try_create({"Cmd": ["true"], "User": user})
    assert answer.status == 400
    assert "User" in answer.message
