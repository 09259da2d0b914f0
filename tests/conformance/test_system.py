# SPDX-License-Identifier: LGPL-2.1-or-later
"""_ping, version, info, containers and top: the requests of clients besides execs (exec-api §1)."""

import json
import re
from urllib.parse import quote

import pytest

from wire import build


def names(api, query=""):
    return [n for c in api.list_containers(query) for n in c["Names"]]


def filtered(api, filters, more=""):
    text = filters if isinstance(filters, str) else json.dumps(filters)
    return api.get(f"/containers/json?filters={quote(text)}{more}")


# _ping

def test_ping(api):
    answer = api.get("/_ping")
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.head.get("Content-Type") == "text/plain; charset=utf-8"
    assert answer.head.get("Cache-Control") == "no-cache, no-store, must-revalidate"
    assert answer.head.get("Pragma") == "no-cache"
    assert answer.head.get("Api-Version")


def test_ping_head(api):
    with api.conn() as c:
        c.send(build("HEAD", "/_ping", headers={"Connection": "close"}))
        head = c.read_head()
        assert head.status == 200
        assert head.get("Api-Version") and head.get("Ostype") == "linux"
        assert c.read_to_eof() == b""


def test_ping_in_a_version(api):
    assert api.get("/v1.30/_ping").body == b"OK"


@pytest.mark.execd_only
def test_ping_of_newer_versions(api):
    head = api.get("/_ping").head
    assert (head.get("Builder-Version"), head.get("Swarm")) == ("2", "inactive")


# version, info

def test_version(api):
    answer = api.get("/version")
    assert answer.head.get("Content-Type") == "application/json"
    seen = answer.json()
    assert seen["ApiVersion"] == answer.head.get("Api-Version")
    assert seen["Os"] == "linux" and seen["Arch"] == "amd64"
    assert seen["Version"] and seen["KernelVersion"] and seen["MinAPIVersion"]
    assert isinstance(seen["Platform"]["Name"], str)
    for component in seen["Components"]:
        assert component["Name"] and component["Version"] and isinstance(component["Details"], dict)


@pytest.mark.execd_only
def test_version_is_one_of_docker(api):
    """Clients compare it with what they need; execd's own version is in its component."""
    seen = api.get("/version").json()
    assert tuple(map(int, seen["Version"].split("."))) >= (28, 3)
    assert [c["Name"] for c in seen["Components"]] == ["execd"]
    assert seen["Components"][0]["Version"] != seen["Version"]
    assert api.get("/info").json()["ServerVersion"] == seen["Version"]


def test_info(api):
    seen = api.get("/info").json()
    assert seen["OSType"] == "linux" and seen["Architecture"] == "x86_64"
    assert seen["Containers"] >= seen["ContainersRunning"] >= 1
    assert seen["NCPU"] > 0 and seen["MemTotal"] > 0 and seen["ServerVersion"]


# The list

def test_list(api, target, container_id, differ):
    mine = [c for c in api.list_containers() if c["Id"] == container_id]
    assert len(mine) == 1
    seen = mine[0]
    assert seen["Names"] == [f"/{api.container}"]
    assert seen["State"] == "running" and seen["Status"].startswith("Up ")
    for key, kind in (("Image", str), ("Command", str), ("Created", int), ("Labels", dict), ("HostConfig", dict),
                      ("NetworkSettings", dict)):
        assert isinstance(seen[key], kind), key
    engines = {"ImageID", "Ports", "Mounts"}
    assert set(seen) & engines == (engines if target.engine else differ(dockerd=engines, execd=set()))
    assert isinstance(seen["NetworkSettings"]["Networks"], dict)


@pytest.mark.parametrize("filters", [
    {"name": ["web"]}, {"name": {"web": True}}, {"name": {"web": False}}, {"name": ["^web$"]}, {"name": ["^/web$"]},
    {"name": ["w.b"]}, {"name": ["nosuch", "web"]}, {"status": ["running"]}, {"status": ["running"], "name": ["web"]},
    {}, "null", "", {"name": []}, {"status": {"running": True, "exited": True}},
])
def test_filter_that_matches(api, filters):
    text = filters
    if not isinstance(filters, str):
        name = api.container
        text = json.dumps(filters).replace("web", name).replace("w.b", f"{name[0]}.{name[2:]}")
    answer = filtered(api, text)
    assert answer.status == 200
    assert f"/{api.container}" in [n for c in answer.json() for n in c["Names"]]


