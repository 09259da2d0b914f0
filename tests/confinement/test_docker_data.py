# SPDX-License-Identifier: LGPL-2.1-or-later
"""Docker with its data in another place, and with user namespaces for all of its containers."""

import glob
import os
import shutil

import client
import engines
import host
import parity
import pytest

DATA = "/srv/docker-data"
START = """[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --data-root {} --userns-remap default {}
"""
# What Docker 23 and later add by themselves.
NAMESPACE = "--containerd-namespace moby-165536.165536"
USERS = {"root": (0, 0, [0]), "app": (1000, 1000, [1000, 10])}
ALL = 0x1ffffffffff  # each user namespace starts with all


@pytest.fixture(scope="module", autouse=True)
def docker():
    os.makedirs(engines.BUNDLES, exist_ok=True)
    engines.stop_docker()
    old = engines.engine(["dockerd", "--version"]).startswith("Docker version 20.")
    drop_in = host.DropIn("docker.service", START.format(DATA, NAMESPACE if old else ""))
    engines.start_docker()
    engines.make_image("docker")
    yield
    engines.stop_docker()
    drop_in.remove()
    shutil.rmtree(DATA)
    shutil.rmtree(engines.BUNDLES)


@pytest.fixture(scope="module")
def remapped(docker):
    c = engines.Docker("data-remapped")
    yield c
    c.remove()


def report(c, user, **fields):
    return client.fields(client.run(c.name, ["/probe/probe", "report"], User=user, **fields))


def test_is_what_it_is_for(remapped):
    assert engines.engine(["docker", "info", "-f", "{{.DockerRootDir}}"]).startswith(f"{DATA}/")
    assert not os.path.exists(f"/var/lib/docker/containers/{remapped.id}")
    assert glob.glob(f"/run/docker/runtime-runc/moby-*.*/{remapped.id}")
    assert host.namespaces_of(remapped.leader())["user"] != host.namespaces_of(1)["user"]


@pytest.mark.parametrize("privileged", [False, True], ids=["plain", "privileged"])
@pytest.mark.parametrize("user", USERS)
def test_equal(remapped, user, privileged):
    """T-C2: nothing of what joining a user namespace gives is kept."""
    reference = parity.from_payload(remapped, *USERS[user])
    got = report(remapped, user, Privileged=privileged)
    tags = {"all", "oci", "docker"} | ({"user"} if user != "root" else set()) | (
        {"privileged"} if privileged else set())
    found = parity.differences(reference, got, tags)
    assert not found, "\n".join(found)
    if privileged:
        parity.assert_privileged(reference, got, ALL, user == "root")


def test_on_a_terminal(remapped):
    assert client.output(remapped.name, ["tty"], tty=True, User="app").strip() == "/dev/pts/0"


def test_names(remapped):
    """Known by its name and its id, and by another name at once."""
    shown = client.request("GET", f"/containers/{remapped.name}/json").json()
    assert shown["Id"] == remapped.id and shown["State"]["Pid"] == remapped.leader()
    assert client.run(remapped.id[:12], ["true"]).code == 0
    old, remapped.name = remapped.name, "data-renamed"
    engines.engine(["docker", "rename", old, remapped.name])
    assert client.run(remapped.name, ["true"]).code == 0
    client.assert_refused(client.run(old, ["true"]), "No such container")


def test_network_of_another(remapped):
    """The mounts are then the other one's; the data is where it was."""
    c = engines.Docker("data-joined", ["--network", f"container:{remapped.id}"])
    try:
        assert client.run(c.name, ["true"]).code == 0
        assert client.request("GET", f"/containers/{c.name}/json").json()["Id"] == c.id
    finally:
        c.remove()
