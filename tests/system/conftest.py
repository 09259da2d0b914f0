# SPDX-License-Identifier: LGPL-2.1-or-later
import pytest

from execd import shell


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by tests/run --quick")


@pytest.fixture(scope="module")
def users():
    """member is in group execd, stranger is not."""
    shell("id member >/dev/null 2>&1 || useradd -m -G execd member; id stranger >/dev/null 2>&1 || useradd -m stranger")
    yield
    shell("userdel -rf member; userdel -rf stranger", check=False)