@pytest.mark.parametrize("filters", [{"name": ["nosuch"]}, {"name": ["^eb"]}, {"status": ["exited"]},
                                     {"id": ["zzz"]}, {"name": ["web"], "status": ["paused"]}, {"name": ["WEB"]}])
def test_filter_that_does_not_match(api, filters):
    answer = filtered(api, filters)
    assert answer.status == 200
    assert f"/{api.container}" not in [n for c in answer.json() for n in c["Names"]]


def test_filter_that_is_no_expression(api, differ):
    answer = filtered(api, {"name": ["("]})
    assert answer.status == differ(dockerd=200, execd=400)


@pytest.mark.parametrize("expression", ["(" * 84 + "x" + ")+" * 84, "(^|a)*" * 42, "(\\b|a)*" * 36, "(" * 50 + "a?b*" + ")+" * 50])
def test_filter_that_costs_others_gigabytes(api, expression):
    """The C library copies what is repeated, once for each repetition around it."""
    assert filtered(api, {"name": [expression]}).status == 200
    assert api.get("/_ping").status == 200


@pytest.mark.parametrize("length", [3, 12, 64])
def test_filter_by_id(api, container_id, length):
    assert container_id in [c["Id"] for c in filtered(api, {"id": [container_id[:length]]}).json()]


@pytest.mark.parametrize("filters,name", [({"bogus": ["x"]}, "bogus"), ({"status": ["bogus"]}, "status=bogus")])
def test_invalid_filter(api, filters, name):
    answer = filtered(api, filters)
    assert answer.status == 400
    assert answer.message.lower() == f"invalid filter '{name}'"


@pytest.mark.parametrize("filters", ["{", "[1]", "x", '{"name":1}', '{"name":[1]}'])
def test_filter_that_is_no_json(api, filters, differ):
    assert filtered(api, filters).status == differ(dockerd=500, execd=400)


@pytest.mark.parametrize("value", ["", "0", "no", "false", "none", "1", "true", "yes", "x"])
def test_all_takes_anything(api, value):
    assert f"/{api.container}" in names(api, f"?all={value}")


@pytest.mark.parametrize("limit,count", [("1", 1), ("0", None), ("-1", None), ("", None)])
def test_limit(api, limit, count):
    seen = api.list_containers(f"?limit={limit}")
    assert len(seen) == count if count else seen


def test_limit_that_is_no_number(api, differ):
    assert api.get("/containers/json?limit=x").status == differ(dockerd=500, execd=400)


def test_size(api):
    assert api.get("/containers/json?size=1").status == 200


def test_paused_container_is_listed(api, victim):
    victim.pause()
    try:
        seen = filtered(api, {"name": [f"^/{victim.name}$"]}).json()
        assert seen[0]["State"] == "paused" and "(Paused)" in seen[0]["Status"]
        assert [c["Names"] for c in filtered(api, {"status": ["paused"]}).json()] == [[f"/{victim.name}"]]
        state = api.get(f"/containers/{victim.name}/json").json()["State"]
        assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    finally:
        victim.unpause()


# One container

def test_inspect(api, target, container_id, differ):
    """The CLI panics when one of the objects is missing."""
    seen = api.get(f"/containers/{api.container}/json").json()
    assert seen["Id"] == container_id and seen["Name"] == f"/{api.container}"
    state = seen["State"]
    assert (state["Status"], state["Running"], state["Paused"], state["Restarting"]) == ("running", True, False, False)
    assert state["Pid"] > 0
    for key, kind in (("Config", dict), ("NetworkSettings", dict), ("HostConfig", dict), ("Args", list), ("Path", str),
                      ("Created", str)):
        assert isinstance(seen[key], kind), key
    assert isinstance(seen["Config"]["Labels"], dict)
    engines = {"Mounts", "Image", "Driver", "RestartCount"}
    assert set(seen) & engines == (engines if target.engine else differ(dockerd=engines, execd=set()))
    known = ("Env" in seen["Config"], "Tty" in seen["Config"])
    assert known == ((True, True) if target.engine else differ(dockerd=(True, True), execd=(False, False)))


