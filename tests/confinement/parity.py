# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two runs of the probe, compared field by field."""

import fnmatch
import os
import re

import host

DIFFERENCES = os.path.join(os.path.dirname(__file__), "parity-differences.txt")
ESSENTIAL = ("cap.bounding", "id.uid", "id.groups", "ns.mnt", "ns.user", "status.Seccomp_filters", "status.NoNewPrivs",
             "limit.nofile", "keyring.session", "fd.count", "proc.oom_score_adj", "prctl.dumpable", "try.mkdir",
             "try.node.disk_254_0", "mounts.hash", "label.current", "relation.children", "proc.cgroup")


class Rule:
    def __init__(self, line):
        words, _, self.reason = line.partition(" #")
        self.where, self.field, self.pattern = words.split(None, 2)
        self.pattern = self.pattern.strip()

    def allows(self, tags, field, value):
        if self.where not in tags or not fnmatch.fnmatchcase(field, self.field):
            return False
        if value is None:
            return self.pattern in ("-", ".*")
        return self.pattern != "-" and re.fullmatch(self.pattern, value) is not None


def rules():
    with open(DIFFERENCES, encoding="utf-8") as stream:
        return [Rule(line) for line in stream if line.strip() and not line.startswith("#")]


def parse(text):
    found = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        assert separator and key not in found, f"not a line of the probe's: {line!r}"
        found[key] = value
    missing = [key for key in ESSENTIAL if key not in found]
    assert not missing, f"the probe did not say {missing}:\n{text[:2000]}"
    return found


def differences(reference, got, tags):
    """Fields that differ and may not, one line each."""
    allowed = rules()
    found = []
    for field in sorted(reference.keys() | got.keys()):
        here, there = reference.get(field), got.get(field)
        if here != there and not any(rule.allows(tags, field, there) for rule in allowed):
            found.append(f"{field}: init's {here!r}, execd's {there!r}")
    return found


def ask_payload(machine, uid, gid, groups, argv, tty=False, directory="/", status=0):
    """The result of a command that the machine's payload, which is `probe serve /probe`, runs; one that ends with
    this status, or with any."""
    request = f"{machine.shared}/parity.request"
    for old in ("parity.out", "parity.done"):
        if os.path.exists(f"{machine.shared}/{old}"):
            os.unlink(f"{machine.shared}/{old}")
    words = [uid, gid, ",".join(map(str, groups)), "tty" if tty else "pipes", directory, *argv]
    with open(request + ".new", "w", encoding="ascii") as stream:
        stream.write("\n".join(map(str, words)) + "\n")
    os.rename(request + ".new", request)
    host.wait_until(lambda: os.path.exists(f"{machine.shared}/parity.done"), "the payload's answer", 30)
    with open(f"{machine.shared}/parity.done", encoding="ascii") as stream:
        ended_with = int(stream.read())
    with open(f"{machine.shared}/parity.out", encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    assert status in (None, ended_with), f"the payload's command ended with {ended_with}: {text[:500]}"
    return text


def from_same(server):
    """The attributes of children of the payload, which has no rights to change them."""
    return parse(ask_payload(server, "-", "-", ["-"], ["/probe/probe", "report"]))


def from_payload(machine, uid, gid, groups, tty=False):
    text = ask_payload(machine, uid, gid, groups, ["/probe/probe", "report"], tty)
    return parse(text.replace("\r\n", "\n"))


def assert_privileged(reference, got, full, root):
    """All capabilities of the leader's user namespace, and nothing but them (R-C11)."""
    assert host.caps(got["cap.bounding"]) == full
    assert host.caps(got["cap.inheritable"]) == 0 and host.caps(got["cap.ambient"]) == 0
    for part in ("permitted", "effective"):
        assert host.caps(got[f"cap.{part}"]) == (full if root else 0)
    for field in ("status.Seccomp", "status.Seccomp_filters", "status.NoNewPrivs", "label.current"):
        assert got[field] == reference[field]
