# SPDX-License-Identifier: LGPL-2.1-or-later
"""GET /events (exec-api §1)."""

import json
import time
from urllib.parse import quote

import pytest

import target as targets
from wire import Timeout


def query(**parameters):
    if "filters" in parameters:
        parameters["filters"] = quote(json.dumps(parameters["filters"]))
    return "?" + "&".join(f"{k}={v}" for k, v in parameters.items())


def of(exec_id):
    return lambda event: event["Actor"]["Attributes"].get("execID") == exec_id


def test_headers_come_at_once(api):
    with api.events() as events:
        assert events.head.status == 200
        assert events.head.get("Content-Type") == "application/json"
        assert events.head.get("Transfer-Encoding") == "chunked"


def test_life_of_an_exec(api, container_id):
    with api.events() as events:
        exec_id = api.run("sh", "-c", "exit 3").id
        seen = [e for e in events.until(lambda e: of(exec_id)(e) and e["Action"] == "exec_die") if of(exec_id)(e)]
    assert [e["Action"] for e in seen] == ["exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die"]
    for event in seen:
        assert event["Type"] == "container" and event["scope"] == "local"
        assert event["id"] == event["Actor"]["ID"] == container_id
        assert event["status"] == event["Action"]
        attributes = event["Actor"]["Attributes"]
        assert attributes["name"] == api.container
        assert "image" in attributes and isinstance(event["from"], str)
        assert event["timeNano"] // 10**9 == event["time"]
        assert abs(event["time"] - time.time()) < 30
    assert seen[2]["Actor"]["Attributes"]["exitCode"] == "3"


def test_command_without_arguments_ends_in_a_blank(api):
    with api.events() as events:
        exec_id = api.create("true")
        assert events.until(of(exec_id))[-1]["Action"] == "exec_create: true "


def test_command_that_does_not_start(api):
    """exec_start is sent before it is tried, exec_die never."""
    with api.events() as events:
        exec_id = api.run("nosuch").id
        done = api.run("true").id
        seen = events.until(lambda e: of(done)(e) and e["Action"] == "exec_die")
    assert [e["Action"] for e in seen if of(exec_id)(e)] == ["exec_create: nosuch ", "exec_start: nosuch "]


def test_detached(api):
    with api.events() as events:
        exec_id = api.create("sh", "-c", "exit 4")
        api.start_detached(exec_id)
        seen = events.until(lambda e: of(exec_id)(e) and e["Action"] == "exec_die")
    assert seen[-1]["Actor"]["Attributes"]["exitCode"] == "4"


@pytest.mark.parametrize("filters", [{"event": ["exec_create"]}, {"event": {"exec_create": True}}])
def test_filter_by_event(api, filters):
    """The part before the colon."""
    with api.events(query(filters=filters)) as events:
        api.run("true")
        second = api.create("false")
        seen = events.until(of(second))
    assert {e["Action"].split(":")[0] for e in seen} == {"exec_create"}


def test_filter_by_container(api, victim):
    with api.events(query(filters={"container": [victim.name], "event": ["exec_create"]})) as events:
        api.create("true")
        exec_id = api.create("true", container=victim.name)
        assert of(exec_id)(events.next())


@pytest.mark.parametrize("part", [slice(None), slice(0, -2), slice(0, 0)])
def test_filter_by_the_start_of_a_container(api, victim, part):
    """Of its name, or of its ID, which may be empty; and not by another part."""
    wanted = {"container": [victim.name[part], "nobody"], "event": ["exec_create"]}
    with api.events(query(filters=wanted)) as events:
        exec_id = api.create("true", container=victim.name)
        assert of(exec_id)(events.next())
    with api.events(query(filters={"container": [victim.name[1:]]})) as events:
        api.create("true", container=victim.name)
        assert events.conn.quiet(0.5)


def test_filter_by_the_start_of_an_event(api):
    """Without a command after it, exec_create is the start of an action, and so are all values beside it."""
    def seen(*wanted):
        with api.events(query(filters={"event": [*wanted, "exec_die"]})) as events:
            api.run("echo", "x")
            return {e["Action"].split(":")[0] for e in events.until(lambda e: e["Action"] == "exec_die")}

    assert seen("exec_create") == {"exec_create", "exec_die"}
    assert seen("exec_create", "exec_s") == {"exec_create", "exec_start", "exec_die"}
    assert seen("exec_s") == {"exec_die"}
    assert seen("exec_create: echo x") == {"exec_create", "exec_die"}


def test_filter_by_type(api):
    with api.events(query(filters={"type": ["network"]})) as events:
        api.create("true")
        assert events.conn.quiet(0.5)


def test_unknown_filter(api, differ):
    with api.events(query(filters={"bogus": ["x"]})) as events:
        assert events.head.status == differ(dockerd=200, execd=400)


def test_since(api):
    began = time.time()
    exec_id = api.run("sh", "-c", "exit 3").id
    with api.events(query(since=f"{began:.6f}")) as events:
        events.until(lambda e: of(exec_id)(e) and e["Action"] == "exec_die")
    with api.events(query(since=f"{began:.6f}", until=f"{time.time():.6f}")) as events:
        seen = []
        while (event := events.next()) is not None:
            seen.append(event)
    assert [e["Action"].split(":")[0] for e in seen if of(exec_id)(e)] == ["exec_create", "exec_start", "exec_die"]


def test_until(api):
    with api.events(query(until=int(time.time()) + 2)) as events:
        deadline = time.monotonic() + 30
        while events.next(deadline - time.monotonic()) is not None:
            pass


def test_whole_seconds(api):
    exec_id = api.create("true")
    now = int(time.time())
    with api.events(query(since=now - 3600, until=now + 1)) as events:
        assert events.until(of(exec_id))


@pytest.mark.parametrize("value", ["x", "2020-01-01T00:00:00Z", "1.2.3", "-"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_bad_time(api, name, value, differ):
    answer = api.get(f"/events?{name}={value}")
    assert answer.status == differ(dockerd=500, execd=400)


def test_since_after_until(api):
    answer = api.get("/events?since=2000000000&until=1000000000")
    assert answer.status == 400
    assert "cannot be after `until`" in answer.message


def test_bad_filters(api, differ):
    assert api.get("/events?filters=%7B").status == differ(dockerd=500, execd=400)


def test_two_listeners_hear_the_same(api):
    with api.events() as first, api.events() as second:
        exec_id = api.create("true")
        assert first.until(of(exec_id))[-1] == second.until(of(exec_id))[-1]


def test_a_listener_that_leaves_disturbs_nobody(api):
    with api.events() as stays:
        with api.events():
            pass
        exec_id = api.create("true")
        assert stays.until(of(exec_id))


def test_container_stops_and_starts(api, victim):
    with api.events(query(filters={"container": [victim.name]})) as events:
        victim.stop()
        seen = events.until(lambda e: e["Action"] == "die")
        victim.start()
        seen += events.until(lambda e: e["Action"] == "start")
    assert all(e["Type"] == "container" for e in seen)
    assert seen[-1]["Actor"]["Attributes"]["name"] == victim.name


def test_only_what_happens_is_told(api, target):
    """A daemon that wakes up for the listener does not take for new what has been there before."""
    if target.is_execd:
        targets.run("systemctl", "stop", "execd.service", "execd-spawner.service")
    with api.events() as events:
        exec_id = api.run("true").id
        seen = events.until(lambda e: of(exec_id)(e) and e["Action"] == "exec_die")
        try:
            seen.append(events.next(1))
        except Timeout:
            pass
    assert not [e for e in seen if e["Action"] == "start"]