def test_inspect_with_size(api):
    assert api.get(f"/containers/{api.container}/json?size=1").status == 200


def test_inspect_by_prefix(api, container_id):
    assert api.get(f"/containers/{container_id[:12]}/json").json()["Id"] == container_id


def test_pid_is_the_containers_init(api):
    pid = api.get(f"/containers/{api.container}/json").json()["State"]["Pid"]
    with open(f"/proc/{pid}/status") as f:
        nspid = [line for line in f if line.startswith("NSpid:")][0].split()
    assert len(nspid) > 2 and nspid[-1] in ("1", "2")


# top

def test_top(api, running):
    exec_id, _ = running("sleep", "98.7")
    api.wait_running(exec_id)
    answer = api.get(f"/containers/{api.container}/top")
    seen = answer.json()
    assert seen["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert all(len(p) == len(seen["Titles"]) for p in seen["Processes"])
    assert any("sleep 98.7" in p[-1] for p in seen["Processes"])


@pytest.mark.parametrize("args,titles", [("-ef", ["UID", "PID"]), ("-o pid,comm", ["PID", "COMMAND"]),
                                         ("-eo pid,ppid,user,args", ["PID", "PPID", "USER", "COMMAND"]), ("aux", ["USER", "PID"])])
def test_top_with_arguments(api, args, titles):
    answer = api.get(f"/containers/{api.container}/top?ps_args={quote(args)}")
    assert answer.status == 200, answer
    assert answer.json()["Titles"][:len(titles)] == titles
    assert len(answer.json()["Processes"]) >= 1


def test_top_lists_only_the_container(api):
    init = str(api.get(f"/containers/{api.container}/json").json()["State"]["Pid"])
    seen = api.get(f"/containers/{api.container}/top").json()
    pids = {p[1] for p in seen["Processes"]}
    assert init in pids
    assert "1" not in pids


def test_top_needs_a_pid_column(api, differ):
    answer = api.get(f"/containers/{api.container}/top?ps_args=-o+comm")
    assert answer.status == differ(dockerd=500, execd=400)
    assert "Couldn't find PID field in ps output" in answer.message


@pytest.mark.parametrize("args", ["--nosuch", "-frob", "-o+nosuchcolumn", "-o"])
def test_top_with_a_bad_option(api, args, differ):
    assert api.get(f"/containers/{api.container}/top?ps_args={args}").status == differ(dockerd=500, execd=400)


def test_top_for_users(api):
    """The columns of ps aux, and values that are some."""
    answer = api.get(f"/containers/{api.container}/top?ps_args=aux").json()
    assert answer["Titles"] == ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]
    for row in answer["Processes"]:
        values = dict(zip(answer["Titles"], row))
        assert re.fullmatch(r"[0-9]+\.[0-9]", values["%CPU"]) and re.fullmatch(r"[0-9]+\.[0-9]", values["%MEM"])
        assert int(values["VSZ"]) >= int(values["RSS"]) >= 0
        assert re.fullmatch(r"[RSDTtZXIP][<NLsl+]*", values["STAT"]) and re.fullmatch(r"[0-9]+:[0-9]{2}", values["TIME"])


def test_top_with_elapsed_time(api):
    answer = api.get(f"/containers/{api.container}/top?ps_args={quote('axo pid,ppid,etime,stat,nlwp,ni,cmd')}").json()
    assert answer["Titles"] == ["PID", "PPID", "ELAPSED", "STAT", "NLWP", "NI", "CMD"]
    assert all(re.fullmatch(r"([0-9]+-)?([0-9]{2}:)?[0-9]{2}:[0-9]{2}", row[2]) for row in answer["Processes"])
