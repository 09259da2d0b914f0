# SPDX-License-Identifier: LGPL-2.1-or-later
"""Docker's own containers, asked about at dockerd's socket and at execd's: both must name the same ones."""

import json
import subprocess
import time
import urllib.parse

import pytest
import target as targets
import wire

pytestmark = pytest.mark.execd_only

OPTIONS = {
    "side-a": ["--label", "role=db", "--label", "stack=one", "--label", "empty=", "--label", "odd=a=b", "-v", "side-vol:/data",
               "-p", "8080:80", "--expose", "99/udp", "--hostname", "name-a", "--health-cmd", "true",
               "--health-interval", "1s", "-e", "COLOR=red blue"],
    "side-b": ["--label", "role=app", "--label", "stack=one", "-v", "/tmp:/host:ro", "--expose", "100-102",
               "--hostname", "name-b"],
    "side-c": ["--label", "role=db", "--label", "stack=two"],
}


def docker(*words):
    return targets.Target("dockerd", targets.SOCKETS["dockerd"], "side").docker(*words)


@pytest.fixture(scope="module", name="containers")
def fixture_containers():
    dockerd = targets.Target("dockerd", targets.SOCKETS["dockerd"], "side-a")
    dockerd.prepare()
    made = {"side-a": None}
    subprocess.run([targets.docker_cli(), "-H", dockerd.url, "rm", "-f", *OPTIONS], capture_output=True, check=False)
    try:
        for name, options in OPTIONS.items():
            network = [] if "-p" in options else ["--network", "none"]
            made[name] = docker("run", "-d", *network, "--name", name, *options, targets.IMAGE,
                                *targets.PAYLOAD).strip()
        targets.wait_until(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", "side-a").strip() == "healthy",
                           what="the health of side-a")
        yield made
    finally:
        docker("rm", "-f", *made)
        docker("volume", "rm", "-f", "side-vol")


def api_of(daemon):
    return wire.Api(targets.SOCKETS[daemon], "side-a")


def ask(daemon, path, **parameters):
    query = urllib.parse.urlencode({k: v if isinstance(v, (str, bytes)) else json.dumps(v) for k, v in parameters.items()})
    return api_of(daemon).get(f"{path}?{query}" if query else path)


def ids(daemon, containers, **parameters):
    answer = ask(daemon, "/v1.41/containers/json", **parameters)
    if answer.status != 200:
        return answer.status
    ours = set(containers.values())
    return [c["Id"] for c in answer.json() if c["Id"] in ours]


FILTERS = [
    {"label": ["role=db"]}, {"label": ["role"]}, {"label": ["role=db", "stack=one"]}, {"label": {"role=db": True}},
    {"label": ["nothing.has=this"]}, {"label": ["nothing"]}, {"label": ["role="]}, {"label": ["empty"]},
    {"label": ["empty="]}, {"label": ["odd=a=b"]}, {"label": ["odd=a"]}, {"label": [""]}, {"label": ["ROLE=db"]},
    {"label": {"role=db": False}},
    {"name": ["side-a"]}, {"name": ["^/side-a$"]}, {"name": ["side-[ab]"]}, {"name": ["nobody"]}, {"name": ["side-a", "side-b"]},
    {"status": ["running"]}, {"status": ["exited"]}, {"status": ["paused", "running"]},
    {"health": ["healthy"]}, {"health": ["none"]}, {"health": ["unhealthy"]}, {"health": ["healthy", "none"]},
    {"volume": ["side-vol"]}, {"volume": ["/data"]}, {"volume": ["/host"]}, {"volume": ["/tmp"]}, {"volume": ["none"]},
    {"network": ["none"]}, {"network": ["bridge"]}, {"network": ["none", "bridge"]}, {"network": ["nobodys"]},
    {"publish": ["8080"]}, {"publish": ["8080/tcp"]}, {"publish": ["8080/udp"]}, {"publish": ["8000-9000"]},
    {"publish": ["80"]}, {"expose": ["8080"]}, {"expose": ["99/udp"]}, {"expose": ["99"]}, {"expose": ["101"]}, {"expose": ["100-200/tcp"]}, {"expose": ["80"]},
    {"ancestor": [targets.IMAGE]}, {"ancestor": [targets.IMAGE + ":latest"]}, {"ancestor": ["nobodys-image"]},
    {"is-task": ["true"]}, {"is-task": ["false"]}, {"isolation": ["default"]},
    {"exited": ["0"]}, {"before": ["side-c"]}, {"since": ["side-a"]}, {"since": ["side-a"], "before": ["side-c"]},
    {"label": ["role=db"], "name": ["side-c"]}, {"label": ["role=db"], "health": ["healthy"]},
]


