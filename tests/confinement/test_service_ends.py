# SPDX-License-Identifier: LGPL-2.1-or-later
"""T-SVC: the life of a service, and the effects on commands in it: reloads, failures, sockets, instances."""

import os
import signal
import socket
import subprocess
import urllib.parse

import client
import host
import pytest
import services
from scale import times

SLEEP = ["/bin/sleep", "1000"]
# Processes that no signal for the command's group or session reaches, and that become more until they are killed.
SPREAD = ["/bin/sh", "-c", "trap '' TERM HUP INT; while :; do setsid sh -c \"trap '' TERM HUP INT; sleep 1000\" & sleep 0.01; done"]


@pytest.fixture
def unit():
    """Units as they are written, which are stopped and removed in the end."""
    made = []

    def make(name, text):
        with open(f"{services.UNITS}/{name}", "w", encoding="utf-8") as stream:
            stream.write(text)
        made.append(name)
        host.sh(["systemctl", "daemon-reload"])

    yield make
    for name in reversed(made):
        host.sh(f"systemctl stop '{name.replace('@.', '@*.')}'", check=False)
        os.unlink(f"{services.UNITS}/{name}")
    host.sh(["systemctl", "daemon-reload"])


def running(name, command=None):
    """An exec whose command runs."""
    created = client.create(urllib.parse.quote(name), command or SLEEP)
    assert created.status == 201, created.body
    assert client.start_detached(created.json()["Id"]).status == 200
    return created.json()["Id"]


def is_running(exec_id):
    return client.inspect(exec_id)["Running"]


def wait_for_end(exec_id):
    host.wait_until(lambda: not is_running(exec_id), "the end of the command")


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_uid_is_free_after_the_service(service, verb):
    """When a dynamic uid is free, it has no process of a command, however many there were. At a restart the service keeps it, and
    they are killed beside the main process."""
    s = service("spreading", ["DynamicUser=yes"])
    most = 0
    for _ in range(times(50)):
        uid = int(host.status_of(s.main_pid())["Uid"].split()[0])
        exec_id = running(s.name, SPREAD)
        host.wait_until(lambda: len(services.processes_of(uid)) > 5, "processes of the command")
        most = max(most, services.seconds(lambda: host.sh(["systemctl", verb, s.name])))
        main = s.main_pid()
        if verb == "stop":
            assert main == 0 and not services.processes_of(uid)
        most = max(most, services.seconds(lambda: host.wait_until(
            lambda: set(services.processes_of(uid)) <= {main}, "the end of its processes")))
        wait_for_end(exec_id)
        if verb == "stop":
            s.start()
        else:
            host.wait_until(s.is_executed, "the next main process")
    print(f"the longest {verb}: {most:.3f} s")


def test_uid_after_a_failure(service):
    """The main process is killed, and systemd has nothing to stop: the command ends with it all the same."""
    s = service("failing", ["DynamicUser=yes", "Restart=always", "RestartSec=0"])
    most = 0
    for _ in range(times(20)):
        main = s.main_pid()
        uid = int(host.status_of(main)["Uid"].split()[0])
        exec_id = running(s.name, SPREAD)
        host.wait_until(lambda: len(services.processes_of(uid)) > 5, "processes of the command")
        os.kill(main, signal.SIGKILL)
        most = max(most, services.seconds(lambda: host.wait_until(
            lambda: set(services.processes_of(uid)) <= {s.main_pid()}, "the end of its processes")))
        wait_for_end(exec_id)
        host.wait_until(lambda: s.main_pid() not in (0, main) and s.is_executed(), "the next main process")
        assert client.output(s.name, ["/bin/echo", "new"]) == "new\n"
    print(f"the longest after a failure: {most:.3f} s")


def test_reload(service):
    """Commands go on, and others start, while a service reloads, which may last long."""
    shared = f"{host.SHARED}/reloading.service"
    s = service("reloading", ["User=daemon", f"ExecReload=/bin/sh -c 'read x <{shared}/gate'"], private_mounts=False)
    os.mkfifo(f"{s.shared}/gate")
    os.chmod(f"{s.shared}/gate", 0o666)
    exec_id = running(s.name)
    host.sh(["systemctl", "reload", "--no-block", s.name])
    host.wait_until(lambda: services.show(s.name, "ActiveState") == "reloading", "the reload")
    # For the first, a runner may have been ready before.
    for _ in range(2):
        assert client.output(s.name, ["/usr/bin/id", "-un"]) == "daemon\n"
    with open(f"{s.shared}/gate", "w", encoding="ascii") as stream:
        stream.write("\n")
    host.wait_until(lambda: services.show(s.name, "ActiveState") == "active", "the end of the reload")
    assert is_running(exec_id)


def test_oneshot_that_has_ended(service):
    """It stays active without a process, and holds no command."""
    s = service("lasting", ["Type=oneshot", "RemainAfterExit=yes", "User=daemon"], private_mounts=False,
                program="/bin/sh -c 'while [ ! -e {inside}/end ]; do sleep 0.1; done'")
    exec_id = running(s.name)
    with open(f"{s.shared}/end", "w", encoding="ascii"):
        pass
    wait_for_end(exec_id)
    host.wait_until(lambda: services.show(s.name, "SubState") == "exited", "the end of the program")
    client.assert_refused(client.run(s.name, ["/bin/true"]), "no main process", statuses=(409,))


def test_forking(service):
    """The main process is the one that systemd takes for it."""
    s = service("forking", ["Type=forking", "User=daemon"], program="/bin/sh -c 'sleep 1000 & exit 0'")
    assert client.output(s.name, ["/usr/bin/id", "-un"]) == "daemon\n"
    exec_id = running(s.name)
    os.kill(s.main_pid(), signal.SIGTERM)
    wait_for_end(exec_id)


