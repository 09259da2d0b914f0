# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers in a container that was given execd's socket and the system bus: root there is not root of the host, with
every client, and on kernels that know nothing of a peer but its number."""

import glob
import os
import platform
import pwd
import shutil
import time

import client
import engines
import host
import pytest

REFUSED = "the caller is not a process of the host"
# The host's programs, in a container of another root.
LIBRARIES = "/hostusr/lib/*-linux-gnu"
LOADER = "/hostusr/lib/*-linux-gnu/ld-linux-*.so.*"
MOUNTS = ["-v", "/usr:/hostusr:ro", "-v", "/run/execd:/run/execd", "-v", "/run/dbus:/run/dbus"]
KINDS = {"plain": [], "pid-host": ["--pid=host"], "all-host": ["--pid=host", "--ipc=host", "--uts=host", "--cgroupns=host"]}

# In front of execd: getsockopt(SO_PEERPIDFD) is what it is before Linux 6.5.
OLD_KERNEL = """
import ctypes, os, struct, sys
NUMBER, OPTION, ENOPROTOOPT = %d, 77, 92
def statement(code, k): return struct.pack("HBBI", code, 0, 0, k)
def unless(k, skip): return struct.pack("HBBI", 0x15, 0, skip, k)
program = (statement(0x20, 0) + unless(NUMBER, 5) + statement(0x20, 24) + unless(1, 3) + statement(0x20, 32) +
           unless(OPTION, 1) + statement(0x06, 0x00050000 | ENOPROTOOPT) + statement(0x06, 0x7fff0000))
