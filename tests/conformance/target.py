# SPDX-License-Identifier: LGPL-2.1-or-later
"""The target of the suites: dockerd or execd, and the container for them.

execd finds the sandbox's machines. For dockerd the same container is made from the same busybox root; with
EXECD_TEST_ENGINE=docker, execd is asked about that one, too. A Victim is a container of a test's own, to be paused,
stopped and removed.
"""

import os
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALLED_TOOL = "/usr/lib/execd-tests/machine"
TREE_TOOL = os.path.join(HERE, "../sandbox.d/inside/usr/lib/execd-tests/machine")
SOCKETS = {"dockerd": "/run/docker.sock", "execd": "/run/execd/execd.sock"}
IMAGE = "execd-tests-busybox"
PAYLOAD = ["/bin/sh", "-c", 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done']


def run(*command, **options):
    """Runs to the end within two minutes; the output is in the error when it fails."""
    done = subprocess.run(command, stdin=options.pop("stdin", subprocess.DEVNULL), capture_output=True,
                          timeout=options.pop("timeout", 120), **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n"
                           f"{done.stdout.decode(errors='replace')}{done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def machine_tool(*arguments):
    tool = INSTALLED_TOOL if os.path.exists(INSTALLED_TOOL) else TREE_TOOL
    return run(tool, *arguments)


def docker_cli():
    """Debian's client, of dockerd's own version; a newer one elsewhere on the PATH is not meant here."""
    return "/usr/bin/docker"


class Target:
    def __init__(self, name, socket, container, engine=None):
        self.name, self.socket, self.container = name, socket, container
        self.is_execd = name == "execd"
        # The engine of the containers; None: systemd.
        self.engine = engine or (None if self.is_execd else self)

    @property
    def url(self):
        return f"unix://{self.socket}"

    def docker(self, *arguments, **options):
        env = {**os.environ, "DOCKER_HOST": self.url}
        return run(docker_cli(), *arguments, env=env, **options)

    def prepare(self):
        if not self.engine:
            return
        if self.engine is not self:
            self.engine.prepare()
            return
        # Its socket remains after it was stopped.
        if self.socket == SOCKETS["dockerd"]:
            run("systemctl", "start", "docker.service")
        self.prepare_docker()

    def prepare_docker(self):
        running = self.docker("ps", "--quiet", "--no-trunc", "--filter", f"name=^/{self.container}$")
        if running.strip():
            return
        if not self.docker("images", "--quiet", IMAGE).strip():
            root = run("mktemp", "-d").strip()
            try:
                machine_tool("make-root", root)
                tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
                try:
                    self.docker("import", "-", IMAGE, stdin=tar.stdout)
                finally:
                    tar.stdout.close()
                    tar.wait()
            finally:
                run("rm", "-rf", root)
        subprocess.run([docker_cli(), "-H", self.url, "rm", "-f", self.container], capture_output=True, timeout=60)
        self.run_container(self.container)

    def finish(self):
        """execd sees Docker's containers too, and of two with one name takes neither."""
        if self.engine:
            self.engine.docker("rm", "-f", self.container)

    def run_container(self, name):
        self.docker("run", "-d", "--network", "none", "--name", name, "--hostname", name, IMAGE, *PAYLOAD)

    def victim(self, name):
        return DockerVictim(self.engine, name) if self.engine else MachineVictim(name)


class DockerVictim:
    def __init__(self, target, name):
        self.target, self.name = target, name
        target.run_container(name)

    def pause(self):
        self.target.docker("pause", self.name)

    def unpause(self):
        self.target.docker("unpause", self.name)

    def stop(self):
        self.target.docker("stop", self.name)

    def start(self):
        self.target.docker("start", self.name)

    def remove(self):
        self.target.docker("rm", "-f", self.name)

    close = remove


class MachineVictim:
    def __init__(self, name):
        self.name = name
        self.unit = f"execd-test-machine@{name}.service"
        self.removed = False
        machine_tool("start", name)
        self.await_command()

    def await_command(self):
        """It is registered before its first process is there: the leader itself, or the child of nspawn's stub."""
        deadline = time.monotonic() + 10
        leader = run("machinectl", "show", "-p", "Leader", "--value", self.name).strip()
        while time.monotonic() < deadline:
            has_child = subprocess.run(["pgrep", "-P", leader], stdout=subprocess.DEVNULL, check=False).returncode == 0
            if has_child or not os.readlink(f"/proc/{leader}/exe").endswith("nspawn"):
                return
            time.sleep(0.02)  # a machine has no other sign

    def pause(self):
        run("systemctl", "freeze", self.unit)

    def unpause(self):
        run("systemctl", "thaw", self.unit)

    def stop(self):
        machine_tool("stop", self.name)

    def start(self):
        run("systemctl", "start", self.unit)

    def remove(self):
        machine_tool("remove", self.name)
        self.removed = True

    def close(self):
        if self.removed:
            return
        # A frozen unit cannot be stopped, and one that runs cannot be thawed.
        subprocess.run(["systemctl", "thaw", self.unit], capture_output=True, timeout=30)
        self.remove()


def from_environment(name=None, socket=None, container=None):
    name = name or os.environ.get("EXECD_TEST_TARGET") or "execd"
    if name not in SOCKETS:
        raise ValueError(f"no such target: {name}")
    socket = socket or os.environ.get("EXECD_TEST_SOCKET") or SOCKETS[name]
    engine = os.environ.get("EXECD_TEST_ENGINE")
    if engine not in (None, "", "docker"):
        raise ValueError(f"no such engine: {engine}")
    # Of two containers with one name execd takes neither.
    container = container or os.environ.get("EXECD_TEST_CONTAINER") or ("docked" if engine and name == "execd" else "web")
    maker = Target("dockerd", SOCKETS["dockerd"], container) if engine and name == "execd" else None
    return Target(name, socket, container, maker)


def let_pass(seconds):
    """Gives an event that must not happen the time to happen. Events that have to happen are waited for instead."""
    time.sleep(seconds)


def wait_until(condition, timeout=30.0, what="it"):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout} s")
        time.sleep(0.05)  # until it looks again
    return value
