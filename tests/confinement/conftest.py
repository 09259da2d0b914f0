# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hostile containers, and what an exec is compared with what its container's own init runs."""

import os
import stat
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import host  # noqa: E402
import scale  # noqa: E402
import services  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--scale", type=float, default=scale.SCALE, help="how often to repeat what repeats")


def pytest_configure(config):
    scale.SCALE = config.getoption("--scale")


@pytest.fixture(scope="session", autouse=True)
def tools():
    for tool in ("probe", "hostile", "constructor.so", "clock.so", "service-root.squashfs"):
        assert os.path.exists(f"{host.TOOLS}/{tool}"), f"{host.TOOLS}/{tool} is missing: run tests/confinement/run"


@pytest.fixture(scope="session")
def product():
    if not all(os.path.exists(path) for path in host.PRODUCT):
        pytest.fail("execd is not installed here")
    return host.product_hashes()


@pytest.fixture(autouse=True)
def nothing_of_the_host_changes(product):
    """Whatever a container does: our programs stay what they were, and execd and execd-spawner do not die."""
    yield
    assert host.product_hashes() == product, "a program of ours was changed"
    assert host.results() == dict.fromkeys(host.SERVICES, "success")


@pytest.fixture
def machine():
    """Makes machines that go away with the test."""
    made = []

    def make(*arguments, **options):
        made.append(host.Machine(*arguments, **options))
        return made[-1]

    yield make
    for m in made:
        m.remove()


@pytest.fixture(scope="module")
def module_machine():
    made = []

    def make(*arguments, **options):
        made.append(host.Machine(*arguments, **options))
        return made[-1]

    yield make
    for m in made:
        m.remove()


@pytest.fixture
def service():
    """Makes services that go away with the test."""
    made = []

    def make(*arguments, **options):
        made.append(services.Service(*arguments, **options))
        return made[-1]

    yield make
    for s in made:
        s.remove()


@pytest.fixture
def fuse():
    """The device, for processes of the host."""
    made = not os.path.exists("/dev/fuse")
    if made:
        os.mknod("/dev/fuse", stat.S_IFCHR | 0o600, os.makedev(10, 229))
    yield
    if made:
        os.unlink("/dev/fuse")
