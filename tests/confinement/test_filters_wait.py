# SPDX-License-Identifier: LGPL-2.1-or-later
"""A leader that cannot be stopped, as one in vfork(2), whose seccomp filters can thus not be read: its own execs are
refused, and no other exec waits (R-K6)."""

import threading
import time

import client
import host

STARTS = 60
TEXT = "failed to read the container's seccomp filters"


class Starts:
    """Many at once; those that have been answered are in `outcomes`."""

    def __init__(self, machine):
        self.outcomes = []
        self.threads = [threading.Thread(target=self.one, args=(machine,)) for _ in range(STARTS)]
        for t in self.threads:
            t.start()

    def one(self, machine):
        self.outcomes.append(client.run(machine, ["/bin/true"]))

    def join(self):
        for t in self.threads:
            t.join()


def vforked(machine):
    m = machine("hostile-vforked", payload=["/probe/hostile", "vforked", "mkdir"])
    host.wait_until(lambda: host.status_of(m.leader())["State"][0] == "D", "the leader to sleep in vfork")
    return m


def test_others_are_served_meanwhile(machine):
    """By the order of answers: an exec elsewhere, begun after these, is over before the first of them."""
    m = vforked(machine)
    assert client.run("web", ["/bin/true"]).code == 0
    for _ in range(10):
        starts = Starts(m.name)
        done = 0
        while not starts.outcomes:
            assert client.run("web", ["/bin/true"]).code == 0
            done += not starts.outcomes
        starts.join()
        for outcome in starts.outcomes:
            client.assert_refused(outcome, TEXT)
        if done:
            break
        time.sleep(4)  # a failure is remembered for three seconds; this machine was slower than one
    assert done


def test_leader_is_left_alone(machine):
    """It is not traced again after a failure, and the next request gets the same error."""
    m = vforked(machine)
    for _ in range(3):
        client.assert_refused(client.run(m.name, ["/bin/true"]), TEXT)
    host.wait_until(lambda: host.status_of(m.leader())["TracerPid"] == "0", "the tracer to go")
