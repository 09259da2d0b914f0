# SPDX-License-Identifier: LGPL-2.1-or-later
"""The devcontainer command finds its container by the labels of a folder, at dockerd's socket and at execd's."""

import json
import os
import subprocess

import pytest

import target as targets

FOLDERS = ["one", "two"]
PROGRAM = "@devcontainers/cli/devcontainer.js"


@pytest.fixture(scope="module", name="folders")
def fixture_folders(tmp_path_factory):
    """Two folders with a container each, as 'devcontainer up' leaves them."""
    dockerd = targets.Target("dockerd", targets.SOCKETS["dockerd"], "devcontainer-image")
    dockerd.prepare()
    top = tmp_path_factory.mktemp("folders")
    made = []
    try:
        for name in FOLDERS:
            config = top / name / ".devcontainer" / "devcontainer.json"
            config.parent.mkdir(parents=True)
            config.write_text(json.dumps({"image": targets.IMAGE, "workspaceFolder": "/tmp", "remoteEnv": {"COLOR": name}}))
            made.append(dockerd.docker(
                "run", "-d", "--network", "none", "--hostname", f"host-{name}", "--label", f"devcontainer.local_folder={top / name}",
                "--label", f"devcontainer.config_file={config}", targets.IMAGE, *targets.PAYLOAD).strip())
        (top / "none" / ".devcontainer").mkdir(parents=True)
        (top / "none" / ".devcontainer" / "devcontainer.json").write_text(json.dumps({"image": targets.IMAGE}))
        yield top
    finally:
        dockerd.docker("rm", "-f", *made, dockerd.container)


def devcontainer(daemon, folder, *words):
    modules = os.environ.get("NODE_PATH") or "/opt/node/node_modules"
    env = {**os.environ, "DOCKER_HOST": f"unix://{targets.SOCKETS[daemon]}", "HOME": "/nonexistent"}
    return subprocess.run(["node", f"{modules}/{PROGRAM}", "exec", "--docker-path", targets.docker_cli(),
                           "--workspace-folder", str(folder), *words], capture_output=True, text=True, timeout=100, env=env,
                          stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("daemon", ["dockerd", "execd"])
@pytest.mark.parametrize("name", FOLDERS)
def test_exec(folders, name, daemon):
    done = devcontainer(daemon, folders / name, "sh", "-c", "hostname; pwd; echo $COLOR; exit 7")
    assert done.returncode == 7 and done.stdout.split() == [f"host-{name}", "/tmp", name], (done.stdout, done.stderr)


def test_folder_without_a_container(folders):
    here, there = (devcontainer(daemon, folders / "none", "hostname") for daemon in ("execd", "dockerd"))
    assert here.returncode == there.returncode != 0
    assert "host-" not in here.stdout and "Dev container not found" in here.stderr and "Dev container not found" in there.stderr
