# SPDX-License-Identifier: LGPL-2.1-or-later
"""The VM from inside: its machines, and what SELinux says."""

import json
import os
import re
import subprocess
import time

import client

MACHINE_LABEL = "system_u:system_r:container_t:"
FILE_LABEL = "system_u:object_r:container_file_t:"


def sh(words, check=True):
    words = words if isinstance(words, list) else ["sh", "-c", words]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
    assert not check or done.returncode == 0, f"{words}: {done.returncode}: {done.stdout}"
    return done.stdout


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.1)  # until it looks again


def selinux_enabled():
    return os.path.exists("/sys/fs/selinux/enforce")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def label_of(pid):
    return read(f"/proc/{pid}/attr/current").rstrip("\n\0")


def file_label(path):
    return os.getxattr(path, "security.selinux").decode().rstrip("\0")


def has_attribute_calls():
    """Whether the kernel sets labels without a path (Linux 6.8)."""
    return tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 8)


def vm_value(*words):
    return sh(list(words)).strip()


class Machine:
    has_own_group = False

    def __init__(self, name, level="s0:c1,c2", options="--as-pid2", labels=True, properties=(), label=None, payload="",
                 prepare=None):
        self.name = name
        self.unit = f"execd-test-machine@{name}.service"
        self.root = f"/var/lib/machines/{name}"
        self.label = label or MACHINE_LABEL + level
        os.makedirs("/run/execd-tests", exist_ok=True)
        with open(f"/run/execd-tests/{name}", "w", encoding="utf-8") as f:
            f.write(f'LABEL={self.label if labels else ""}\nFILE_LABEL={FILE_LABEL + level}\nOPTIONS="{options}"\n'
                    f'PAYLOAD="{payload}"\n')
        if prepare:
            prepare(self.root)
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
        """The payload: nspawn's own init of a machine is between it and systemd-nspawn."""
        leader = vm_value("machinectl", "show", self.name, "-p", "Leader", "--value")
        children = subprocess.run(["pgrep", "-P", leader], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        return int(children[0] if children and read(f"/proc/{leader}/comm").startswith("(sd-stub") else leader)

    def pause(self):
        sh(["systemctl", "freeze", self.unit])

    def unpause(self):
        sh(["systemctl", "thaw", self.unit])

    def limit_memory(self, mib):
        sh(["systemctl", "set-property", "--runtime", self.unit, f"MemoryMax={mib}M"])

    def stop(self):
        sh(["systemctl", "stop", self.unit])
        sh(["systemctl", "reset-failed", self.unit], check=False)

    def run(self, cmd, **fields):
        return client.run(self.name, cmd, **fields)


def messages(since, field, value):
    """The records after a cursor. journalctl is given no matches: with them, some versions leave out the first
    record that matches if the one at the cursor does not."""
    text = sh(["journalctl", "--no-pager", "--all", "-o", "json", f"--after-cursor={since}"], check=False)
    found = [json.loads(line) for line in text.split("\n") if line.startswith("{")]
    return [str(r.get("MESSAGE", "")) for r in found if r.get(field) == value]


def records(since=None):
    """The audit log's records of what SELinux and those who ask it have decided, since boot or after a cursor."""
    if since:
        lines = messages(since, "_TRANSPORT", "audit")
    else:
        lines = sh(["journalctl", "--no-pager", "-b", "-o", "cat", "_TRANSPORT=audit"], check=False).splitlines()
    return [line for line in lines if re.search(r"avc:  |USER_AVC|SELINUX_ERR|op=security_compute", line)]


def said(since):
    """Messages of execd in the journal after a cursor."""
    return "\n".join(messages(since, "_SYSTEMD_UNIT", "execd.service"))


def cursor():
    text = sh(["journalctl", "--no-pager", "-n", "0", "--show-cursor"])
    return text.split("cursor:", 1)[1].strip()
