# SPDX-License-Identifier: LGPL-2.1-or-later
"""Terminals and streams (R-E1, R-E2, R-E4, R-E5)."""

import json
import os
import subprocess
import time

import client
import host
import pytest

FALSE_PTMX = {
    "fifo": "umount -l /dev/pts; mkfifo /dev/pts/ptmx",
    "file": "umount -l /dev/pts; touch /dev/pts/ptmx; chmod 666 /dev/pts/ptmx",
    "link": "umount -l /dev/pts; ln -s /dev/null /dev/pts/ptmx",
    "device": "umount -l /dev/pts; mknod /dev/pts/ptmx c 1 3; chmod 666 /dev/pts/ptmx",
    "other-ptmx": "umount -l /dev/pts; mknod /dev/pts/ptmx c 5 2; chmod 666 /dev/pts/ptmx",
    "bound-null": "mount --bind /dev/null /dev/pts/ptmx",
    "bound-file": "mount --bind /etc/passwd /dev/pts/ptmx",
    "no-pts": "umount -l /dev/pts; rmdir /dev/pts",
    "pts-link": "umount -l /dev/pts; rmdir /dev/pts; mkdir /fake; mkfifo /fake/ptmx; ln -s /fake /dev/pts",
    "other-slaves": "mount --make-rprivate /; mkdir /p; mount --bind /dev/pts /p; mount -t tmpfs none /dev/pts; touch /dev/pts/ptmx; mount --bind "
                    "/p/ptmx /dev/pts/ptmx; for n in 0 1 2 3 4 5 6 7 8 9; do ln -s /etc/passwd /dev/pts/$n; done",
    "dev-ptmx-fifo": "rm /dev/ptmx; mkfifo /dev/ptmx",
    "dev-ptmx-file": "rm /dev/ptmx; touch /dev/ptmx",
    "dev-ptmx-null": "rm /dev/ptmx; ln -s null /dev/ptmx",
    "slave": "umount -l /dev/pts; mkdir /p; mount -t devpts -o newinstance,ptmxmode=666 devpts /p; "
             "mount --bind /dev/zero /p/ptmx; rmdir /dev/pts; ln -s /p /dev/pts",
}
# The changes that a container may make to itself without losing terminals.
STILL_WORKS = ("dev-ptmx-fifo", "dev-ptmx-file", "dev-ptmx-null")


@pytest.mark.parametrize("kind", FALSE_PTMX)
def test_false_multiplexer(machine, kind):
    """T-E2: a terminal is a real one of the container's devpts, or the exec is refused; a file in its place is
    neither waited for nor changed."""
    m = machine("hostile-ptmx", script=FALSE_PTMX[kind])
    modes = {path: os.stat(path)[:6] for path in ("/dev/null", "/dev/zero", "/dev/ptmx")}
    passwd = os.stat(m.path("/etc/passwd"))[:6]
    began = time.monotonic()
    for user in ("root", "app"):
        outcome = client.run(m.name, ["/probe/probe", "report"], tty=True, User=user)
        if outcome.ran:
            fields = client.fields(outcome)
            assert fields["fd.0"].startswith("chr pts "), fields["fd.0"]
            assert fields["tty.controlling"] in ("yes", "ENOENT", "ENXIO")
        else:
            client.assert_refused(outcome)
            assert kind not in STILL_WORKS, outcome
    assert time.monotonic() - began < 60
    # fchmod of what is not a terminal would show here.
    assert modes == {path: os.stat(path)[:6] for path in modes}
    assert passwd == os.stat(m.path("/etc/passwd"))[:6]
    # Without a terminal all is as ever.
    assert client.output(m.name, ["/bin/echo", "ok"]) == "ok\n"


def test_no_terminal_left(machine):
    """R-H4: the kernel counts terminals on the whole host, and in each devpts. The error names the limits."""
    m = machine("hostile-few-pts", script="umount -l /dev/pts; mount -t devpts -o newinstance,ptmxmode=666,max=1 devpts /dev/pts")
    held = client.create(m.name, ["/bin/sleep", "1000"], Tty=True).json()["Id"]
    stream = client.Stream(held, tty=True)
    assert stream.refusal is None
    host.wait_until(lambda: client.inspect(held)["Pid"], "the command")
    outcome = client.run(m.name, ["/bin/true"], tty=True)
    client.assert_refused(outcome)
    assert "No space left on device" in outcome.text and "kernel.pty.max" in outcome.text, outcome
    assert client.output(m.name, ["/bin/echo", "ok"]) == "ok\n"
    client.request("POST", f"/exec/{held}/kill?signal=KILL")
    stream.close()


