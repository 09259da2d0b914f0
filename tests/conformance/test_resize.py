# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resize: its parameters, and when it is answered (exec-api §3, §4.6)."""

import fcntl
import os
import struct
import termios
import threading
import time

import pytest

import target as targets
from wire import build

WATCH = ("stty -echo; trap 'stty -a | head -n 1; sleep 0.1' WINCH; echo ready; "
         "while :; do sleep 0.1; done")


def resize(api, exec_id, query="h=24&w=80", **kw):
    return api.post(f"/exec/{exec_id}/resize?{query}", **kw)


@pytest.fixture
def tty(running):
    exec_id, c = running("sh", "-c", WATCH, Tty=True, AttachStdin=True)
    c.read_until(b"ready\r\n")
    return exec_id, c


@pytest.fixture
def reader(api):
    """size(id): the size of the tty that the command has as stdin, according to the kernel."""
    def size(exec_id):
        fd = os.open(f"/proc/{api.inspect(exec_id)['Pid']}/fd/0", os.O_RDWR | os.O_NOCTTY)
        try:
            return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))[:2]
        finally:
            os.close(fd)
    return size


@pytest.fixture
def sleeper(running):
    """The id of a tty exec that waits."""
    exec_id, c = running("sh", "-c", "echo ready; exec sleep 60", Tty=True)
    c.read_until(b"ready")
    return exec_id


def test_resize(api, tty):
    exec_id, c = tty
    answer = resize(api, exec_id)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.head.get("Content-Length") == "0" and "Content-Type" not in answer.head
    assert b"rows 24; columns 80;" in c.read_until(b"\n")
    resize(api, exec_id, "w=132&h=50")
    assert b"rows 50; columns 132;" in c.read_until(b"\n")


@pytest.mark.parametrize("query,size", [("h=0&w=0", (0, 0)), ("h=30&w=0", (30, 0)), ("h=0&w=90", (0, 90)),
                                        ("h=65535&w=65535", (65535, 65535)), ("h=70000&w=70001", (4464, 4465)),
                                        ("h=11&h=22&w=33", (11, 33)), ("h=%31%32&w=34", (12, 34)),
                                        ("h=%2B5&w=06", (5, 6))])
def test_sizes(api, sleeper, reader, query, size):
    assert resize(api, sleeper, "h=1&w=1").status == 200
    assert resize(api, sleeper, query).status == 200
    assert reader(sleeper) == size


@pytest.mark.parametrize("query,bad,name", [("w=80", "", "height"), ("h=24", "", "width"), ("h=&w=80", "", "height"),
                                            ("h=a&w=80", "a", "height"), ("h=24&w=b", "b", "width"),
                                            ("h=24&w=1.5", "1.5", "width"), ("h=0x10&w=80", "0x10", "height"),
                                            ("", "", "height"), ("h=1%20&w=1", "1 ", "height"),
                                            ("h=+5&w=6", " 5", "height")])
def test_bad_parameters(api, target, query, bad, name, differ):
    exec_id = api.create("true", Tty=True)
    answer = resize(api, exec_id, query)
    assert answer.status == 400
    assert answer.message == differ(dockerd=f'strconv.Atoi: parsing "{bad}": invalid syntax',
                                    execd=f'invalid resize {name} "{bad}": invalid syntax')


@pytest.mark.parametrize("query", ["h=-1&w=80", "h=24&w=-5", "h=4294967296&w=80"])
def test_out_of_range(api, target, sleeper, query, differ):
    answer = resize(api, sleeper, query)
    assert answer.status == differ(dockerd=200, execd=400)
    if target.is_execd:
        assert "value out of range" in answer.message


def test_bad_parameters_win_over_an_unknown_exec(api):
    assert resize(api, "2" * 64, "h=x&w=1").status == 400


@pytest.mark.parametrize("body,kind", [(b'{"h":30,"w":70}', "application/json"), (b"nonsense", "text/plain"),
                                       (b"", None), (b'{"h":30', "application/json")])
def test_body_is_ignored(api, sleeper, reader, body, kind):
    """dockerode sends the size in both; docker-py sends no Content-Type."""
    assert resize(api, sleeper, "h=25&w=81", body=body, content_type=kind).status == 200
    assert reader(sleeper) == (25, 81)


def test_without_a_tty(api, running):
    exec_id, _ = running("sleep", "30")
    api.wait_running(exec_id)
    assert resize(api, exec_id).status == 200


def test_after_exit(api):
    exec_id = api.run("true", Tty=True).id
    # dockerd takes a moment to forget the process.
    answer = targets.wait_until(lambda: (a := resize(api, exec_id)).status != 500 and a, what="an answer other than 500")
    assert answer.status == 404
    assert "no such exec" in answer.message


def test_after_a_failed_start(api, differ):
    exec_id = api.run("nosuch", Tty=True).id
    answer = resize(api, exec_id)
    assert answer.status == differ(dockerd=404, execd=400)
    assert differ(dockerd="no such exec", execd="exec process is not started") in answer.message


def test_right_after_the_head(api, running):
    """As the CLI does it: resize is sent on another connection as soon as the head has arrived."""
    for n in range(5):
        # The size is read before the hangup.
        exec_id = api.create("sh", "-c", "read go; stty -a; exec sleep 0.1", Tty=True, AttachStdin=True)
        with api.start(exec_id, tty=True) as c:
            assert resize(api, exec_id, f"h={30 + n}&w={90 + n}").status == 200
            c.send(b"\n")
            assert b"rows %d; columns %d" % (30 + n, 90 + n) in c.read_to_eof()


def test_waits_for_the_start_and_does_not_block_it(api):
    # The size is read before the hangup.
    exec_id = api.create("sh", "-c", "until stty -a | grep -q 'columns 100'; do sleep 0.1; done; stty -a; sleep 0.3", Tty=True)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(resize(api, exec_id, "h=40&w=100")))
    thread.start()
    targets.let_pass(0.5)
    assert not answers
    with api.start(exec_id, tty=True) as c:
        thread.join(60)
        assert answers and answers[0].status == 200
        assert b"rows 40; columns 100" in c.read_to_eof()


@pytest.mark.slow
def test_never_started(api):
    """Ten seconds, then an error; many at once wait side by side, and others are served meanwhile."""
    ids = [api.create("true", Tty=True) for _ in range(3)]
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(resize(api, i, timeout=60))) for i in ids]
    began = time.monotonic()
    for t in threads:
        t.start()
    time.sleep(0.5)  # nothing shows that all three were read
    assert api.run("echo", "x").out == b"x\n"
    for t in threads:
        t.join(60)
    assert time.monotonic() - began > 9.5
    assert [(a.status, a.message) for a in answers] == [(500, "timeout waiting for exec session ready")] * 3


def test_client_of_a_waiting_resize_goes_away(api):
    exec_id = api.create("echo", "fine", Tty=True)
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/resize?h=1&w=1"))
        time.sleep(0.2)  # nothing shows that the request was read
    with api.start(exec_id, tty=True) as c:
        assert c.read_to_eof() == b"fine\r\n"


def test_signal_of_the_window_change(api, tty):
    exec_id, c = tty
    for n in range(3):
        resize(api, exec_id, f"h={20 + n}&w=70")
        assert b"rows %d; columns 70;" % (20 + n) in c.read_until(b"\n")
