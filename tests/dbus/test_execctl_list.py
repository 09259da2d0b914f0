# SPDX-License-Identifier: LGPL-2.1-or-later
"""execctl list, containers and show: all objects, or those that match the filters."""

import json
import re
import uuid

import pytest

from helper import as_user, execctl, shell


def detached(*words):
    r = execctl("run", "-d", *words)
    assert r.status == 0 and not r.err, r
    return r.out.decode().strip()


def ended(*words):
    ident = detached(*words)
    execctl("wait", ident)
    return ident


def listed(*words):
    r = execctl("list", "--json=short", *words)
    assert r.status == 0 and not r.err, r
    return {row["id"]: row for row in json.loads(r.out)}


def test_status_and_duration():
    failed, killed = ended("-u", "app", "web", "--", "sh", "-c", "exit 7"), ended("web", "--", "sh", "-c", "kill -9 $$")
    running = detached("booted", "--", "sleep", "600")
    rows = listed("--all")
    assert rows[failed]["exit_status"] == 7 and rows[failed]["user"] == "app" and rows[failed]["duration"] > 0
    assert rows[failed]["result"] == "exit-code" and rows[killed]["result"] == "signal"
    assert rows[killed]["exit_status"] == 137 and rows[failed]["unit"] == f"exec-{failed}.scope"
    assert rows[running]["exit_status"] is None and rows[running]["duration"] is None
    text = execctl("list", "-a").out.decode()
    header = text.split("\n")[0].split()
    assert header == ["ID", "CONTAINER", "STATE", "STATUS", "CALLER", "USER", "CREATED", "DURATION", "COMMAND"]
    (line,) = [one for one in text.split("\n") if one.startswith(failed[:12])]
    assert line.split()[1:6] == ["web", "exited", "7", "root", "app"]


def test_filters(member):
    mine, running = ended("web", "--", "true"), detached("booted", "--", "sleep", "600")
    theirs = as_user("execctl", "run", "-d", "web", "--", "sleep", "600", user=member).out.decode().strip()
    assert {running, theirs} <= set(listed()) and mine not in listed()
    assert set(listed("web")) == {theirs} == set(listed("--container=web")) == set(listed("--caller=member"))
    container = next(r for r in json.loads(execctl("containers", "-j").out) if r["name"] == "booted")["id"]
    assert set(listed("booted")) == {running} == set(listed(container[:16]))
    assert set(listed("--state=running", "--caller=0")) == {running}
    assert mine in listed("--state=exited") and running not in listed("--state=exited")
    assert mine in listed("--state=exited", "--caller=root", "web")
    assert listed("--state=failed", "--caller=member") == {}
    assert execctl("list", "--state=created").out == b"No execs.\n"


def test_labels():
    nightly = ended("--label=job=nightly", "--label=team=blue", "web", "--", "true")
    hourly = ended("--label=job=hourly", "web", "--", "true")
    assert {nightly, hourly} <= set(listed("-a", "--label=job"))
    rows = listed("-a", "--label=job=nightly", "--label=team")
    assert nightly in rows and hourly not in rows and rows[nightly]["labels"] == {"job": "nightly", "team": "blue"}
    assert listed("-a", "--label=job=never") == {}
    assert b" Labels: job=nightly team=blue\n" in execctl("status", nightly).out
    assert execctl("show", "-P", "Labels", nightly).out == b"job=nightly team=blue\n"
    assert json.loads(execctl("containers", "-j", "--label=org.execd1.kind=machine").out)
    assert execctl("containers", "--label=org.execd1.kind=none").out.startswith(b"No containers.\n")


def test_containers_that_execd_refuses():
    shell("mkdir -p /run/runc/broken && echo '{}' >/run/runc/broken/state.json")
    try:
        text = execctl("containers").out.decode()
        assert text.endswith("\nexecd refuses to enter:\n  broken (OCI runtimes): state.json: id is missing or not valid\n")
        assert "refuses" not in execctl("containers", "--no-legend").out.decode()
        assert "broken" not in {row["name"] for row in json.loads(execctl("containers", "-j").out)}
    finally:
        shell("rm -r /run/runc/broken")