@pytest.mark.parametrize("user", ["1234", "1234:0"])
def test_descriptors_of_others_with_the_same_number(machine, user):
    """R-H4: the kernel counts the descriptors that a user number has in messages on the whole host, and compares with the
    limit of the container."""
    m = machine("hostile-flight", ["--rlimit=NOFILE=1024:4096", "--no-new-privileges=yes"], ["/probe/hostile", "sleep"])
    holder = subprocess.Popen([f"{host.TOOLS}/hostile", "in-flight", "1234", "6000"], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "full\n"
        for tty in (True, False):
            outcome = client.run(m.name, ["/probe/probe", "brief"], tty=tty, User=user)
            assert outcome.ran and outcome.code == 0, outcome
    finally:
        holder.terminate()
        holder.wait(20)


def test_injected_input_stays_inside(machine):
    """T-E1: with TIOCSTI a command reaches its own terminal, which no other process has; without one, nothing."""
    m = machine("hostile-tty", payload=["/probe/hostile", "sleep"])
    on_pipes = client.fields(client.run(m.name, ["/probe/probe", "report"]))
    for where in ("0", "1", "2", "tty"):
        assert on_pipes[f"try.tiocsti.{where}"] != "ok"
    assert on_pipes["tty.controlling"] == "ENXIO"
    terminal = client.fields(client.run(m.name, ["/probe/probe", "report"], tty=True))
    # A terminal of the container's own devpts: the name that the command sees is one that it can open.
    assert terminal["tty.0.name"] == "/dev/pts/" and terminal["tty.0.controlling"] == "1"
    for where in ("0", "1", "2"):
        assert terminal[f"try.tioclinux.{where}"] == "ENOTTY"


def test_reader_that_does_not_read():
    """T-E4: endless output to a client that never reads stops, and execd uses no processor."""
    created = client.create("web", ["dd", "if=/dev/zero", "bs=64k"])
    stream = client.Stream(created.json()["Id"])
    assert stream.refusal is None
    pid = host.main_pid("execd.service")
    dd = host.wait_until(lambda: client.inspect(stream.id)["Pid"], "the command")

    def written():
        with open(f"/proc/{dd}/io", encoding="ascii") as source:
            return source.read()
    host.wait_until(lambda: (seen := written()) and (host.let_pass(1) or written() == seen), "the buffers to be full")
    before = host.Usage()
    host.let_pass(3)
    after = host.Usage()
    assert after.pids["execd.service"] == pid
    for unit in host.SERVICES:
        assert after.rss[unit] - before.rss[unit] < host.memory_allowed(unit, 1024)
    assert after.rss["execd.service"] < host.memory_allowed("execd.service", 64 * 1024)
    with open(f"/proc/{pid}/stat", encoding="ascii") as source:
        ticks = sum(int(n) for n in source.read().rsplit(")", 1)[1].split()[11:13])
    host.let_pass(1)
    with open(f"/proc/{pid}/stat", encoding="ascii") as source:
        spent = sum(int(n) for n in source.read().rsplit(")", 1)[1].split()[11:13]) - ticks
    assert spent < 20, f"{spent} ticks in a second: it turns in circles"
    assert client.inspect(created.json()["Id"])["Running"], "it is held up, not ended"
    stream.close()
    # No client reads, so no client delays it: it continues, as with Docker.
    host.let_pass(0.5)
    exec_id = created.json()["Id"]
    assert client.inspect(exec_id)["Running"]
    assert client.request("POST", f"/exec/{exec_id}/kill?signal=KILL").status in (200, 204)
    host.wait_until(lambda: not client.inspect(exec_id)["Running"], "its end")


def control_characters(text):
    return [c for c in text if ord(c) < 0x20 and c not in "\t" or ord(c) == 0x7f or 0x80 <= ord(c) < 0xa0]


def test_control_characters_in_the_journal():
    """T-E5: no text of a caller in argv, environment and user makes a line, a color or a field of the journal."""
    words = ["/bin/true", "\x1b[31mred\x1b]0;title\x07", "two\nlines\rEXEC_ID=forged\nPRIORITY=0", "\x00"[:0] + "\x9bcsi",
             "\u202eright to left", "tab\tbell\x07"]
    began = time.time()
    outcome = client.run("web", words, Env=["SECRET=execd-test-value"])
    assert outcome.ran and outcome.code == 0, outcome
    records = [json.loads(line) for line in host.journal_since(began - 1, f"EXEC_ID={outcome.id}").split("\n") if line]
    assert records, "no record of it"
    ids = [r.get("MESSAGE_ID") for r in records if r.get("MESSAGE_ID")]
    assert len(ids) == len(set(ids)), f"one event, one record: {ids}"
    for record in records:
        assert record["EXEC_ID"] == outcome.id
        for field, value in record.items():
            if field in ("MESSAGE", "EXEC_CMDLINE") or field.startswith("EXEC_"):
                assert isinstance(value, str), f"{field} is not plain text: {value}"
                assert not control_characters(value), f"{field}: {value!r}"
                assert "execd-test-value" not in value
    assert not host.journal_since(began - 1, "EXEC_ID=forged").strip()
