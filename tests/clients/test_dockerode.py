# SPDX-License-Identifier: LGPL-2.1-or-later
"""dockerode: each case of dockerode.js is a test."""

import os
import subprocess

import pytest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dockerode.js")
CASES = ["ping", "list", "hijack", "plain", "stdin", "stdin_large", "output_large", "tty", "options", "detach", "inspect",
         "errors", "repeated", "events", "top"]


def node(*arguments):
    env = {**os.environ, "NODE_PATH": os.environ.get("NODE_PATH") or "/opt/node/node_modules"}
    env.pop("DOCKER_HOST", None)
    return subprocess.run(["node", SCRIPT, *arguments], capture_output=True, timeout=60, env=env, text=True)


def test_all_cases_are_listed():
    done = node("-", "-", "list-cases")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == CASES


@pytest.mark.parametrize("case", CASES)
def test_dockerode(target, case):
    done = node(target.socket, target.container, case)
    assert done.returncode == 0, done.stderr