code = ctypes.create_string_buffer(program, len(program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
whole = Program(len(program) // 8, ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(whole), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""

PEERPIDFD = """
import socket, sys
ours, theirs = socket.socketpair()
try:
    ours.getsockopt(socket.SOL_SOCKET, 77)
    print("known")
except OSError as error:
    print(error.errno)
"""

SPAWNER = """
import os, socket
os.setgid(%d); os.setuid(%d)
s = socket.socket(socket.AF_UNIX)
s.connect("/run/execd/spawner.sock")
s.settimeout(30)
try:
    s.sendall(b"\\0AUTH EXTERNAL\\r\\nDATA\\r\\n")
    print("answered", s.recv(4096))
except OSError as error:
    print(error)
"""


def of_this_host(pattern):
    return "/hostusr" + next(iter(glob.glob(pattern.replace("/hostusr", "/usr"))))[len("/usr"):]


@pytest.fixture(scope="module", autouse=True)
def docker():
    os.makedirs(engines.BUNDLES, exist_ok=True)
    engines.start_docker()
    engines.make_image("docker")
    yield
    engines.stop_docker()
    shutil.rmtree(engines.BUNDLES)


@pytest.fixture(scope="module", params=["kernel", "before-6.5"])
def kernel(request):
    """Once as it is, once without SO_PEERPIDFD."""
    if request.param == "kernel":
        yield request.param
        return
    os.makedirs(host.SHARED, exist_ok=True)
    wrapper = f"{host.SHARED}/old-kernel.py"
    with open(wrapper, "w", encoding="utf-8") as stream:
        stream.write(OLD_KERNEL % {"x86_64": 55, "aarch64": 209}[platform.machine()])
    found = host.sh(["python3", wrapper, "/usr/bin/python3", "-c", PEERPIDFD])
    assert found.strip() == "92", found
    drop_in = host.DropIn("execd.service", "[Service]\nExecStart=\n"
                          f"ExecStart=/usr/bin/python3 {wrapper} {host.PRODUCT[0]}\n")
    host.restart_services()
    yield request.param
    drop_in.remove()
    host.restart_services()
    os.unlink(wrapper)


@pytest.fixture(scope="module", params=KINDS)
def inside(request, docker):
    c = engines.Docker(f"caller-{request.param}", [*MOUNTS, *KINDS[request.param]])
    loader = of_this_host(LOADER)
    libraries = of_this_host(LIBRARIES)

    def call(*words, environment=()):
        """One of the host's programs, with status and all that it says."""
        program = ["docker", "exec", *environment, "-e", "PYTHONHOME=/hostusr", c.name, loader, "--library-path",
                   f"{libraries}:{libraries}/systemd", f"/hostusr/bin/{words[0]}", *words[1:]]
        return engines.engine(["sh", "-c", '"$@" 2>&1; echo "status $?"', "sh", *program])

    yield call
    c.remove()


CALLS = {
    "docker": (["docker", "-H", "unix:///run/execd/execd.sock", "exec", "web", "id"],),
    "docker-ps": (["docker", "-H", "unix:///run/execd/execd.sock", "ps"],),
    "execctl": (["execctl", "run", "web", "id"],),
    "busctl": (["busctl", "call", "org.execd1", "/org/execd1", "org.execd1.Manager", "Run", "sas", "web", "1", "id"],),
    "busctl-list": (["busctl", "call", "org.execd1", "/org/execd1", "org.execd1.Manager", "ListExecs"],),
    "busctl-objects": (["busctl", "call", "org.execd1", "/org/execd1", "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects"],),
    "raw-list": (["curl", "-s", "-m", "20", "--unix-socket", "/run/execd/execd.sock", "http://x/exec/json"],),
    "raw-ping": (["curl", "-s", "-m", "20", "--unix-socket", "/run/execd/execd.sock", "http://x/_ping"],),
    "raw-events": (["curl", "-s", "-m", "20", "--unix-socket", "/run/execd/execd.sock", "http://x/events"],),
}


@pytest.mark.parametrize("what", CALLS)
def test_callers_of_a_container(kernel, inside, what):
    """T-G1: with Docker's client, ours, the bus and plain HTTP."""
    said = inside(*CALLS[what][0])
    assert REFUSED in said, said
    assert "uid=0" not in said and "NAMES" not in said
    assert "status 0" not in said or what.startswith("raw"), said


def test_the_host_is_served(kernel):
    assert client.output("web", ["/bin/echo", "ok"]) == "ok\n"
    assert "uid=0" in host.sh(["execctl", "run", "web", "id"])
    assert "ok" in host.sh(["docker", "-H", f"unix://{client.SOCKET}", "exec", "web", "echo", "ok"])


@pytest.mark.parametrize("user", [[], ["-p", "User=member", "-p", "SupplementaryGroups=execd"]], ids=["root", "member"])
def test_services_with_private_mounts_are_the_host(kernel, user):
    """Their mount namespaces are their own, their root directory is not."""
    host.sh("id member >/dev/null 2>&1 || useradd -m -G execd member")
    said = host.sh(["systemd-run", "--wait", "--pipe", "--quiet", "--collect", "-p", "ProtectSystem=strict", "-p",
                    "PrivateTmp=yes", "-p", "PrivateMounts=yes", "-p", "ProtectHome=yes", "-p", "PrivateDevices=yes",
                    "-p", "PrivateNetwork=yes", *user, "curl", "-s", "--unix-socket", client.SOCKET,
                    "http://x/containers/json"])
    assert '"/web"' in said, said


@pytest.mark.parametrize("words", [["unshare", "--pid", "--fork", "sh", "-c", '"$@"; exit $?', "sh"], ["unshare", "--user", "--map-root-user"],
                                   ["unshare", "--mount", "sh", "-c", 'mount --rbind /tmp/other-root /tmp/other-root; '
                                    'exec chroot /tmp/other-root "$@"', "sh"]], ids=["pid", "user", "root"])
def test_each_namespace_counts(kernel, words):
    """One thing of a container's is enough."""
    host.sh("mkdir -p /tmp/other-root && cd /tmp/other-root && mkdir -p usr run proc && "
            "ln -sfn usr/bin bin && ln -sfn usr/lib lib && ln -sfn usr/lib64 lib64")
    try:
        if "--mount" in words:
            host.sh("mount --bind /usr /tmp/other-root/usr && mount --bind /run /tmp/other-root/run")
        said = host.sh([*words, "curl", "-s", "--unix-socket", client.SOCKET, "http://x/exec/json"])
        assert REFUSED in said, said
        said = host.sh(["sh", "-c", '"$@" 2>&1', "sh", *words, "busctl", "call", "org.execd1", "/org/execd1",
                        "org.execd1.Manager", "ListContainers"], check=False)
        assert REFUSED in said or "--user" in words, said
    finally:
        host.sh("umount /tmp/other-root/usr /tmp/other-root/run", check=False)
        host.sh("rm -r --one-file-system /tmp/other-root")


def test_spawner_is_not_for_containers(inside):
    """Root inside may become execd's uid."""
    began = time.time()
    user = pwd.getpwnam("execd")
    said = inside("python3", "-c", SPAWNER % (user.pw_gid, user.pw_uid))
    assert "answered b'DATA" not in said and "status 0" in said, said
    host.wait_until(lambda: f"Refused a connection of uid {user.pw_uid}" in host.journal_since(began, "_COMM=execd-spawner"),
                    lambda: f"the refusal in {host.journal_since(began, '_COMM=execd-spawner')}")
