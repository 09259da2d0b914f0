# SPDX-License-Identifier: LGPL-2.1-or-later
"""The facts in Podman's own files about its containers, above all labels, by which tools find them.

Podman 5 writes them into a database of SQLite, which execd does not read: then a filter for them is refused."""

import json
import os
import shutil
import urllib.parse

import engines
import host
import pytest

SOCKET = "/run/execd/execd.sock"
DATABASE = "/var/lib/containers/storage/libpod/bolt_state.db"
IN_DATABASE = {"label", "volume", "network", "expose", "publish"}


@pytest.fixture(scope="module", name="podman", autouse=True)
def fixture_podman():
    os.makedirs(engines.BUNDLES, exist_ok=True)
    engines.make_image("podman")
    made = []

    def make(name, *options):
        made.append(engines.Podman(name, options))
        return made[-1]

    yield make
    for c in made:
        c.remove()
    host.sh(["podman", "volume", "rm", "-f", "facts-volume"], check=False)
    shutil.rmtree(engines.BUNDLES)


@pytest.fixture(scope="module", name="labeled")
def fixture_labeled(podman):
    return podman("facts-a", "--label", "role=db", "--label", "odd=a=b", "--hostname", "name-a", "-v", "facts-volume:/data",
                  "--health-cmd", "true")


@pytest.fixture(scope="module", name="other")
def fixture_other(podman):
    return podman("facts-b", "--label", "role=app")


@pytest.fixture(scope="module", name="readable")
def fixture_readable(labeled, other):
    return os.path.exists(DATABASE)


def needs_database(readable):
    if not readable:
        pytest.skip("this Podman has a database that execd does not read; see test_filters")


def ask(path):
    status, body = host.sh(["curl", "-s", "-o", "/dev/stdout", "-w", "\n%{http_code}", "--unix-socket", SOCKET,
                            f"http://d{path}"]).rsplit("\n", 1)[::-1]
    return int(status), json.loads(body)


def listed(filters):
    return ask("/v1.41/containers/json?filters=" + urllib.parse.quote(json.dumps(filters)))


def refused(key, value):
    """No user is taken for another one: the answer is the reason."""
    status, answer = listed({key: [value], "kind": ["podman"]})
    assert status == 501 and f"'{key}'" in answer["message"] and "facts-" in answer["message"], answer


def found(filters):
    status, answer = listed(filters)
    assert status == 200, answer
    return {c["Names"][0].lstrip("/") for c in answer if c["Names"][0].startswith("/facts-")}


@pytest.mark.parametrize("filters,names", [
    ({"label": ["role=db"]}, {"facts-a"}), ({"label": ["role=app"]}, {"facts-b"}), ({"label": ["role"]}, {"facts-a", "facts-b"}),
    ({"label": ["odd=a=b"]}, {"facts-a"}), ({"label": ["role=d"]}, set()), ({"label": ["role=db", "role=app"]}, set()),
    ({"label": ["org.execd1.kind=podman"]}, {"facts-a", "facts-b"}), ({"volume": ["facts-volume"]}, {"facts-a"}),
    ({"volume": ["/data"]}, {"facts-a"}), ({"network": ["none"]}, {"facts-a", "facts-b"}), ({"network": ["podman"]}, set()),
    ({"expose": ["99/udp"]}, set()), ({"publish": ["99"]}, set()), ({"ancestor": [engines.IMAGE]}, {"facts-a", "facts-b"}),
    ({"ancestor": ["nobodys"]}, set()), ({"is-task": ["true"]}, set()),
], ids=str)
def test_filters(readable, filters, names):
    (key, values), = filters.items()
    if readable or key not in IN_DATABASE or values[0].startswith("org.execd1."):
        assert found(filters) == names
    else:
        refused(key, values[0])


def test_inspect(labeled, readable):
    here = ask(f"/v1.41/containers/{labeled.name}/json")[1]
    there = json.loads(engines.engine(["podman", "inspect", labeled.name]))[0]
    ours = {k: here["Config"]["Labels"].pop(k) for k in ("org.execd1.kind", "org.execd1.unit")}
    assert ours["org.execd1.kind"] == "podman"
    assert there["Config"]["Labels"] == {"role": "db", "odd": "a=b"}
    assert here["Config"]["Hostname"] == there["Config"]["Hostname"] == "name-a"
    assert set(there["Config"]["Env"]) == set(here["Config"]["Env"])
    if not readable:
        assert not here["Config"]["Labels"] and not {"Image", "Mounts"} & here.keys() and "NetworkMode" not in here["HostConfig"]
        return
    assert here["Config"]["Labels"] == there["Config"]["Labels"]
    assert here["Image"] == there["Image"] and here["Config"]["Image"] == there["Config"]["Image"]
    assert here["HostConfig"]["NetworkMode"] == there["HostConfig"]["NetworkMode"] == "none"
    key = lambda m: (m["Type"], m.get("Name"), m["Source"], m["Destination"], m["RW"])  # noqa: E731
    assert sorted(map(key, here["Mounts"]), key=str) == sorted(map(key, there["Mounts"]), key=str)


def test_health(labeled):
    engines.engine(["podman", "healthcheck", "run", labeled.name], check=False)
    assert ask(f"/v1.41/containers/{labeled.name}/json")[1]["State"]["Health"]["Status"] == "healthy"
    assert found({"health": ["healthy"]}) == {labeled.name}


def test_labels_while_podman_writes(labeled, readable):
    """Its database changes with each of its commands."""
    needs_database(readable)
    for i in range(20):
        engines.engine(["podman", "volume", "create", f"facts-{i}"])
        assert found({"label": ["role=db"]}) == {labeled.name}
        engines.engine(["podman", "volume", "rm", f"facts-{i}"])


def test_a_database_that_cannot_be_read(readable):
    needs_database(readable)
    os.rename(DATABASE, DATABASE + ".away")
    try:
        host.sh(["systemctl", "restart", "execd-spawner.service"])
        for key in sorted(IN_DATABASE):
            refused(key, "role=db" if key == "label" else "facts-volume" if key == "volume" else "99")
        assert found({"label": ["org.execd1.kind=podman"]}) == {"facts-a", "facts-b"}
    finally:
        os.rename(DATABASE + ".away", DATABASE)
        host.sh(["systemctl", "restart", "execd-spawner.service"])
