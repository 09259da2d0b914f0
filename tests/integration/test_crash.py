# SPDX-License-Identifier: LGPL-2.1-or-later
"""execd is killed in the midst of its work. Commands, their statuses and attached clients go on, and no client ends
with a status that its command did not have."""

import subprocess
import threading

import pytest

from execd import Attached, create, inspect, request, shell, wait_for

DOCKER = ["docker", "-H", "unix:///run/execd/execd.sock"]


def main_pid():
    return int(shell("systemctl show -P MainPID execd.service"))


def crash():
    pid = main_pid()
    assert pid > 0
    shell(f"kill -KILL {pid}")
    wait_for(lambda: main_pid() not in (pid, 0), what="execd to have been started again")


def go(name):
    """A gate in the container that a command waits at: it reads from the FIFO."""
    shell(f"execctl run web -- sh -c 'rm -f /tmp/{name}; mkfifo /tmp/{name}'")
    return lambda: shell(f"execctl run web -- sh -c 'echo go >/tmp/{name}'")


def end_of(exec_id):
    reply = request("POST", f"/exec/{exec_id}/wait")
    assert reply.status == 200, reply.body
    return reply.json()["StatusCode"]


@pytest.mark.parametrize("times", [1, 3])
def test_docker_exec_goes_on(times):
    open_gate = go("crash-docker")
    docker = subprocess.Popen([*DOCKER, "exec", "-i", "web", "sh", "-c", "echo up; read x </tmp/crash-docker; cat; exit 7"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert docker.stdout.readline() == b"up\n"
    for _ in range(times):
        crash()
    open_gate()
    assert docker.communicate(b"typed after\n", timeout=30)[0] == b"typed after\n"
    assert docker.returncode == 7


def test_numbered_lines():
    """Nothing is lost or doubled, in either stream, wherever execd was when it died."""
    n, lines = 20, 30000
    ids = [create("web", ["sh", "-c", f"i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done; exit {i}"])
           for i in range(n)]
    clients = [Attached(i) for i in ids]
    outputs = [None] * n

    def read(i):
        outputs[i] = clients[i].read_all()[0]
    threads = [threading.Thread(target=read, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    crashes = 0
    while any(t.is_alive() for t in threads):
        crash()
        crashes += 1
        if crashes == 5:
            break
    for t in threads:
        t.join()
    expected = b"".join(b"line %d\n" % i for i in range(lines))
    assert [o == expected for o in outputs] == [True] * n
    assert [inspect(i)["ExitCode"] for i in ids] == list(range(n))
