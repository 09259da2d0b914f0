# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hostile containers, and what an exec is compared with what its container's own init runs."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import host  # noqa: E402
import scale  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--scale", type=float, default=scale.SCALE, help="how often to repeat what repeats")


def pytest_configure(config):
    scale.SCALE = config.getoption("--scale")


@pytest.fixture(scope="session", autouse=True)
def tools():
    for tool in ("probe", "hostile", "constructor.so", "clock.so"):
        assert os.path.exists(f"{host.TOOLS}/{tool}"), f"{host.TOOLS}/{tool} is missing: run tests/confinement/run"


@pytest.fixture(autouse=True)
def nothing_of_the_host_changes():
    """Whatever a container does: our programs stay what they were, and execd and execd-spawner do not die."""
    if not all(os.path.exists(path) for path in host.PRODUCT):
        pytest.fail("execd is not installed here")
    before = host.product_hashes()
    pids = {unit: host.main_pid(unit) for unit in host.SERVICES}
    yield
    assert host.product_hashes() == before, "a program of ours was changed"
    for unit, pid in pids.items():
        result = host.sh(["systemctl", "show", "-p", "Result", "--value", unit]).strip()
        assert result == "success", f"{unit} ended with {result} (it was {pid})"


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
