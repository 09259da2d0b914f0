# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that execd needs are restarted or die while execs are created, start, run and end: each exec has its status and
its records."""

import pytest

from execd import Attached, create, inspect, journal, shell, wait_for
from test_spawner_restart import Load

ROUNDS = 3
# Messages that journald has read and not written are lost if it is killed.
ACTS = [("systemd-machined", "restart"), ("systemd-machined", "kill -s KILL"), ("systemd-journald", "restart")]


@pytest.mark.parametrize("service, act", ACTS)
def test_under_load(service, act):
    running = create("web", ["sh", "-c", "echo begun; read x; echo $x; exit 7"], AttachStdin=True)
    attached = Attached(running)
    attached.read_until(b"begun\n")
    with Load() as load:
        for _ in range(ROUNDS):
            load.wait_for_more()
            shell(f"systemctl reset-failed {service}.service; systemctl start {service}.service; systemctl {act} {service}.service")
            load.wait_for_more()
    shell(f"systemctl reset-failed {service}.service; systemctl start {service}.service")
    load.check()
    assert load.failed == []
    attached.socket.sendall(b"late\n")
    assert attached.read_all()[0].endswith(b"late\n")
    assert inspect(running)["ExitCode"] == 7
    for exec_id in (running, *load.ids):
        wait_for(lambda e=exec_id: (r := journal(e)) and r[-1].get("EXIT_CODE"), what=f"the record of the end of {exec_id}")