def test_recordings():
    ident = ended("--record", "web", "--", "echo", "to be played")
    (row,) = [r for r in json.loads(execctl("recordings", "-j").out) if r["exec"] == ident]
    assert row["container"] == "web" and row["command"] == 'echo "to be played"' and row["size"] > 0
    assert row["file"].endswith(f"{ident}.cast") and row["caller"] == "root"
    assert ident[:12] in execctl("recordings").out.decode()
    shell("systemctl restart execd.service")
    assert ident in execctl("recordings", "--full").out.decode()
    assert as_user("execctl", "recordings", "--no-legend", user="other").out == b""


@pytest.mark.parametrize("words, message", [
    (["nosuch"], "No such container: nosuch"),
    (["--container=nosuch", "--all"], "No such container: nosuch"),
    (["web", "--container=web"], 'The container is given twice, as "web" and with --container.'),
    (["--state=ended"], '--state: created, running, exited or failed is expected, not "ended"'),
    (["--caller=nosuch"], '--caller: there is no user "nosuch"'),
    (["--caller=1x"], '--caller: there is no user "1x"'),
])
def test_mistakes(words, message):
    r = execctl("list", *words)
    assert r.status == 1 and r.err.decode() == f"execctl: {message}\n" and not r.out


def test_show_of_an_exec():
    ident = ended("web", "--", "sh", "-c", "exit 7", "a b")
    lines = execctl("show", ident).out.decode().split("\n")
    assert {f"Id={ident}", "ExitStatus=7", "ContainerName=web", "Tty=no", "Command=sh -c exit 7 a b"} <= set(lines)
    assert execctl("show", ident[:16], "-p", "ExitStatus,Result").out == b"Result=exit-code\nExitStatus=7\n"
    assert execctl("show", "-P", "ExitStatus", "-p", "State", ident).out == b"exited\n7\n"
    assert execctl("show", "--value", "--property=state", ident).out == b"exited\n"
    seen = json.loads(execctl("show", "--json=pretty", ident).out)
    assert seen["Command"] == ["sh", "-c", "exit 7", "a b"] and seen["ExitStatus"] == 7 and seen["Tty"] is False
    assert json.loads(execctl("show", "-j", "-p", "State", ident).out) == {"State": "exited"}


def test_show_of_others():
    assert b"Name=web\n" in execctl("show", "web").out
    assert b"org.execd1.kind=machine" in execctl("show", "web", "-P", "Labels").out
    assert execctl("show", "web", "booted", "-P", "Name").out == b"web\n\nbooted\n"
    of_execd = execctl("show").out.decode()
    assert "Version=" in of_execd and "Features=attach " in of_execd
    r = execctl("show", "nosuch", "web", "-P", "Name")
    assert r.status == 1 and r.err == b"execctl: No such container: nosuch\n" and r.out == b"web\n"


def test_status_has_the_duration():
    ident = ended("web", "--", "sleep", "0.1")
    text, seen = execctl("status", ident).out.decode(), json.loads(execctl("status", "--json=short", ident).out)
    # The start is noted once the command has been let go, which may be a moment later.
    assert re.search(r" Duration: [1-9][0-9.]*(us|ms|s)\n", text) and "Exit status: 0" in text
    assert seen["finished"] > seen["started"]



def test_many_execs_at_once():
    """Each has its own properties, in the order of creation, however they are asked for; also with labels that lists cut."""
    for count in (3, 12):
        mark = f"--label=mark={uuid.uuid4()}"
        labels = [(mark, f"--label=number={n}", f"--label=a={'x' * 1000}", f"--label=z={'x' * 1000}")
                  for n in range(count)]
        idents = [execctl("run", "-d", *labels[n], "web", "--", "sh", "-c", f"exit {n}").out.decode().strip()
                  for n in range(count)]
        for ident in idents:
            execctl("wait", ident)
        only = ("list", "--all", mark, "--label=z", "--label=number")
        rows = json.loads(execctl(*only, "--json=short").out)
        assert [r["id"] for r in rows] == idents
        assert [r["exit_status"] for r in rows] == list(range(count)), rows[0]
        assert [r["labels"] for r in rows] == [dict(w.removeprefix("--label=").split("=") for w in words) for words in labels]
        lines = [line.split() for line in execctl(*only, "--no-legend", "--full").out.decode().splitlines()]
        assert [(line[0], line[3]) for line in lines] == [(ident, str(n)) for n, ident in enumerate(idents)]