def test_same_ids(containers):
    """The start of an id, and not just a part of it."""
    a, b = list(containers.values())[:2]
    for wanted in ([a], [a[:12]], [a[:12], b[:12]], [a[1:12]], [a[-12:]], ["^" + a[:12]], [""]):
        filters = {"id": wanted}
        assert ids("execd", containers, filters=filters) == ids("dockerd", containers, filters=filters), wanted


@pytest.fixture(scope="module", name="health_is_known")
def fixture_health_is_known(containers):
    """Docker has written the health of its containers down until version 22."""
    return int(docker("version", "--format", "{{.Server.Version}}").split(".")[0]) < 23


@pytest.mark.parametrize("filters", FILTERS, ids=json.dumps)
def test_same_containers(containers, filters, health_is_known):
    if "health" in filters and not health_is_known:
        answer = ask("execd", "/v1.41/containers/json", filters=filters)
        assert answer.status == 501 and answer.message == ("the filter 'health' is not supported for container side-a: it is "
                                                           "not in the files of Docker that execd reads")
        return
    assert ids("execd", containers, filters=filters) == ids("dockerd", containers, filters=filters)


@pytest.mark.parametrize("filters", [{"nonsense": ["1"]}, {"label!": ["a"]}, {"Label": ["a"]}, {"status": ["odd"]}], ids=json.dumps)
def test_same_refusals(containers, filters):
    there, here = (ask(daemon, "/v1.41/containers/json", filters=filters) for daemon in ("dockerd", "execd"))
    assert (here.status, here.json()["message"].lower()) == (there.status, there.json()["message"].lower())


@pytest.mark.parametrize("filters", ["[]", "7", "{", '{"label":"a"}', '{"label":7}', '{"label":[7]}', '{"label":null}',
                                     '{"label":{"a":', b'{"label":["\xff\xfe"]}', b"\xff\xfe", '{"exited":["x"]}',
                                     '{"health":["odd"]}', '{"is-task":["maybe"]}', '{"publish":["x"]}', '{"expose":["1-"]}', '{"publish":["1:2"]}', '{"publish":["70000"]}'])
def test_malformed_is_refused(containers, filters):
    answer = ask("execd", "/v1.41/containers/json", filters=filters)
    assert answer.status == 400 and "filter" in answer.json()["message"]


@pytest.mark.parametrize("form", ["label=role%3Ddb", "name=side-b", "since=side-b", "filter=label%3Drole%3Ddb", "filters[]=side-b",
                                  "filters=%7B%7D&filters=%7B%22name%22%3A[%22side-b%22]%7D"])
def test_forms_that_dockerd_ignores(containers, form):
    """All containers are not what was asked for, and the first of them is the wrong one."""
    here, there = (api_of(daemon).get(f"/v1.41/containers/json?{form}") for daemon in ("execd", "dockerd"))
    assert set(containers.values()) <= {c["Id"] for c in there.json()}
    assert here.status == 400 and "filters" in here.message


@pytest.mark.parametrize("key", ["before", "since"])
def test_before_and_since_of_nobody(containers, key):
    assert ids("dockerd", containers, filters={key: ["nobody-at-all"]}) in (404, 500)  # a client's mistake is not ours
    answer = ask("execd", "/v1.41/containers/json", filters={key: ["nobody-at-all"]})
    assert answer.status == 404 and answer.json()["message"] == "No such container: nobody-at-all"


@pytest.mark.parametrize("filters", [{"label": ["org.execd1.kind=docker"]}, {"label": ["org.execd1.kind"]},
                                     {"label": ["org.execd1.kind=docker", "role=app"]}], ids=json.dumps)
def test_labels_of_execd(containers, filters):
    wanted = [containers[n] for n in ("side-c", "side-b", "side-a") if n == "side-b" or "role=app" not in filters["label"]]
    assert ids("execd", containers, filters=filters) == wanted
    assert ids("execd", containers, filters={"label": ["org.execd1.kind=machine"]}) == []


def test_limit_takes_the_newest(containers):
    for limit in ("1", "2"):
        both = [ids(daemon, containers, limit=limit, filters={"name": ["side-"]}) for daemon in ("execd", "dockerd")]
        assert both[0] == both[1] and len(both[0]) == int(limit)


def without(value, *keys):
    return {k: v for k, v in value.items() if k not in keys}


