# SPDX-License-Identifier: LGPL-2.1-or-later
"""execctl events: shows events as they happen."""

import contextlib
import json
import select
import subprocess

from helper import as_user, execctl


@contextlib.contextmanager
def followed(*words, user=None):
    """Execctl once it follows the events, which only an event shows: some come before what the test does."""
    argv = ["execctl", "events", *words]
    if user:
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *argv]
    p = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        while not select.select([p.stdout], [], [], 0.1)[0]:
            assert execctl("run", "web", "--", "true").status == 0
        yield p
    finally:
        p.kill()
        p.wait()


def test_life_of_an_exec():
    with followed("--json=short") as p:
        seen = []
        ident = execctl("run", "-d", "--label=a=b", "web", "--", "sh", "-c", "exit 4").out.decode().strip()
        while True:
            seen.append(json.loads(p.stdout.readline()))
            if seen[-1]["exec"] == ident and seen[-1]["event"] == "exec-ended":
                break
    mine = [e for e in seen if e["exec"] == ident]
    assert [e["event"] for e in mine] == ["exec-created", "exec-started", "exec-ended"]
    assert {e["container"] for e in mine} == {"web"} and {e["command"] for e in mine} == {'sh -c "exit 4"'}
    assert [e["exit_status"] for e in mine] == [None, None, 4]
    assert all(e["labels"] == {"a": "b"} for e in mine)


def test_lines_of_one_container():
    with followed("--container=web") as p:
        execctl("run", "booted", "--", "true")
        ident = execctl("run", "-d", "web", "--", "sh", "-c", "exit 4").out.decode().strip()
        line = p.stdout.readline()
        while ident[:12].encode() not in line or b"exec-ended" not in line:
            assert b"booted" not in line
            line = p.stdout.readline()
    assert line.decode().endswith(f'exec-ended        {ident[:12]} web (exit status 4) sh -c "exit 4"\n')


def test_whoever_may_not_see_gets_the_id_alone():
    with followed("--json=short", user="other") as p:
        event = json.loads(p.stdout.readline())
        assert event["exec"] and event["command"] is None and event["container"] is None
    assert as_user("execctl", "list", "--all", "--no-legend", user="other").out == b""


def test_output_that_cannot_be_written():
    with subprocess.Popen("execctl events > /dev/full", shell=True, stderr=subprocess.PIPE) as p:
        while p.poll() is None:
            execctl("run", "web", "--", "true")
        assert p.returncode == 1 and p.stderr.read() == b"execctl: Failed to write output: No space left on device\n"


def test_a_reader_that_goes():
    p = subprocess.Popen("execctl events | head -n 1", shell=True, stdout=subprocess.PIPE)
    while p.poll() is None:
        execctl("run", "web", "--", "true")
    assert p.stdout.read().count(b"\n") == 1
