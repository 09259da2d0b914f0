# SPDX-License-Identifier: LGPL-2.1-or-later
"""DetachKeys: their grammar, and what the server does when they are typed (exec-api §2.5)."""

import base64
import time

import pytest

import target as targets

VALID = [
    ("a", b"a"), ("Z", b"Z"), ("ctrl-a", b"\x01"), ("ctrl-z", b"\x1a"), ("ctrl-@", b"\0"), ("ctrl-[", b"\x1b"),
    ("ctrl-\\", b"\x1c"), ("ctrl-]", b"\x1d"), ("ctrl-^", b"\x1e"), ("ctrl-_", b"\x1f"), ("DEL", b"\x7f"),
    ("ctrl-p,ctrl-q", b"\x10\x11"), ("a,b,c", b"abc"), ("ctrl-x,x", b"\x18x"), ("~,.", b"~."),
]


@pytest.mark.parametrize("keys,seen", VALID, ids=[k for k, _ in VALID])
def test_valid(api, keys, seen):
    assert api.inspect(api.create("true", DetachKeys=keys))["DetachKeys"] == base64.b64encode(seen).decode()


def test_empty_is_the_default(api):
    assert api.inspect(api.create("true", DetachKeys=""))["DetachKeys"] == ""


@pytest.mark.parametrize("keys", ["abc", "ctrl-A", "CTRL-a", "ctrl-", "ctrl-1", "ctrl-ab", "ctrl-a, ctrl-b", "a,,b", "a,",
                                  "ctrl-!", "^P", "ctrl p"])
@pytest.mark.parametrize("tty", [False, True])
def test_invalid(api, keys, tty, differ):
    """Refused even where they would not be used."""
    answer = api.try_create({"Cmd": ["true"], "DetachKeys": keys, "Tty": tty})
    assert answer.status == differ(dockerd=500, execd=400)
    assert answer.message.startswith(f"Invalid escape keys ({keys}) provided")


def test_comma(api, target, differ):
    answer = api.try_create({"Cmd": ["true"], "DetachKeys": "ctrl-,"})
    assert answer.status == differ(dockerd=500, execd=201)
    if target.is_execd:
        assert api.inspect(answer.json()["Id"])["DetachKeys"] == base64.b64encode(b"\x0c").decode()


# Typed.

def show_bytes(running, **fields):
    """A tty exec that prints the hex of each byte it reads, one a line."""
    script = "stty raw -echo min 1 time 0; echo ready; while b=$(dd bs=1 count=1 2>/dev/null | od -An -tx1); do echo $b; done"
    exec_id, c = running("sh", "-c", script, Tty=True, AttachStdin=True, **fields)
    c.read_until(b"ready")
    return exec_id, c


def test_partial_match_is_withheld(running):
    _, c = show_bytes(running)
    c.send(b"\x10")
    time.sleep(0.3)  # held back is what comes alone
    c.send(b"x")
    assert c.read_until(b"78").split() == [b"10", b"78"]


def test_other_bytes_pass(running):
    _, c = show_bytes(running)
    c.send(b"\x11a")
    assert c.read_until(b"61").split() == [b"11", b"61"]


def test_broken_sequence_is_delivered(running, api):
    """^P ^P ^Q is no detach: the second key broke the first match and began none that Docker sees."""
    exec_id, c = show_bytes(running)
    c.send(b"\x10\x10\x11a")
    assert c.read_until(b"61").split() == [b"10", b"10", b"11", b"61"]
    assert api.inspect(exec_id)["Running"] is True


def test_no_detach_without_stdin_attached(running, api):
    exec_id, c = running("sh", "-c", "sleep 1; echo alive; sleep 20", Tty=True)  # it speaks after the keys have come
    c.send(b"\x10\x11")
    assert b"alive" in c.read_until(b"alive")


def test_no_detach_without_a_tty(running):
    _, c = running("cat", AttachStdin=True)
    c.send(b"\x10\x11after\n")
    assert c.frames_until(b"after") == b"\x10\x11after\n"


DETACHING = [("", [b"\x10\x11"]), ("", [b"\x10", b"\x11"]), ("", [b"abc\x10\x11rest"]), ("ctrl-x", [b"\x18"]),
             ("a,b,c", [b"a", b"bc"]), ("ctrl-a,a", [b"x\x01", b"a"])]


@pytest.mark.parametrize("keys,typed", DETACHING, ids=[f"{k or 'default'}-{n}" for n, (k, _) in enumerate(DETACHING)])
def test_detach(api, target, running, keys, typed, differ):
    """Documented: the command lives on, the stream ends, exec_detach is sent. dockerd has not done it since 18.09."""
    exec_id, c = running("sh", "-c", "stty -echo; trap 'echo hup; exit 3' HUP; echo ready; while :; do sleep 1; done",
                         Tty=True, AttachStdin=True, DetachKeys=keys)
    c.read_until(b"ready\r\n")
    c.send(*typed, gap=0.2)
    rest = c.read_to_eof()
    assert rest == differ(dockerd=b"exec attach failed: error on attach stdin: read escape sequence\r\n", execd=b"")
    targets.let_pass(0.3)
    seen = api.inspect(exec_id)
    assert seen["Running"] is differ(dockerd=False, execd=True)
    assert seen["ExitCode"] == differ(dockerd=126, execd=None)


@pytest.mark.execd_only
def test_detach_event(api, running):
    with api.events('?filters={"event":["exec_detach"]}') as events:
        exec_id, c = running("sh", "-c", "echo ready; sleep 30", Tty=True, AttachStdin=True)
        c.read_until(b"ready")
        c.send(b"\x10\x11")
        event = events.next(5)
        assert event["Action"] == "exec_detach"
        assert event["Actor"]["Attributes"]["execID"] == exec_id


@pytest.mark.execd_only
def test_nothing_after_the_keys_is_delivered(api, running):
    exec_id, c = running("sh", "-c", "stty -echo; echo ready; cat > /tmp/typed", Tty=True, AttachStdin=True)
    c.read_until(b"ready")
    c.send(b"before\n\x10\x11after\n")
    assert c.ends_within(30)
    time.sleep(0.3)  # what must not arrive has time to
    assert api.run("cat", "/tmp/typed").out == b"before\n"
