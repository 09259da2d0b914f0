# SPDX-License-Identifier: LGPL-2.1-or-later
"""Docker Compose: each service is found by its labels, and the command runs in that one and no other."""

import os
import shutil
import subprocess

import pytest

import target as targets

SERVICES = ["db", "app", "front"]
# Which of them is found does not depend on chance, unless that is where the mistake is: more with tests/run --all.
ROUNDS = 20 if float(os.environ.get("EXECD_TEST_SCALE", "1")) >= 1 else 5


def compose_words():
    """Version 1 is a program of its own, version 2 a plugin of the docker command."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return [targets.docker_cli(), "compose"]


class Compose:
    def __init__(self, directory):
        self.directory = directory
        self.words = compose_words()

    def __call__(self, daemon, *arguments, check=True):
        env = {**os.environ, "DOCKER_HOST": f"unix://{targets.SOCKETS[daemon]}", "HOME": "/nonexistent"}
        done = subprocess.run([*self.words, *arguments], cwd=self.directory, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=100, check=False)
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture(scope="module", name="compose")
def fixture_compose(tmp_path_factory):
    dockerd = targets.Target("dockerd", targets.SOCKETS["dockerd"], "compose-image")
    dockerd.prepare()
    directory = tmp_path_factory.mktemp("stack")
    lines = ["services:"]
    for name in SERVICES:
        lines += [f"  {name}:", f"    image: {targets.IMAGE}", "    command: [sleep, '3600']", f"    hostname: {name}",
                  "    network_mode: none"]
    (directory / "docker-compose.yml").write_text('version: "3"\n' + "\n".join(lines) + "\n")
    made = Compose(directory)
    made("dockerd", "up", "-d")
    yield made
    made("dockerd", "down", "-t", "0", check=False)
    dockerd.finish()


@pytest.mark.parametrize("service", SERVICES)
def test_exec(compose, service):
    for _ in range(ROUNDS):
        assert compose("execd", "exec", "-T", service, "hostname").stdout.strip() == service


def test_exec_in_no_service(compose):
    for words in (["exec", "-T", "nosuch", "hostname"], ["-p", "another", "exec", "-T", "db", "hostname"]):
        done = compose("execd", *words, check=False)
        assert done.returncode != 0 and done.stdout.strip() == ""


def test_ps(compose):
    here, there = (compose(daemon, "ps", "-q").stdout.split() for daemon in ("execd", "dockerd"))
    assert sorted(here) == sorted(there) and len(here) == len(SERVICES)
    for service in SERVICES:
        assert compose("execd", "ps", "-q", service).stdout == compose("dockerd", "ps", "-q", service).stdout
    assert "db" in compose("execd", "ps").stdout
    assert compose("execd", "-p", "another", "ps", "-q").stdout.strip() == ""


def test_labels_of_services(compose):
    execd = targets.Target("execd", targets.SOCKETS["execd"], "x")
    project = os.path.basename(compose.directory).replace("-", "").replace("_", "")
    for service in SERVICES:
        found = execd.docker("ps", "-q", "--no-trunc", "--filter", f"label=com.docker.compose.service={service}").split()
        assert len(found) == 1
        assert execd.docker("exec", found[0], "hostname").strip() == service
    assert execd.docker("ps", "-q", "--filter", "label=com.docker.compose.service=d").split() == []
    assert execd.docker("ps", "-q", "--filter", f"label=com.docker.compose.project={project}x").split() == []
