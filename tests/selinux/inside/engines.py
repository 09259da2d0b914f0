# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers of engines with limits, where the image has engines."""

import json
import os
import re
import shutil

import client
import vm

IMAGE = "execd-tests/busybox"
ROOT = "/var/lib/machines/plain"
# There is no bridge and no firewall in this kernel; and it cannot tell what a filter is, so the containers have none.
DOCKERD = {"bridge": "none", "iptables": False, "ip-forward": False, "ip-masq": False, "storage-driver": "vfs"}
LIMITS = ["--memory", "64m", "--memory-swap", "64m", "--pids-limit", "30", "--cpus", "0.2"]
OPTIONS = ["--network", "none", "--security-opt", "seccomp=unconfined", *LIMITS]
PROGRAMS = {"docker": ["docker"], "podman": ["podman", "--storage-driver", "vfs"]}
FOUND = [name for name in PROGRAMS if shutil.which(name)]


def start_docker():
    os.makedirs("/etc/docker", exist_ok=True)
    with open("/etc/docker/daemon.json", "w", encoding="ascii") as stream:
        json.dump(DOCKERD, stream)
    vm.sh(["systemctl", "start", "docker.service"])


class Container:
    """The parts of vm.Machine that the tests of limits need."""

    def __init__(self, name):
        self.name = f"limited-{name}"
        self.program = PROGRAMS[name]
        self.has_own_group = name == "podman"  # with crun
        self.is_stopped = False
        if name == "docker":
            start_docker()
        vm.sh(f"tar -C {ROOT} -c . | {' '.join(self.program)} import - {IMAGE} >/tmp/imported 2>&1")
        self.engine("run", "-d", "--name", self.name, *OPTIONS, IMAGE, "/bin/sleep", "100000")
        pid = int(self.engine("inspect", "-f", "{{.State.Pid}}", self.name).split()[-1])
        self.unit = re.search(r"/([^/]+\.scope)", vm.read(f"/proc/{pid}/cgroup")).group(1)
        assert vm.wait_for(lambda: client.request("GET", f"/containers/{self.name}/json").status == 200)

    def engine(self, *words):
        """With the output in a file, since processes that an engine leaves running would keep a pipe open."""
        script = '"$@" >/tmp/engine 2>&1 </dev/null || { cat /tmp/engine; exit 1; }; cat /tmp/engine'
        return vm.sh(["sh", "-c", script, "sh", *self.program, *words])

    def run(self, cmd, **fields):
        return client.run(self.name, cmd, **fields)

    def pause(self):
        self.engine("pause", self.name)

    def unpause(self):
        self.engine("unpause", self.name)

    def limit_memory(self, mib):
        self.engine("update", "--memory", f"{mib}m", "--memory-swap", f"{mib}m", self.name)

    def stop(self):
        """Also of one that is stopped already, whose engine no longer answers."""
        if self.is_stopped:
            return
        self.is_stopped = True
        self.engine("rm", "-f", self.name)
        if self.program[0] == "docker":
            vm.sh(["systemctl", "stop", "docker.socket", "docker.service", "containerd.service"])
