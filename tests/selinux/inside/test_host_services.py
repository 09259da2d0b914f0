# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands in services of the host: none without the boolean execd_enter_services; with it, each has the label of the main
process."""

import os

import client
import pytest
import vm

LABEL = ["cat", "/proc/self/attr/current"]
UNITS = "/run/systemd/system"
MAIN = "/usr/bin/python3 -c 'import time; time.sleep(100000)'"
# Kinds of confinement that need no seccomp filter, which this kernel could not read back.
SERVICES = {
    "user": ["User=daemon"],
    "nnp": ["User=daemon", "NoNewPrivileges=yes", "CapabilityBoundingSet="],
    "mounts": ["User=daemon", "ProtectSystem=strict", "PrivateTmp=yes", "PrivateNetwork=yes"],
    "pids": ["User=daemon", "PrivatePIDs=yes"],
    "mapped": ["User=daemon", "PrivateUsers=yes"],
}


@pytest.fixture
def boolean():
    vm.sh(["setsebool", "execd_enter_services", "on"])
    yield
    vm.sh(["setsebool", "execd_enter_services", "off"])


def main_of(unit):
    return int(vm.vm_value("systemctl", "show", "-p", "MainPID", "--value", unit))


def comm_of(pid):
    try:
        return vm.read(f"/proc/{pid}/comm").strip()
    except FileNotFoundError:
        return None


@pytest.fixture
def service():
    made = []

    def make(name, properties):
        unit = f"host-{name}.service"
        with open(f"{UNITS}/{unit}", "w", encoding="utf-8") as f:
            f.write("\n".join(["[Service]", f"ExecStart={MAIN}", *properties]) + "\n")
        made.append(unit)
        vm.sh(["systemctl", "daemon-reload"])
        vm.sh(["systemctl", "start", unit])
        # With PrivatePIDs=, the main process is another one once systemd has entered the namespace.
        assert vm.wait_for(lambda: comm_of(main_of(unit)) == "python3")
        return unit, main_of(unit)

    yield make
    for unit in made:
        vm.sh(["systemctl", "stop", unit])
        os.unlink(f"{UNITS}/{unit}")
    vm.sh(["systemctl", "daemon-reload"])


def test_off(service):
    """For root, too."""
    unit, _ = service("off", ["User=daemon"])
    for name in (unit, "dbus.service"):
        outcome = client.run(name, LABEL)
        assert outcome.status == 403 and "exec_service" in outcome.text, outcome


def status(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.mark.parametrize("name", SERVICES)
def test_on(service, boolean, name):
    """The label of a service without a domain of its own, whatever confines it."""
    unit, main = service(name, SERVICES[name])
    assert client.output(unit, LABEL).rstrip("\n\0") == vm.label_of(main)
    here, there = status(vm.read(f"/proc/{main}/status")), status(client.output(unit, ["cat", "/proc/self/status"]))
    for field in ("CapBnd", "CapEff", "NoNewPrivs", "Seccomp"):
        assert here[field] == there[field], field
    if name != "mapped":
        assert here["Uid"] == there["Uid"] and here["Gid"] == there["Gid"]
    for kind in ("mnt", "net", "pid", "user"):
        assert client.output(unit, ["readlink", f"/proc/self/ns/{kind}"]).strip() == os.readlink(f"/proc/{main}/ns/{kind}")


def test_on_for_a_service_with_a_domain(boolean):
    """One that the policy does not count among the daemons."""
    assert vm.label_of(main_of("dbus.service")).split(":")[2] == "system_dbusd_t"
    assert client.output("dbus.service", LABEL).rstrip("\n\0") == vm.label_of(main_of("dbus.service"))
    assert client.output("dbus.service", ["id", "-un"]) == "messagebus\n"


def test_off_again(service, boolean):
    """An exec that was created while it was allowed is no longer started."""
    unit, _ = service("again", ["User=daemon"])
    created = client.create(unit, LABEL).json()["Id"]
    vm.sh(["setsebool", "execd_enter_services", "off"])
    client.assert_refused(client.start(created), "SELinux")


def test_our_own_never(boolean):
    for unit in ("execd.service", "execd-spawner.service"):
        outcome = client.run(unit, LABEL, Privileged=True)
        client.assert_refused(outcome)
