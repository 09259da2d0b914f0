# SPDX-License-Identifier: LGPL-2.1-or-later


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by tests/run --quick")
