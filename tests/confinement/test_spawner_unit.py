# SPDX-License-Identifier: LGPL-2.1-or-later
"""The spawner's unit: hardening that commands would inherit is detected, the rest does not apply to them (R-4)."""

import client
import host
import parity
import pytest

# The settings that systemd implements with seccomp, no_new_privs or the bounding set.
INHERITED = ["NoNewPrivileges=yes", "CapabilityBoundingSet=~CAP_NET_RAW", "LockPersonality=yes",
             "MemoryDenyWriteExecute=yes", "PrivateDevices=yes", "ProtectClock=yes", "ProtectHostname=yes",
             "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes",
             "RestrictAddressFamilies=AF_UNIX AF_NETLINK", "RestrictNamespaces=~user", "RestrictRealtime=yes",
             "RestrictSUIDSGID=yes", "SystemCallArchitectures=native", "SystemCallFilter=~@swap", "SystemCallLog=@swap"]
# The settings that the runner undoes: its command gets the container's.
UNDONE = ["Nice=7", "OOMScoreAdjust=500", "LimitNOFILE=300:400000", "LimitSTACK=1M:infinity", "UMask=0000",
          "CPUAffinity=0", "CPUSchedulingPolicy=batch", "IOSchedulingClass=idle", "TimerSlackNSec=1s",
          "IgnoreSIGPIPE=yes", "KeyringMode=inherit", "Environment=LD_PRELOAD=/probe/none.so", "Personality=x86",
          "AmbientCapabilities=CAP_NET_RAW", "SupplementaryGroups=adm", "CoredumpFilter=0x7f"]


@pytest.fixture(scope="module")
def web(module_machine):
    return module_machine("unit-web", [], ["/probe/probe", "serve", "/probe"], as_pid2=True)


@pytest.fixture
def spawner_with():
    """Runs the spawner, and runners made in advance, with one more line in its unit."""
    made = []

    def use(line):
        made.append(host.DropIn("execd-spawner.service", f"[Service]\n{line}\n"))
        host.restart_services()

    yield use
    for drop_in in made:
        drop_in.remove()
    host.restart_services()


def report(machine):
    return client.run(machine.name, ["/probe/probe", "report"])


@pytest.mark.parametrize("line", INHERITED)
def test_inherited_is_seen(web, spawner_with, line):
    """T-4: with a directive that confines the commands as well, they are refused or found to differ."""
    spawner_with(line)
    outcome = report(web)
    if not outcome.ran or outcome.code != 0:
        client.assert_refused(outcome)
    else:
        found = parity.differences(parity.from_payload(web, 0, 0, [0]), client.fields(outcome), {"all", "web"})
        assert found, f"{line} makes no difference"


@pytest.mark.parametrize("line", UNDONE)
def test_undone_is_not_inherited(web, spawner_with, line):
    spawner_with(line)
    found = parity.differences(parity.from_payload(web, 0, 0, [0]), client.fields(report(web)), {"all", "web"})
    assert not found, "\n".join(found)


def test_without_another_line(web, spawner_with):
    """The premise of the two tests above: the unit as it is makes no difference."""
    spawner_with("# nothing")
    found = parity.differences(parity.from_payload(web, 0, 0, [0]), client.fields(report(web)), {"all", "web"})
    assert not found, "\n".join(found)
