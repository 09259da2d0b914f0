# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits of an exec's scope bind: this kernel has the controllers. Both what the request asked for and what the
container has."""

import time

import pytest

import client
import vm

# One read(2) into a buffer of a hundred megabytes.
HOG = ["sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1 && echo survived"]
FORKS = ["sh", "-c", "i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i+1)); done; echo all"]
BURN = ["sh", "-c", "while :; do :; done"]


@pytest.fixture(scope="module")
def limited():
    machine = vm.Machine("limited", properties=["MemoryMax=64M", "MemorySwapMax=0", "TasksMax=30", "CPUQuota=20%"])
    yield machine
    machine.stop()


def killed(outcome):
    return outcome.ran and b"survived" not in outcome.out


def test_without_a_limit_it_survives(web):
    outcome = web.run(HOG)
    assert outcome.code == 0 and b"survived" in outcome.out, outcome


def test_memory_of_the_request(web):
    assert killed(web.run(HOG, Properties={"MemoryMax": "32M"}))


def test_tasks_of_the_request(web):
    outcome = web.run(FORKS, Properties={"TasksMax": "20"})
    assert b"all" not in outcome.out, outcome


def usage_in_two_seconds(machine, **fields):
    exec_id = client.create(machine.name, BURN, **fields).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    pid = client.inspect(exec_id)["Pid"]

    def ticks():
        values = vm.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
        return int(values[11]) + int(values[12])

    before = ticks()
    time.sleep(2)  # the time that is measured
    used = ticks() - before
    client.request("POST", f"/exec/{exec_id}/kill?signal=KILL")
    return used / 200


def test_cpu_of_the_request(web):
    assert usage_in_two_seconds(web, Properties={"CPUQuota": "20%"}) < 0.4
    assert usage_in_two_seconds(web) > 0.6


def test_memory_of_the_container(limited):
    assert killed(limited.run(HOG))


def test_tasks_of_the_container(limited):
    outcome = limited.run(FORKS)
    assert b"all" not in outcome.out, outcome


def test_cpu_of_the_container(limited):
    assert usage_in_two_seconds(limited) < 0.4
