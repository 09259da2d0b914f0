# SPDX-License-Identifier: LGPL-2.1-or-later
"""An administrator switches execd off while clients wait: it stays off, and they get an error."""

import json
import subprocess

import pytest

from execd import connect, halt, head_bytes, monitor_bus, read_head, request, run, shell, wait_for

SOCKETS = ["execd.socket", "execd-spawner.socket"]
UNITS = SOCKETS + ["execd.service", "execd-spawner.service"]


def states():
    return dict(zip(UNITS, shell(f"systemctl show -P ActiveState {' '.join(UNITS)}").split()))


@pytest.fixture(autouse=True)
def switched_on_again():
    yield
    shell(f"systemctl unmask {' '.join(UNITS)}; systemctl enable {SOCKETS[0]}; systemctl start {' '.join(SOCKETS)}")
    shell("pkill -fx 'sleep 3335'", check=False)
    assert run("web", ["true"])[0] == 0


class Client:
    """An execctl that has asked for the end of its exec: its question was seen on the bus."""

    def __init__(self, *words):
        monitor = monitor_bus("member='Wait'")
        try:
            self.process = subprocess.Popen(["execctl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True)
            while json.loads(monitor.stdout.readline())["member"] != "Wait":
                pass
        finally:
            monitor.kill()
            monitor.communicate()

    def end(self):
        status = self.process.wait(timeout=60)
        # The command may have our pipe as its own.
        shell("pkill -fx 'sleep 3335'", check=False)
        return status, self.process.communicate(timeout=60)[1]


def waiting_clients():
    exec_id = shell("execctl run -d web -- sleep 3335").strip()
    return [Client("wait", exec_id), Client("run", "web", "--", "sleep", "3335")]


def check_told(client):
    status, err = client.end()
    assert status == 125
    assert err.startswith("execctl: execd was stopped, and the exit status of the command is not known.")


@pytest.mark.parametrize("command", [
    f"systemctl disable --now {' '.join(SOCKETS)}",
    *(pytest.param(command, marks=pytest.mark.slow) for command in (
        f"systemctl disable --now {' '.join(UNITS)}",
        f"systemctl mask --now {' '.join(UNITS)}",
        f"systemctl stop {' '.join(UNITS)}",
        f"systemctl stop {' '.join(SOCKETS)}")),
])
def test_who_waits_does_not_start_it_again(command):
    clients = waiting_clients()
    shell(command)
    for c in clients:
        check_told(c)
    assert set(states().values()) == {"inactive"}


@pytest.mark.parametrize("command", [
    f"systemctl disable --now {' '.join(SOCKETS)}",
    f"systemctl disable --now {' '.join(UNITS)}",
    f"systemctl disable --now execd.socket; systemctl stop {' '.join(UNITS)}",
    f"systemctl mask --now {' '.join(UNITS)}",
    f"systemctl mask --now execd.service; systemctl stop {' '.join(UNITS)}",
])
@pytest.mark.parametrize("running", [True, False])
def test_nobody_starts_what_is_switched_off(command, running):
    if running:
        assert request("GET", "/_ping").status == 200
    else:
        shell("systemctl stop execd.service execd-spawner.service")
    shell(command)
    for words in (["list"], ["run", "web", "--", "true"]):
        done = subprocess.run(["execctl", *words], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith(("execctl: execd is disabled. To enable it: systemctl ", "execctl: execd is not available: "))
    with pytest.raises(OSError):
        connect()
    assert set(states().values()) == {"inactive"}


def test_a_restart_is_not_an_end():
    clients = waiting_clients()
    shell("systemctl restart execd.service; systemctl restart execd-spawner.service execd.service")
    shell("pkill -fx 'sleep 3335'")
    for c in clients:
        status, err = c.end()
        assert (status, err) == (128 + 15, "")


@pytest.mark.parametrize("unit", ["execd", "execd-spawner"])
def test_without_its_socket_it_is_not_started_for_ever(unit):
    """As the program is when its socket's unit has gone: systemd tries once."""
    shell(f"systemctl stop {' '.join(UNITS)}")
    shell(f"mkdir -p /run/systemd/system/{unit}.service.d; "
          f"printf '[Unit]\\nRequires=\\n[Service]\\nSockets=\\n' >/run/systemd/system/{unit}.service.d/alone.conf; "
          f"cp $(systemctl show -P FragmentPath {unit}.service) /run/alone.service; "
          # A sanitizer does not look for leaks under the restrictions of the unit.
          "sed -i -e '/^Requires=/d' -e '/^After=/d' -e '/^BusName=/d' "
          "-e '/^.Service/a Environment=ASAN_OPTIONS=detect_leaks=0' /run/alone.service; "
          "mv /run/alone.service /run/systemd/system/; systemctl daemon-reload")
    try:
        shell("systemctl start alone.service", check=False)
        seen = shell("systemctl show -p ExecMainStatus -p NRestarts -p ActiveState alone.service").split()
        assert sorted(seen) == ["ActiveState=failed", "ExecMainStatus=78", "NRestarts=0"]
    finally:
        shell(f"systemctl stop alone.service; systemctl reset-failed alone.service; rm -r /run/systemd/system/alone.service "
              f"/run/systemd/system/{unit}.service.d; systemctl daemon-reload", check=False)


@pytest.mark.parametrize("unit", ["execd", "execd-spawner"])
def test_one_that_hangs_is_started_again(unit):
    """The watchdog's time is cut short, and the program no longer runs."""
    assert shell(f"systemctl show -P WatchdogUSec {unit}.service").strip() == "3min"
    directory = f"/run/systemd/system/{unit}.service.d"
    # A client keeps both programs there meanwhile.
    with connect() as s:
        s.sendall(head_bytes("GET", "/events"))
        assert read_head(s)[0] == 200
        shell(f"mkdir -p {directory}; printf '[Service]\\nWatchdogSec=1\\nTimeoutAbortSec=1\\n' >{directory}/short.conf; "
              f"systemctl daemon-reload; systemctl restart {unit}.service")
        try:
            pid = shell(f"systemctl show -P MainPID {unit}.service").strip()
            halt(int(pid))
            wait_for(lambda: shell(f"systemctl show -P MainPID {unit}.service").strip() not in (pid, "0"),
                     what="another process")
            assert run("web", ["true"])[0] == 0
        finally:
            shell(f"rm -r {directory}; systemctl daemon-reload; systemctl restart {unit}.service")
