# SPDX-License-Identifier: LGPL-2.1-or-later
"""The VM from inside: its machines, and what SELinux says."""

import os
import re
import subprocess

import client

MACHINE_LABEL = "system_u:system_r:container_t:"


def sh(words, check=True):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
    assert not check or done.returncode == 0, f"{words}: {done.returncode}: {done.stdout}"
    return done.stdout


def selinux_enabled():
    return os.path.exists("/sys/fs/selinux/enforce")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def label_of(pid):
    return read(f"/proc/{pid}/attr/current").rstrip("\n\0")


def vm_value(*words):
    return sh(words).strip()


class Machine:
    def __init__(self, name, level="s0:c1,c2", options="--as-pid2", labels=True, properties=()):
        self.name = name
        self.unit = f"execd-test-machine@{name}.service"
        self.root = f"/var/lib/machines/{name}"
        self.label = MACHINE_LABEL + level
        os.makedirs("/run/execd-tests", exist_ok=True)
        with open(f"/run/execd-tests/{name}", "w", encoding="utf-8") as f:
            f.write(f'LEVEL={level}\nOPTIONS="{options}"\nLABELS={"yes" if labels else "no"}\n')
        if properties:
            folder = f"/run/systemd/system/{self.unit}.d"
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/properties.conf", "w", encoding="utf-8") as f:
                f.write("[Service]\n" + "".join(f"{p}\n" for p in properties))
            sh(["systemctl", "daemon-reload"])
        sh(["systemctl", "reset-failed", self.unit], check=False)
        status = subprocess.run(["systemctl", "start", self.unit], check=False, timeout=60).returncode
        assert status == 0, sh(["journalctl", "--no-pager", "-n", "30", "-u", self.unit])

    def leader(self):
        """The payload: nspawn's own init of a machine stands between it and systemd-nspawn."""
        leader = vm_value("machinectl", "show", self.name, "-p", "Leader", "--value")
        children = subprocess.run(["pgrep", "-P", leader], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        return int(children[0] if children and read(f"/proc/{leader}/comm").startswith("(sd-stub") else leader)

    def stop(self):
        sh(["systemctl", "stop", self.unit])
        sh(["systemctl", "reset-failed", self.unit], check=False)

    def run(self, cmd, **fields):
        return client.run(self.name, cmd, **fields)


def records(since):
    """All that SELinux or execd has said of decisions, after a cursor."""
    text = sh(["journalctl", "--no-pager", "-b", "-o", "cat", f"--after-cursor={since}"], check=False)
    return [line for line in text.splitlines() if re.search(r"avc:  |USER_AVC|SELINUX_ERR", line)]


def cursor():
    text = sh(["journalctl", "--no-pager", "-n", "0", "--show-cursor"])
    return text.split("cursor:", 1)[1].strip()