ACCEPT = ("/usr/bin/python3 -c \"import socket; c, _ = socket.socket(fileno=3).accept(); c.sendall(b'+'); c.recv(1)\"")


def test_activated_by_a_socket(unit):
    """A request of ours does not start it, and a command gets none of its sockets; when it exits, so does the command."""
    path = "/run/execd-activated.sock"
    unit("execd-activated.service", f"[Service]\nUser=daemon\nExecStart={ACCEPT}\n")
    unit("execd-activated.socket", f"[Socket]\nListenStream={path}\n")
    host.sh(["systemctl", "start", "execd-activated.socket"])
    name = "execd-activated.service"
    client.assert_refused(client.run(name, ["/bin/true"]), "not running", statuses=(404, 409))
    assert services.show(name, "ActiveState") == "inactive"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        assert peer.recv(1) == b"+"
        assert "LISTEN_" not in client.output(name, ["/usr/bin/env"])
        assert client.output(name, ["/bin/sh", "-c", "readlink /proc/self/fd/* | grep -c socket: || :"]) == "0\n"
        exec_id = running(name)
    wait_for_end(exec_id)
    host.wait_until(lambda: services.show(name, "ActiveState") == "inactive", "the end of the service")
    assert services.show("execd-activated.socket", "ActiveState") == "active"


def test_instance_of_a_connection(unit):
    """Accept=yes: each connection has a service of its own, with a name that tells the addresses."""
    unit("execd-accepting@.service", "[Service]\nUser=daemon\nStandardInput=socket\nExecStart=/bin/cat\n")
    unit("execd-accepting.socket", "[Socket]\nListenStream=127.0.0.1:7099\nAccept=yes\n")
    host.sh(["systemctl", "start", "execd-accepting.socket"])
    with socket.create_connection(("127.0.0.1", 7099)) as one, socket.create_connection(("127.0.0.1", 7099)) as other:
        for peer in (one, other):
            peer.sendall(b"x")
            assert peer.recv(1) == b"x"
        listed = host.sh("systemctl list-units --plain --no-legend 'execd-accepting@*' | cut -d' ' -f1").split()
        assert len(listed) == 2 and all(":7099-127.0.0.1:" in name for name in listed), listed
        port = one.getsockname()[1]
        name = next(n for n in listed if n.endswith(f":{port}.service"))
        assert client.output(name, ["/usr/bin/id", "-un"]) == "daemon\n"
        exec_id = running(name)
        other.close()
        host.wait_until(lambda: len(host.sh("systemctl list-units --plain --no-legend 'execd-accepting@*'").splitlines()) == 1,
                        "the end of the other one")
        assert is_running(exec_id)
    wait_for_end(exec_id)


@pytest.mark.parametrize("name", ["escaped@a\\x2db", "with.dots:and-more@x_y"])
def test_name_of_an_instance(service, name):
    """In HTTP's paths, on the command line, and in a list."""
    s = service(name, ["User=daemon"], program="/bin/sleep 1000", private_mounts=False)
    assert client.output(urllib.parse.quote(s.name), ["/usr/bin/id", "-un"]) == "daemon\n"
    assert host.sh(["execctl", "run", s.name, "--", "id", "-un"]) == "daemon\n"
    assert s.name in host.sh(["execctl", "containers", "--all", "--no-legend"])


def test_private_pids(service):
    """PrivatePIDs= of systemd 257: a command is in the PID namespace of the service, and killed with it."""
    s = service("alone", ["User=daemon", "PrivatePIDs=yes"])
    if host.namespaces_of(s.main_pid())["pid"] == host.namespaces_of(1)["pid"]:
        pytest.skip("this systemd has no PrivatePIDs=")
    assert client.output(s.name, ["/bin/readlink", "/proc/self/ns/pid"]).strip() == host.namespaces_of(s.main_pid())["pid"]
    assert "/probe/probe" in client.output(s.name, ["/bin/sh", "-c", "tr '\\0' ' ' </proc/1/cmdline"])
    exec_id = running(s.name)
    os.kill(s.main_pid(), signal.SIGKILL)
    wait_for_end(exec_id)


def test_many_commands_end_with_the_service(service):
    """Their scopes are in more than one slice, and no slice is left."""
    s = service("crowded", ["User=daemon"])
    for _ in range(40):
        exec_id = running(s.name)
    scope = host.sh(["systemctl", "show", "-P", "ControlGroup", f"exec-{exec_id}.scope"]).strip()
    sub, above = scope.split("/")[-2], scope.split("/")[-3]
    assert sub.startswith(above[:-len(".slice")] + "-")
    assert host.sh(["systemctl", "show", "-P", "ActiveState", sub]).strip() == "active"
    s.stop()
    wait_for_end(exec_id)
    host.wait_until(lambda: not host.sh(["systemctl", "list-units", "--all", "--plain", "--no-legend", sub, above]).strip(),
                    "no slice is left")


def test_manager_of_a_user_is_none(unit):
    """Services in user.slice, including instances of templates, belong to a user."""
    unit("execd-usermanager@.service", "[Service]\nUser=daemon\nSlice=user-1.slice\nExecStart=/bin/sleep 1000\n")
    host.sh(["systemctl", "start", "execd-usermanager@1.service"])
    client.assert_refused(client.run("execd-usermanager@1.service", ["/bin/true"]), "user.slice")


def test_execctl_says_why(unit):
    """The same texts on the command line, with the status of a command that was not run."""
    unit("execd-done.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
    host.sh(["systemctl", "start", "execd-done.service"])
    done = subprocess.run(["execctl", "run", "execd-done.service", "--", "true"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode != 0 and "no main process" in done.stderr, done
