# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services of the test's own, each with its main process, and what they are made of."""

import base64
import os
import shutil
import time

import host
import parity

UNITS = "/run/systemd/system"
RULES = "/etc/polkit-1/rules.d"


def show(unit, name):
    return host.sh(["systemctl", "show", "-p", name, "--value", unit]).strip()


class Service:
    """A unit that runs the probe, or `program`. Its directory of tools is `inside`: /probe, or the host's path where a
    service has no mounts of its own."""

    def __init__(self, name, properties=(), program="{inside}/probe serve {inside}", private_mounts=True, wait=True):
        self.name = f"{name}.service"
        self.shared = f"{host.SHARED}/{self.name}"
        shutil.rmtree(self.shared, ignore_errors=True)
        os.makedirs(self.shared)
        for tool in ("probe", "hostile"):
            shutil.copy(f"{host.TOOLS}/{tool}", self.shared)
        os.chmod(self.shared, 0o777)
        self.inside = "/probe" if private_mounts else self.shared
        lines = ["[Unit]", "StartLimitIntervalSec=0", "[Service]", "TimeoutStopSec=2s", f"ExecStart={program.format(inside=self.inside)}", *properties]
        if private_mounts:
            lines.append(f"BindPaths={self.shared}:/probe")
        template = f"{name.split('@')[0]}@.service" if "@" in name else self.name
        self.path = f"{UNITS}/{template}"
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
        host.sh(["systemctl", "daemon-reload"])
        self.start(wait)

    def start(self, wait=True):
        host.sh(["systemctl", "start", "--no-block", self.name])
        if wait:
            host.wait_until(lambda: self.main_pid() > 0 and self.is_executed(), f"the main process of {self.name}")

    def is_executed(self):
        """Not a child of systemd's own any longer, which has another user, and from 254 on another name at first."""
        try:
            pid = self.main_pid()
            return not host.comm_of(pid).startswith("(") and "systemd" not in os.readlink(f"/proc/{pid}/exe")
        except FileNotFoundError:
            return False

    def main_pid(self):
        return host.main_pid(self.name)

    def leader(self):
        return self.main_pid()

    def stop(self):
        host.sh(["systemctl", "stop", self.name])

    def group(self):
        return show(self.name, "ControlGroup")

    def remove(self):
        host.sh(["systemctl", "stop", self.name], check=False)
        host.sh(["systemctl", "reset-failed", self.name], check=False)
        if os.path.exists(self.path):
            os.unlink(self.path)
        host.sh(["systemctl", "daemon-reload"])
        shutil.rmtree(self.shared, ignore_errors=True)


def script(text, *arguments):
    """A command that runs this text of Python; in one line, as the probe takes its words."""
    encoded = base64.b64encode(text.encode()).decode()
    return ["/usr/bin/python3", "-c", f"import base64; exec(base64.b64decode('{encoded}'))", *arguments]


def by_itself(service, command):
    """The exit status of the same command as a child of the main process."""
    return int(parity.ask_payload(service, "-", "-", ["-"], ["/bin/sh", "-c", '"$@"; echo $?', "sh", *command]).split()[-1])


class Rule:
    """A polkit rule of an administrator, for the length of a test."""

    def __init__(self, text, name="50-test-services"):
        self.path = f"{RULES}/{name}.rules"
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(self.path, 0o644)
        host.sh(["systemctl", "restart", "polkit.service"])

    def remove(self):
        os.unlink(self.path)
        host.sh(["systemctl", "restart", "polkit.service"])


def processes_of(uid):
    """Pids of all processes with this uid."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.stat(f"/proc/{entry}").st_uid == uid or host.status_of(entry)["Uid"].split()[0] == str(uid):
                    found.append(int(entry))
            except (FileNotFoundError, ProcessLookupError, KeyError):
                pass
    return found


def seconds(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin
