# SPDX-License-Identifier: LGPL-2.1-or-later
"""The docker command asks dockerd and execd about one container of Docker's, and has to get the same from both."""

import os
import subprocess

import pytest

import target as targets
import wire

NAME = "beside"
SCRIPTS = r"""
mkdir -p /s; cd /s
printf 'echo hello\n' >no-shebang
printf '#!/bin/sh\r\necho hello\r\n' >crlf-shebang
: >empty
printf '\177ELF\2\1\1' >short-elf
printf '#!/nosuch/sh\n' >bad-shebang
printf '#!/s/loop\n' >loop
head -c 300 /dev/urandom >noise
chmod 755 *
"""
FORMAT, MISSING = "exec format error", "no such file or directory"


def docker(daemon, *words, stdin=b""):
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DOCKER_HOST": f"unix://{targets.SOCKETS[daemon]}"}
    return subprocess.run([targets.docker_cli(), *words], input=stdin, capture_output=True, timeout=100, env=env, check=False)


def both(*words, **more):
    """The answers of execd and of dockerd."""
    return docker("execd", *words, **more), docker("dockerd", *words, **more)


def same(*words, **more):
    here, there = both(*words, **more)
    assert there.returncode == 0, there.stderr
    assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)
    return here


@pytest.fixture(scope="module", autouse=True)
def container():
    dockerd = targets.Target("dockerd", targets.SOCKETS["dockerd"], "beside-image")
    dockerd.prepare()
    docker("dockerd", "rm", "-f", NAME)
    dockerd.docker("run", "-d", "--network", "none", "--name", NAME, "--hostname", NAME, "--group-add", "4242", "--group-add",
                   "wheel", "-e", "COLOR=red blue", targets.IMAGE, *targets.PAYLOAD)
    try:
        dockerd.docker("exec", NAME, "sh", "-ec", SCRIPTS)
        yield
    finally:
        dockerd.docker("rm", "-f", NAME, "beside-image")


@pytest.mark.parametrize("script, text", [("no-shebang", FORMAT), ("empty", FORMAT), ("short-elf", FORMAT), ("noise", FORMAT),
                                          ("crlf-shebang", MISSING), ("bad-shebang", MISSING), ("loop", "")])
def test_programs_that_are_none(script, text):
    for done in both("exec", NAME, f"/s/{script}"):
        said = (done.stdout + done.stderr).decode().lower()
        # 255 since runc 1.2, and 1 before.
        assert done.returncode in (1, 126, 127, 255) and text in said and "capabilit" not in said, done


@pytest.mark.parametrize("options", [[], ["-u", "0"], ["-u", "root"], ["-u", "1000"], ["-u", "app"], ["-u", "1000:1000"],
                                     ["-u", "app:wheel"], ["-u", "4711"], ["-u", ":10"], ["-u", "app:4711"]], ids=" ".join)
def test_groups_of_the_container(options):
    same("exec", *options, NAME, "id")
    same("exec", *options, NAME, "grep", "^Groups:", "/proc/self/status")


def write_into(path, text):
    # dockerd can no longer do it while a line is too long for it.
    done = docker("execd", "exec", "-i", NAME, "sh", "-c", f"cat >{path}", stdin=text.encode())
    assert done.returncode == 0, done.stderr


@pytest.fixture(name="databases")
def fixture_databases():
    passwd, group = (docker("dockerd", "exec", NAME, "cat", path).stdout.decode() for path in ("/etc/passwd", "/etc/group"))
    yield passwd, group
    write_into("/etc/passwd", passwd)
    write_into("/etc/group", group)


@pytest.mark.parametrize("count", [100, 9000])
def test_groups_with_many_members(databases, count):
    members = ",".join(f"member{i}" for i in range(count))
    write_into("/etc/group", databases[1] + f"many:x:4001:{members},app\nlast:x:4002:app\n")
    assert "4001" in same("exec", "-u", "app", NAME, "id", "-G").stdout.decode().split()
    same("exec", "-u", "app:many", NAME, "id")


