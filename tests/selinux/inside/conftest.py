# SPDX-License-Identifier: LGPL-2.1-or-later
"""Execs under SELinux, enforcing."""
import sys

import pytest

sys.path.insert(0, "/usr/lib/execd-tests/selinux")

import vm  # noqa: E402


@pytest.fixture(scope="session")
def web():
    return vm.Machine("web")


@pytest.fixture(scope="session")
def other():
    return vm.Machine("other", level="s0:c3,c4")


@pytest.fixture(scope="session")
def userns():
    return vm.Machine("userns", options="--as-pid2 --private-users=524288:65536")


@pytest.fixture(scope="session")
def nnp():
    return vm.Machine("nnp", options="--as-pid2 --no-new-privileges=yes")
