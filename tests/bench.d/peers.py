# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other ways to run a command in a container: the set-up of each, and one command with it."""

import json
import os
import subprocess
import time

MACHINE = "/usr/lib/execd-tests/machine"
PLACE = "/var/lib/execd-tests/bench"  # not below /tmp, of which execd-spawner has its own
PODMAN_SOCKET = "/run/execd-tests-podman.sock"
PAYLOAD = ["/bin/sleep", "1000000"]


def run(words, **options):
    env = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST"}
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, env=env,
                          **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


class Command:
    """A program that is started for each command: its start counts, too."""

    def __init__(self, name):
        self.name = name
        self.words = self.prepare()

    def prepare(self):
        raise NotImplementedError

    def measure(self):
        """Milliseconds."""
        began = time.monotonic()
        run(self.words)
        return (time.monotonic() - began) * 1e3

    def finish(self):
        pass


class Nsenter(Command):
    def prepare(self):
        leader = run(["machinectl", "show", "--property=Leader", "--value", "web"])
        return ["nsenter", "--target", leader, "--mount", "--uts", "--ipc", "--net", "--pid", "/bin/true"]


class SystemdRun(Command):
    def prepare(self):
        return ["systemd-run", "--machine=booted", "--quiet", "--pipe", "--wait", "/bin/true"]


class Runtime(Command):
    """runc or crun, of a bundle. Not every host's root may raise limits, or make control groups."""

    def prepare(self):
        self.program = {"runc": ["runc"], "crun": ["crun", "--cgroup-manager=disabled"]}[self.name]
        self.container = f"bench-{self.name}"
        bundle = f"{PLACE}/{self.name}"
        os.makedirs(bundle, exist_ok=True)
        if not os.path.exists(f"{bundle}/rootfs"):
            run([MACHINE, "make-root", f"{bundle}/rootfs"])
            run(["runc", "spec"], cwd=bundle)
        with open(f"{bundle}/config.json", encoding="utf-8") as f:
            config = json.load(f)
        config["process"].update(args=PAYLOAD, terminal=False)
        config["process"].pop("rlimits", None)
        with open(f"{bundle}/config.json", "w", encoding="utf-8") as f:
            json.dump(config, f)
        self.finish()
        # The container's process inherits no pipe, whose end would be waited for.
        subprocess.run([*self.program, "run", "--detach", self.container], cwd=bundle, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)
        return [*self.program, "exec", self.container, "/bin/true"]

    def finish(self):
        subprocess.run([*self.program, "delete", "--force", self.container], capture_output=True, timeout=60,
                       check=False)


class Podman:
    """Its service, asked in the words of Docker's API."""

    name = "podman"

    def __init__(self, client):
        self.client = client
        root = f"{PLACE}/podman"
        if not run(["podman", "images", "--quiet", "execd-tests-bench"]):
            os.makedirs(PLACE, exist_ok=True)
            run([MACHINE, "make-root", root])
            run(["sh", "-c", f"tar -C {root} -c . >{root}.tar"])
            run(["podman", "import", f"{root}.tar", "execd-tests-bench"])
        run(["podman", "rm", "--force", "--ignore", "bench-podman"])
        run(["podman", "--runtime", "runc", "run", "--detach", "--name", "bench-podman", "--network", "none", "--ulimit",
             "host", "--pids-limit=0", "execd-tests-bench", *PAYLOAD])
        self.service = subprocess.Popen(["podman", "--runtime", "runc", "system", "service", "--time=0",
                                         f"unix://{PODMAN_SOCKET}"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if os.path.exists(PODMAN_SOCKET):
                break
            time.sleep(0.05)  # until it looks again
        self.measure()

    def measure(self):
        return self.client(PODMAN_SOCKET, "bench-podman")

    def finish(self):
        self.service.terminate()
        self.service.wait(timeout=30)
        run(["podman", "rm", "--force", "--ignore", "--time", "0", "bench-podman"])


class Server:
    """execd or dockerd."""

    def __init__(self, name, socket, container, client):
        self.name, self.socket, self.container, self.client = name, socket, container, client

    def measure(self):
        return self.client(self.socket, self.container)


def prepare(client):
    """All that work here; the others are reported, and missing in the table."""
    kinds = (lambda: Podman(client), lambda: Runtime("runc"), lambda: Runtime("crun"), lambda: Nsenter("nsenter"),
             lambda: SystemdRun("systemd-run -M"))
    found = []
    for kind in kinds:
        try:
            peer = kind()
            peer.measure()
            found.append(peer)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"not measured: {error}", flush=True)
    return found
