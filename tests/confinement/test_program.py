# SPDX-License-Identifier: LGPL-2.1-or-later
"""A leader whose program is in a file system that its container serves, and that stops answering: no other request waits
for it (R-K6)."""

import client
import host


def test_program_that_nobody_can_look_at(machine):
    m = machine("hostile-program", script="mknod /dev/fuse c 10 229; cp /probe/hostile /copy; : >/program\n"
                                          "/probe/hostile fuse-program /program /copy /quiet &\n"
                                          "while ! grep -q ^program /proc/mounts; do sleep 0.1; done\n"
                                          "touch /probe/ready; exec /program sleep")
    host.wait_until(lambda: b"/program" in open(f"/proc/{m.leader()}/cmdline", "rb").read(), "the program")
    m.write("/quiet", "")
    # The next spawner looks at containers for the first time.
    host.sh("systemctl restart execd-spawner.service")
    assert client.run("web", ["/bin/true"]).code == 0
    assert client.run(m.name, ["/bin/true"]).code == 0
