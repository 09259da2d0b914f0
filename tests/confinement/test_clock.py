# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wall clock is set forward by a day: nothing that waits expires (R-K7)."""

import os

import client
import host
import pytest

SET_FORWARD = "/run/execd-tests-clock-set-forward"
DROP_IN = "/run/systemd/system/execd.service.d/clock.conf"
pytestmark = pytest.mark.skipif(os.environ.get("EXECD_TEST_VARIANT") == "asan",
                                reason="a sanitizer has to come before all that is preloaded")


@pytest.fixture
def clock():
    """execd with a wall clock that can be set, since all processes share the machine's own."""
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    with open(DROP_IN, "w") as stream:
        stream.write(f"[Service]\nEnvironment=LD_PRELOAD={host.TOOLS}/clock.so\n")
    host.sh("systemctl daemon-reload; systemctl restart execd.service")
    yield lambda: open(SET_FORWARD, "w").close()
    if os.path.exists(SET_FORWARD):
        os.unlink(SET_FORWARD)
    os.unlink(DROP_IN)
    host.sh("systemctl daemon-reload; systemctl restart execd.service")


def created(*command, **fields):
    reply = client.create("web", list(command), **fields)
    assert reply.status == 201, reply.message
    return reply.json()


def start_detached(exec_id):
    reply = client.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert reply.status == 200, reply.message


def listed():
    return [e["ID"] for e in client.request("GET", "/exec/json").json()]


def test_clock_set_forward(clock):
    waiting = created("/bin/true")
    ended = client.run("web", ["/bin/true"]).id
    running = created("/bin/sleep", "3337", Properties={"RuntimeMaxSec": "1h"})["Id"]
    start_detached(running)
    clock()
    later = created("/bin/true")
    assert later["data"]["created_at"][:10] > waiting["data"]["created_at"][:10], "the clock was not set"
    # The collector looks after each end.
    start_detached(later["Id"])
    assert client.request("POST", f"/exec/{later['Id']}/wait").json()["StatusCode"] == 0
    host.wait_until(lambda: later["Id"] in listed(), "the end")
    host.sh("systemctl restart execd.service")
    assert ended in listed() and running in listed()
    created("/bin/true")
    reply = client.request("POST", f"/exec/{running}/kill")
    assert reply.status in (200, 204), reply.message
    assert client.request("POST", f"/exec/{running}/wait").json()["StatusCode"] == 137
    assert client.request("GET", f"/exec/{running}/json").json()["Result"] == "signal"


def test_created_exec_waits_for_its_start(clock):
    waiting = created("/bin/true")["Id"]
    other = created("/bin/true")["Id"]
    clock()
    start_detached(other)
    client.request("POST", f"/exec/{other}/wait")
    assert client.run("web", ["/bin/true"]).code == 0
    start_detached(waiting)
    assert client.request("POST", f"/exec/{waiting}/wait").json()["StatusCode"] == 0
