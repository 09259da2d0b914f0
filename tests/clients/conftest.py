# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real clients: the docker CLI, docker-py, dockerode; the same calls to dockerd and to execd."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../conformance")]

import cli as clients  # noqa: E402
import target as targets  # noqa: E402
import wire  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--socket", help="Unix socket of the target")
    parser.addoption("--target", choices=sorted(targets.SOCKETS), help="what listens there")
    parser.addoption("--container", help="a running container with the users root, app, nobody")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes many seconds")


@pytest.fixture(scope="session")
def target(pytestconfig):
    option = pytestconfig.getoption
    found = targets.from_environment(option("--target"), option("--socket"), option("--container"))
    found.prepare()
    yield found
    found.finish()


@pytest.fixture(scope="session")
def api(target):
    return wire.Api(target.socket, target.container)


@pytest.fixture(scope="session")
def cli(target):
    return clients.Cli(target)