@pytest.mark.parametrize("count", [100, 1100, 5000])
def test_many_groups(databases, count):
    write_into("/etc/group", databases[1] + "".join(f"g{i}:x:{20000 + i}:app\n" for i in range(count)))
    here, there = both("exec", "-u", "app", NAME, "grep", "^Groups:", "/proc/self/status")
    assert there.returncode == 0 and len(there.stdout.split()) > count
    # All of them, or a refusal that says which limit it is.
    assert here.stdout == there.stdout if here.returncode == 0 else b"groups" in here.stderr and not here.stdout, here


def test_a_long_line_of_passwd(databases):
    write_into("/etc/passwd", databases[0] + f"long:x:4005:4006:{'x' * 100000}:/tmp:/bin/sh\n")
    here, there = both("exec", "-u", "long", NAME, "id", "-u")
    assert there.returncode == 126 and b"token too long" in there.stdout + there.stderr
    assert here.stdout == b"4005\n", here
    assert docker("execd", "exec", "-u", "app", NAME, "id", "-u").stdout == b"1000\n"


def test_arguments_of_xargs():
    numbers = [str(n) for n in range(1, 20001)]
    assert same("exec", NAME, "echo", *numbers).stdout.decode().split() == numbers


def test_long_arguments():
    words = ["x" * 100000] * 15
    assert len(same("exec", NAME, "echo", *words).stdout) == 15 * 100001
    same("exec", *(word for i in range(1000) for word in ("-e", f"V{i}=" + "y" * 500)), NAME, "sh", "-c", "env | grep -c ^V")


@pytest.mark.parametrize("words", [["x" * 131072], ["x" * 104850] * 20], ids=["one", "together"])
def test_more_arguments_than_the_kernel_takes(words):
    """It is the kernel that refuses them, and its words are passed on."""
    for daemon in ("execd", "dockerd"):
        done = wire.Api(targets.SOCKETS[daemon], NAME).run("echo", *words)
        assert done.code > 0 and b"argument list too long" in (done.out + done.err).lower(), done


def test_more_arguments_than_any_kernel_takes():
    answer = wire.Api(targets.SOCKETS["execd"], NAME).try_create(Cmd=["x" * 100000] * 22)
    assert answer.status == 413 and answer.message == "Cmd and Env together have 2200022 bytes, the limit is 2097152"


@pytest.mark.parametrize("directory", ["/proc/self/cwd", "/", "/tmp", "/tmp/..", "//tmp//"])
def test_working_directories(directory):
    same("exec", "-w", directory, NAME, "pwd")


@pytest.mark.parametrize("words", [["env"], ["hostname"], ["sh", "-c", "ulimit -a"], ["cat", "/proc/self/cgroup"],
                                   ["grep", "-E", "^(Cap|NoNewPrivs|Seccomp)", "/proc/self/status"], ["sh", "-c", "umask"],
                                   ["cat", "/proc/self/oom_score_adj"]], ids=" ".join)
def test_surroundings(words):
    if "cgroup" in words[-1]:
        # The cgroup of the container is the root of its namespace; a scope of its own is beside it.
        for done in both("exec", NAME, *words):
            assert done.returncode == 0 and done.stdout, done
        return
    here, there = both("exec", NAME, *words)
    assert sorted(here.stdout.splitlines()) == sorted(there.stdout.splitlines())


@pytest.mark.parametrize("options", ["axo pid,ppid,etime,cmd", "aux", "-ef", "-o pid,comm", "-eo pid,user,args", "axu"])
def test_columns_of_top(options):
    here, there = both("top", NAME, *options.split())
    assert here.returncode == there.returncode == 0, here.stderr
    assert here.stdout.split(b"\n")[0].split() == there.stdout.split(b"\n")[0].split()
    assert b"sleep 3600" in here.stdout or "comm" in options


def test_info_has_no_false_warnings():
    here, there = both("info")
    warnings = [{line for line in done.stderr.decode().splitlines() if "WARNING" in line} for done in (here, there)]
    assert here.returncode == there.returncode == 0 and warnings[0] <= warnings[1], warnings


def test_podmans_client_does_not_hang():
    """It does not print the answer, which says what to use instead (conformance/test_odd_input.py), but its status."""
    done = subprocess.run(["podman", "--url", f"unix://{targets.SOCKETS['execd']}", "ps"], capture_output=True, timeout=100,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode != 0 and b"501" in done.stderr and not done.stdout, done
