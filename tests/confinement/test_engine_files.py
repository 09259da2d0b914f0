# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system with an engine's files that does not answer: its containers are refused in bounded time, and no
other request waits (R-K6)."""

import contextlib
import glob
import os
import signal
import subprocess
import threading

import client
import engines
import host
import pytest

ENGINES = {"docker": engines.Docker, "podman": engines.Podman, "runc": engines.Runc}
DOCKERS = "/var/lib/docker/containers"
SILENT = "does not answer"
EXECS = 20


@pytest.fixture(scope="module", autouse=True)
def docker():
    with engines.with_images():
        yield


@pytest.fixture
def container():
    made = []

    def make(kind, name):
        made.append(kind(name))
        return made[-1]

    yield make
    for c in made:
        c.remove()


@contextlib.contextmanager
def unnoticed():
    """Until its end, execd-spawner sees nothing of what happens."""
    assert client.run("web", ["true"]).code == 0
    spawner = host.main_pid("execd-spawner.service")
    assert spawner > 1, "execd-spawner does not run"
    os.kill(spawner, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(spawner, signal.SIGCONT)


class Silence:
    """A file system over a directory. A process that looks at it waits for its end."""

    def __init__(self, directory):
        self.directory = directory
        self.server = subprocess.Popen([f"{host.TOOLS}/hostile", "fuse-hang", directory])
        host.wait_until(self.is_mounted, "the file system")

    def is_mounted(self):
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            return f"hang {self.directory} fuse" in mounts.read()

    def end(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server = None
            host.sh(["umount", "-l", self.directory])


@pytest.fixture
def silence(fuse):
    made = []

    def make(directory):
        made.append(Silence(directory))
        return made[-1]

    yield make
    for s in made:
        s.end()


def files_of(c):
    if c.kind == "docker":
        return f"{DOCKERS}/{c.id}"
    if c.kind == "podman":
        return glob.glob(f"/var/lib/containers/storage/*-containers/{c.id}/userdata")[0]
    return c.bundle


class Attempt:
    """An exec that may take long."""

    def __init__(self, name):
        self.outcome = None
        self.thread = threading.Thread(target=self.run, args=(name,))
        self.thread.start()

    def run(self, name):
        self.outcome = client.run(name, ["true"])

    def finish(self):
        self.thread.join(60)
        assert self.outcome, "it is still waiting"
        return self.outcome


@pytest.mark.parametrize("name", ENGINES)
def test_others_go_on(container, silence, name):
    with unnoticed():
        spawner = host.main_pid("execd-spawner.service")
        c = container(ENGINES[name], f"silent-{name}")
        silent = silence(files_of(c))
    attempts = [Attempt(c.id or c.name), Attempt(c.name)]
    for _ in range(EXECS):
        assert client.output("web", ["echo", "ok"]) == "ok\n"
    for attempt in attempts:
        client.assert_refused(attempt.finish(), SILENT, statuses=(503,))
    other = container(engines.Crun, "not-silent")
    assert client.run(other.name, ["true"]).code == 0
    client.assert_refused(client.run(c.name, ["true"]), SILENT, statuses=(503,))
    silent.end()
    host.wait_until(lambda: client.run(c.name, ["true"]).code == 0, "the container")
    assert host.main_pid("execd-spawner.service") == spawner


def test_container_that_goes_while_its_files_are_read(container, silence):
    """A request that has waited for the name goes on."""
    with unnoticed():
        c = container(engines.Runc, "silent-and-gone")
        silence(files_of(c))
    attempt = Attempt("no-such-container")
    host.sh(["runc", "delete", "--force", c.name])  # in no directory of its own
    assert attempt.finish().status in (404, 503)


def test_name_that_cannot_be_read_again(container, silence, tmp_path):
    """A container that may have another name by now is still known by its ID."""
    c = container(engines.Docker, "silent-known")
    assert client.run(c.name, ["true"]).code == 0
    below = str(tmp_path)
    host.sh(["mount", "--bind", "--make-private", files_of(c), below])
    try:
        silent = silence(files_of(c))
        with open(f"{below}/config.v2.json", "ab"):
            pass
        client.assert_refused(client.run(c.name, ["true"]), SILENT, "use the ID", statuses=(503,))
        assert client.run("web", ["true"]).code == 0
        assert client.run(c.id, ["true"]).code == 0
        silent.end()
    finally:
        host.sh(["umount", below])
    host.wait_until(lambda: client.run(c.name, ["true"]).code == 0, "the name")