@pytest.mark.parametrize("name", OPTIONS)
def test_inspect(containers, name, health_is_known):
    here, there = (ask(daemon, f"/v1.41/containers/{name}/json").json() for daemon in ("execd", "dockerd"))
    for key in ("Id", "Created", "Path", "Args", "Image", "Name", "RestartCount", "Driver", "Platform", "HostConfig"):
        assert here[key] == there[key], key
    ours = {k: here["Config"]["Labels"].pop(k) for k in ("org.execd1.kind", "org.execd1.unit")}
    assert ours["org.execd1.kind"] == "docker" and ours["org.execd1.unit"].startswith("docker-")
    assert here["Config"] == there["Config"]
    assert without(here["State"], "Health") == without(there["State"], "Health")
    health = there["State"].get("Health", {}).get("Status") if health_is_known else None
    assert here["State"].get("Health", {}).get("Status") == health
    key = lambda m: m["Destination"]  # noqa: E731
    assert sorted(here["Mounts"], key=key) == sorted(there["Mounts"], key=key)
    assert here["NetworkSettings"]["Networks"] == there["NetworkSettings"]["Networks"]
    assert here["NetworkSettings"]["Ports"] == there["NetworkSettings"]["Ports"]


def test_list(containers):
    here, there = ({c["Id"]: c for c in ask(daemon, "/v1.41/containers/json").json()} for daemon in ("execd", "dockerd"))
    for one in containers.values():
        mine, docks = here[one], there[one]
        for key in ("org.execd1.kind", "org.execd1.unit"):
            mine["Labels"].pop(key)
        for c in (mine, docks):
            c["Mounts"].sort(key=lambda m: m["Destination"])
            c["Ports"].sort(key=json.dumps)
        for key in ("Names", "Image", "ImageID", "Created", "Labels", "State", "HostConfig", "NetworkSettings", "Mounts", "Ports"):
            assert mine[key] == docks[key], key


def test_exec_by_label_is_in_the_right_container(containers):
    for label, name in (("role=app", "name-b"), ("stack=two", containers["side-c"][:12])):
        for _ in range(20):
            found = ids("execd", containers, filters={"label": [label]})
            assert len(found) == 1
            assert targets.Target("execd", targets.SOCKETS["execd"], "x").docker("exec", found[0], "hostname").strip() == name


EVENT_FILTERS = [
    ({"label": ["role=app"]}, True), ({"label": ["role"]}, True), ({"label": ["role=db"]}, False),
    ({"label": ["nothing"]}, False), ({"label": ["org.execd1.kind=docker"]}, True), ({"label": ["org.execd1.kind=machine"]}, False),
    ({"image": [targets.IMAGE]}, True), ({"image": ["nobodys"]}, False), ({"scope": ["local"]}, True),
    ({"scope": ["swarm"]}, False), ({"network": ["none"]}, False), ({"volume": ["v"]}, False), ({"type": ["network"]}, False),
    ({"container": ["side-b"], "label": ["stack=one"]}, True), ({"container": ["side-b"], "label": ["stack=two"]}, False),
]


def test_filters_of_events(containers):
    before = int(time.time())
    exec_id = api_of("execd").create("true", container="side-b")
    for filters, shown in EVENT_FILTERS:
        answer = ask("execd", "/v1.41/events", since=str(before), until=str(time.time()), filters=filters)
        assert answer.status == 200
        assert (exec_id in answer.body.decode()) == shown, filters
    answer = ask("execd", "/v1.41/events", since=str(before), until=str(time.time()), filters={"nonsense": ["1"]})
    assert answer.status == 400 and answer.json()["message"] == "invalid filter 'nonsense'"


def test_filters_of_execs(containers):
    exec_id = api_of("execd").create("true", container="side-b", Labels={"job": "one"})
    for filters, shown in (({"label": ["job=one"]}, True), ({"label": ["job"]}, True), ({"label": ["job=two"]}, False),
                           ({"label": ["org.execd1.kind=docker"]}, True), ({"label": ["org.execd1.kind=machine"]}, False),
                           ({"status": ["created"]}, True), ({"status": ["running"]}, False), ({"container": ["side-b"]}, True),
                           ({"container": ["side-a"]}, False)):
        answer = ask("execd", "/v1.41/exec/json", filters=filters)
        assert answer.status == 200 and (exec_id in [e["ID"] for e in answer.json()]) == shown, filters
    for filters in ({"nonsense": ["1"]}, {"status": ["odd"]}):
        assert ask("execd", "/v1.41/exec/json", filters=filters).status == 400
