# SPDX-License-Identifier: LGPL-2.1-or-later
"""The usage of execs that Docker's clients and execctl see, against the control group's own figures: this kernel has the
controllers."""

import json
import os

import pytest

import client
import vm

# Holds 20 MB, and three processes.
HOLD = ["sh", "-c", "head -c 20000000 /dev/zero | tail -c 20000000 | { sleep 1000; cat >/dev/null; }"]


@pytest.fixture(scope="module")
def holding():
    machine = vm.Machine("limited", properties=["MemoryMax=64M", "MemorySwapMax=0", "TasksMax=30", "CPUQuota=50%"])
    exec_id = client.create(machine.name, HOLD).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    pid = client.inspect(exec_id)["Pid"]
    scope = "/sys/fs/cgroup" + vm.read(f"/proc/{pid}/cgroup").strip()[3:]
    assert vm.wait_for(lambda: number(scope, "memory.current") > 19_000_000)
    yield machine, exec_id, scope
    machine.stop()


def number(directory, name):
    return int(vm.read(f"{directory}/{name}"))


def within(value, directory, name, slack):
    """The control group goes on meanwhile: between what it says before and after, and a little."""
    now = number(directory, name)
    return now - slack <= value <= now + slack


def test_stats(holding):
    machine, exec_id, scope = holding
    directory = os.path.dirname(scope)
    stats = f"/containers/{machine.name}/stats?stream=0&one-shot=1"
    found = client.request("GET", stats).json()
    print(found["memory_stats"], found["pids_stats"], number(directory, "memory.current"), number(directory, "pids.current"))
    assert found["memory_stats"]["limit"] == number(directory, "memory.max") == 64 << 20
    assert found["pids_stats"]["limit"] == number(directory, "pids.max") == 30

    def agree():
        """A runner that waits for the next exec may come or go between two looks, and the one of the exec still be entering."""
        now = client.request("GET", stats).json()
        entry = next(e for e in now["execs"] if e["id"] == exec_id)
        return (within(now["memory_stats"]["usage"], directory, "memory.current", 1 << 20)
                and now["pids_stats"]["current"] == number(directory, "pids.current")
                and within(entry["memory"], scope, "memory.current", 1 << 20)
                and entry["tasks"] == number(scope, "pids.current"))

    assert vm.wait_for(agree)


def test_top(holding):
    machine, exec_id, scope = holding
    rows = json.loads(vm.sh(["execctl", "top", machine.name, "--json=short"]))
    row = next(r for r in rows if r["exec"] == exec_id)
    print(row)
    assert within(row["memory"], scope, "memory.current", 1 << 20)
    assert row["tasks"] == number(scope, "pids.current")
