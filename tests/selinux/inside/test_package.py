# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package with the policy module, on a system that is up and enforces a policy without it."""

import glob

import client
import vm

UNITS = {"execd.service": "execd_t", "execd-spawner.service": "execd_spawner_t"}
LABEL = ["cat", "/proc/self/attr/current"]


def dpkg(*words):
    return vm.sh(["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *words])


def main_pids():
    return {unit: vm.vm_value("systemctl", "show", "-p", "MainPID", "--value", unit) for unit in UNITS}


def domains():
    return {unit: vm.label_of(pid).split(":")[2] if pid != "0" else None for unit, pid in main_pids().items()}


def installed():
    return set(vm.sh(["semodule", "-s", "default", "-l"]).split()) & {"execd", "execd_class"}


def test_installed_it_confines_and_lets_execs_in(web):
    assert vm.read("/sys/fs/selinux/enforce") == "1" and not installed()
    client.assert_refused(web.run(LABEL), "SELinux")
    dpkg("-i", *glob.glob("/results/in/execd-selinux_*.deb"))
    assert installed() == {"execd", "execd_class"}
    for user in ("", "1000"):
        outcome = web.run(LABEL, User=user)
        assert outcome.code == 0 and outcome.out.decode().strip("\n\0") == web.label, outcome
    assert domains() == UNITS
    assert vm.sh(["ls", "-Z", "/run/execd/execd.sock"]).split(":")[2] == "execd_runtime_t"
    assert vm.sh(["ls", "-Z", "/run/execd/spawner.sock"]).split(":")[2] == "execd_spawner_runtime_t"


def test_installed_again_it_disturbs_nothing(web):
    exec_id = client.create(web.name, ["sleep", "1000"]).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    before = main_pids()
    dpkg("-i", *glob.glob("/results/in/execd-selinux_*.deb"))
    after = main_pids()
    # The spawner exits when it has nothing to do, and a slow host gives it the time.
    assert after["execd.service"] == before["execd.service"] != "0"
    assert after["execd-spawner.service"] in (before["execd-spawner.service"], "0"), (before, after)
    assert client.inspect(exec_id)["Running"]
    assert client.request("POST", f"/exec/{exec_id}/kill?signal=KILL").status in (200, 204)


def test_nothing_of_execds_was_denied():
    for record in vm.records():
        assert "scontext=system_u:system_r:execd_" not in record, record


def test_removed_it_is_gone_and_nothing_runs_with_another_label(web):
    dpkg("-r", "execd-selinux")
    assert not installed()
    client.assert_refused(web.run(LABEL), "SELinux")
    assert not set(domains().values()) & set(UNITS.values())
    text = vm.sh(["journalctl", "--no-pager", "-b", "-o", "cat", "-u", "execd.service", "-n", "20"])
    assert "SELinux checks inactive" in text, text
