# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers of real engines: Docker's and Podman's, and of runc and crun by hand."""

import contextlib
import json
import os
import shutil
import subprocess

import host

IMAGE = "execd-tests/oci"
BUNDLES = "/var/lib/execd-tests/bundles"  # not below /tmp, of which execd-spawner has its own
SERVE = ["/probe/probe", "serve", "/probe"]
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Not every host's root may raise limits, and not every kernel limits processes.
PODMAN = ["--network", "none", "--ulimit", "host", "--pids-limit=0"]


def engine(words, check=True):
    """Not our socket: DOCKER_HOST of the sandbox names it."""
    env = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST"}
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          timeout=100, env=env)
    if check:
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def start_docker():
    host.sh(["systemctl", "start", "docker.service"])


def stop_docker():
    host.sh(["systemctl", "stop", "docker.socket", "docker.service", "containerd.service"])


def make_image(program):
    """As a root of busybox with a variable of its own; nothing when it is there."""
    if engine([program, "images", "-q", IMAGE]):
        return
    root = f"{BUNDLES}/image"
    if not os.path.exists(root):
        host.sh([host.MACHINE, "make-root", root])
    host.sh(f"tar -C {root} -c . >{BUNDLES}/image.tar")
    engine([program, "import", "--change", "ENV FROM_IMAGE=yes", f"{BUNDLES}/image.tar", IMAGE])


class Container:
    """The parts of host.Machine that the comparison of commands in them needs."""

    kind = None

    def __init__(self, name, options=(), payload=SERVE):
        self.name = name
        self.shared = f"{host.SHARED}/{name}"
        shutil.rmtree(self.shared, ignore_errors=True)
        os.makedirs(self.shared)
        for tool in ("probe", "hostile"):
            shutil.copy(f"{host.TOOLS}/{tool}", self.shared)
        os.chmod(self.shared, 0o777)
        self.id = self.make(list(options), list(payload))

    def remove(self):
        self.end()
        shutil.rmtree(self.shared, ignore_errors=True)


class Docker(Container):
    kind = "docker"

    def make(self, options, payload):
        network = [] if "--network" in options else ["--network", "none"]
        return engine(["docker", "run", "-d", "--name", self.name, *network, "-v", f"{self.shared}:/probe",
                       "-e", "CONFIGURED=a b", *options, IMAGE, *payload])

    def leader(self):
        return int(engine(["docker", "inspect", "-f", "{{.State.Pid}}", self.name]))

    def restart(self):
        engine(["docker", "restart", "-t", "0", self.name])

    def end(self):
        engine(["docker", "rm", "-f", self.name], check=False)


class Podman(Container):
    kind = "podman"
    program = ["podman", "--runtime", "runc"]
    options = PODMAN

    def make(self, options, payload):
        return engine([*self.program, "run", "-d", "--name", self.name, *self.options, "-v", f"{self.shared}:/probe",
                       "-e", "CONFIGURED=a b", *options, IMAGE, *payload])

    def leader(self):
        return int(engine(["podman", "inspect", "-f", "{{.State.Pid}}", self.name]))

    def restart(self):
        engine(["podman", "restart", "-t", "0", self.name])

    def end(self):
        engine(["podman", "rm", "-f", "-t", "0", self.name], check=False)


class PodmanCrun(Podman):
    """Without control groups, for which crun needs more than every host's root may do."""

    program = ["podman", "--runtime", "crun"]
    options = ["--network", "none", "--ulimit", "host", "--cgroups=disabled"]


class Runc(Container):
    kind = "runc"
    program = ["runc"]

    def make(self, options, payload):
        self.bundle = f"{BUNDLES}/{self.name}"
        shutil.rmtree(self.bundle, ignore_errors=True)
        os.makedirs(self.bundle)
        host.sh([host.MACHINE, "make-root", f"{self.bundle}/rootfs"])
        host.sh(["sh", "-c", "cd \"$0\" && runc spec", self.bundle])
        with open(f"{self.bundle}/config.json", encoding="utf-8") as stream:
            config = json.load(stream)
        config["process"].update(args=payload, terminal=False, env=[f"PATH={ROOT_PATH}", "CONFIGURED=a b"])
        config["process"].pop("rlimits", None)
        config["process"].update(options[0] if options else {})
        for name in config["process"]["capabilities"]:
            config["process"]["capabilities"][name] = ["CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"]
        config["root"]["readonly"] = False
        config["mounts"].append({"destination": "/probe", "source": self.shared, "type": "bind",
                                 "options": ["bind", "rw"]})
        with open(f"{self.bundle}/config.json", "w", encoding="utf-8") as stream:
            json.dump(config, stream)
        self.start()
        return None

    def runtime(self, *words, check=True):
        """The container's process inherits no pipe, whose end would be waited for."""
        script = 'cd "$0" && exec "$@" </dev/null >/dev/null 2>&1'
        return host.sh(["sh", "-c", script, self.bundle, *self.program, *words], check)

    def start(self):
        self.runtime("run", "-d", self.name)

    def leader(self):
        return json.loads(host.sh([*self.program, "state", self.name]))["pid"]

    def restart(self):
        self.runtime("delete", "--force", self.name)
        self.start()

    def end(self):
        self.runtime("delete", "--force", self.name, check=False)
        shutil.rmtree(self.bundle, ignore_errors=True)


class Crun(Runc):
    kind = "crun"
    program = ["crun", "--cgroup-manager=disabled"]


@contextlib.contextmanager
def with_images():
    """Docker runs, and it and Podman have the image."""
    os.makedirs(BUNDLES, exist_ok=True)
    start_docker()
    make_image("docker")
    make_image("podman")
    yield
    stop_docker()
    shutil.rmtree(BUNDLES)
