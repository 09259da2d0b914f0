# SPDX-License-Identifier: LGPL-2.1-or-later
"""execctl before a terminal."""

import contextlib
import json
import os
import re
import signal

import pytest

import helper
from helper import Terminal, execctl, shell, wait_for

PROMPT = b":~# "


def has_the_terminal(command):
    """A shell says what it takes to the foreground before it does."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/cmdline") as cmdline, open(f"/proc/{pid}/stat") as stat:
                group, terminal_group = stat.read().rsplit(")", 1)[1].split()[2:6:3]
                if cmdline.read().split("\0")[:-1] == command and group == terminal_group:
                    return True
    return False


def test_shell_is_like_ssh():
    with Terminal("execctl", "shell", "booted") as t:
        before = t.first_modes
        t.expect(PROMPT)
        assert t.modes() != before, "raw"
        t.send("stty size; pwd; echo $TERM; shopt -q login_shell && echo login; tty\n")
        seen = t.expect(PROMPT)
        assert all(word in seen for word in (b"33 101", b"/root", b"xterm-256color", b"\r\nlogin\r\n", b"/dev/pts/"))

        t.resize(44, 55)
        t.send("until stty size | grep -q '44.55'; do sleep 0.1; done; stty size\n")
        t.expect("44 55")
        t.expect(PROMPT)

        t.send("sleep 1000\n")
        wait_for(lambda: has_the_terminal(["sleep", "1000"]), what="sleep to have the terminal")
        t.send(b"\x1a")
        t.expect("Stopped")
        t.expect(PROMPT)
        t.send("jobs; fg\n")
        t.expect("sleep 1000\r\nsleep 1000\r\n")
        wait_for(lambda: has_the_terminal(["sleep", "1000"]), what="sleep to have the terminal")
        t.send(b"\x03")
        t.expect(PROMPT)

        # Keys that Docker's clients swallow: ^P is the line before.
        t.send("echo once more\n")
        t.expect("\ronce more\r\n")
        t.expect(PROMPT)
        t.send(b"\x10")
        t.expect("echo once more")
        t.send("\n")
        t.expect("\ronce more\r\n")

        t.send("exit 9\n")
        assert t.wait() == 9
        assert t.modes() == before, "given back"


def test_size_is_there_from_the_beginning():
    for _ in range(5):
        with Terminal("execctl", "run", "-t", "booted", "--", "stty", "size", rows=77, columns=66) as t:
            t.expect("77 66")
            assert t.wait() == 0


def test_shell_of_a_container_without_bash():
    with Terminal("execctl", "shell", "web", "id", "-u") as t:
        t.expect("0\r\n")
        assert t.wait() == 0
    with Terminal("execctl", "shell", "app@web", "id", "-u") as t:
        t.expect("1000\r\n")
        assert t.wait() == 0
    with Terminal("execctl", "shell", "-u", "app", "web") as t:
        t.expect("$ ")
        t.send("id -un; exit 4\n")
        t.expect("app\r\n")
        assert t.wait() == 4


def test_a_shell_is_as_at_a_login():
    for words, user, home, login in ((["booted"], "root", "/root", "/bin/bash"), (["app@booted"], "app", "/home/app", "/bin/bash"),
                                     (["-w", "/tmp", "booted"], "root", "/tmp", "/bin/bash"),
                                     (["-e", "USER=nobody", "web"], "root", "/root", "/bin/sh")):
        with Terminal("execctl", "shell", *words) as t:
            t.send("echo =$USER=$LOGNAME=$SHELL=$PWD=; exit\n")
            t.expect(f"={user}={user}={login}={home}=\r\n")
            row = json.loads(execctl("list", "-a", "-j").out)[-1]
            assert row["command"] == f"login shell of {user}"
            assert t.wait() == 0
    shell("journalctl --sync")
    (row,) = json.loads(execctl("history", "-n", "1", "-j").out)
    assert row["command"] == "login shell of root" and row["result"] == "success"
    assert "id -u" not in execctl("status", row["exec"]).out.decode()


def test_keys_that_detach_and_attach():
    with Terminal("execctl", "shell", "booted") as t:
        before = t.first_modes
        t.expect(PROMPT)
        t.send("A=kept\n")
        t.expect(PROMPT)
        t.send(b"\x1d\x1d\x1d")
        ident = t.expect("execctl attach ").decode() and t.expect("\r\n").decode().strip()
        assert t.wait() == 0 and t.modes() == before
    with contextlib.ExitStack() as terminals:
        t = terminals.enter_context(Terminal("execctl", "attach", ident))
        t.expect(PROMPT)
        watcher = terminals.enter_context(Terminal("execctl", "attach", ident))
        watcher.expect("Only the output is shown")
        watcher.expect(PROMPT)
        t.send("echo is $A\n")
        t.expect("\ris kept\r\n")
        watcher.expect("\ris kept\r\n")
        t.send("exit 6\n")
        assert t.wait() == 6 and watcher.wait() == 6
        assert b"\r\r" not in watcher.seen


@pytest.mark.parametrize("verb", [["shell", "booted"], ["run", "-t", "booted", "--", "sh", "-c",
                                                         "echo :~#' '; sleep 1000"]])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, "hang up"])
def test_a_terminal_that_goes_hangs_up(verb, how):
    with Terminal("execctl", *verb) as t:
        before = t.first_modes
        t.expect(PROMPT)
        if how == "hang up":
            t.hang_up()
        else:
            os.kill(t.pid, how)
        status = t.wait()
        if how == signal.SIGTERM:
            assert status == 128 + how and t.modes() == before
    wait_for(lambda: not helper.live_execs(), what="the command to be hung up")


@pytest.mark.parametrize("verb", ["shell", "attach"])
def test_in_the_background_of_a_terminal(verb):
    """timeout(1) puts it there, where it is stopped when it wants the terminal; SIGTERM ends it all the same."""
    setup = "ID=$(execctl run -d -i -t web sleep 600); " if verb == "attach" else ""
    what = "$ID" if verb == "attach" else "web"
    with Terminal("sh", "-c", f"{setup}timeout -k 60 1 execctl {verb} {what}; echo status=$?; read line") as t:
        t.expect("status=124")


@pytest.mark.parametrize("command", ["run web yes", "run -i --on-disconnect=kill web yes"])
def test_in_the_background_without_a_terminal_of_its_own(command):
    """A process that reads from the terminal there, or writes to one with tostop, is stopped and can still be ended."""
    with Terminal("sh", "-c", f"stty tostop; timeout -k 60 1 execctl {command}; echo status=$?; read line") as t:
        t.expect("status=124")
    wait_for(lambda: not helper.live_execs(), what="the command to end")


def test_stopped_and_back():
    """A job of a shell: stopped when it reads in the background, and in the foreground it goes on."""
    with Terminal("bash", "--norc", "--noprofile", "-i", env={"PS1": "> "}) as t:
        t.expect("> ")
        t.send("execctl run -i web cat &\n")
        t.expect("[1]")
        wait_for(helper.live_execs)
        seen = b""
        while b"Stopped" not in seen:
            t.send("jobs\n")  # for the shell, whose terminal it is; execctl sees that there is input
            seen = t.expect("  execctl run -i web cat")
            t.expect("> ")
        t.send("fg\n")
        t.expect("execctl run -i web cat\r\n")
        t.send("hello\n")
        t.expect("hello\r\nhello\r\n")
        t.send(b"\x04")
        t.expect("> ")
        t.send("exit\n")


def test_interrupt_without_a_terminal_of_its_own():
    with Terminal("execctl", "run", "web", "--", "sh", "-c", "echo begun; exec sleep 1000") as t:
        t.expect("begun")
        t.send(b"\x03")
        assert t.wait() == 130


def test_typed_input_through_a_pipe():
    with Terminal("execctl", "run", "-i", "web", "--", "sh", "-c", "cat; echo end; tty") as t:
        t.send("hello\n")
        t.expect("hello\r\nhello\r\n")
        t.send(b"\x04")
        t.expect("end\r\nnot a tty")
        t.wait()


def test_piped_input_on_a_terminal():
    for text, seen in ((b"one\ntwo\n", b"two\r\n"), (b"one\ntwo", b"two"), (b"", b"")):
        r = execctl("run", "-t", "web", "--", "sh", "-c", "cat; exit 3", stdin=text)
        assert r.status == 3 and r.out.endswith(seen), r
    assert execctl("shell", "web").status == 0


def test_tables_on_a_terminal():
    execctl("run", "-d", "web", "--", "sh", "-c", "true " + "x" * 300)
    env = {"PAGER": "", "SYSTEMD_PAGER": ""}
    with Terminal("execctl", "list", "--all", columns=80, env=env) as t:
        assert t.wait() == 0
        lines = t.seen.split(b"\r\n")
        assert lines[0].startswith(b"\033[4m") and "…".encode() in t.seen and b"x" * 100 not in t.seen
    with Terminal("execctl", "list", "--all", "--full", columns=70, env=env) as t:
        assert t.wait() == 0 and b"x" * 300 in t.seen
    for row in lines[1:-3]:
        assert len(re.sub("\x1b\\[[0-9;]*m", "", row.decode()).rstrip()) <= 80, row
    # A locale that cannot show the mark has three dots, which fit into the line, too.
    with Terminal("execctl", "list", "--all", columns=80, env={**env, "LC_ALL": "C", "NO_COLOR": "1"}) as t:
        assert t.wait() == 0 and t.seen.isascii() and b"..." in t.seen
        assert all(len(row.rstrip()) <= 80 for row in t.seen.split(b"\r\n")), t.seen
    with Terminal("execctl", "list", "--all", env={**env, "NO_COLOR": "1"}) as t:
        assert t.wait() == 0 and b"\033" not in t.seen and b"x" * 20 in t.seen
    # A caller with more rights than its user has gets less(1), which then starts nothing.
    with Terminal("execctl", "list", "--all", env={"SYSTEMD_PAGER": "sed s/^/paged:/", "SUDO_UID": "1000"}) as t:
        t.expect("CONTAINER")
        t.send("!echo out of the pager\n\nqqq")
        t.wait()
        assert b"paged:" not in t.seen and b"\nout of the pager" not in t.seen
    with Terminal("execctl", "containers", env={"SYSTEMD_PAGER": "sed s/^/paged:/"}) as t:
        t.wait()
        assert b"paged:web" in t.seen
    # A pager needs a terminal that can move its cursor; the pager that is no pager is none.
    for more in ({"TERM": "dumb"}, {"TERM": ""}, {"SYSTEMD_PAGER": ""}, {"SYSTEMD_PAGER": "cat", "PAGER": "false"}):
        with Terminal("execctl", "containers", env={"SYSTEMD_PAGER": "sed s/^/paged:/", **more}) as t:
            t.wait()
            assert b"paged:" not in t.seen and b"web" in t.seen, more
    with Terminal("execctl", "containers", env={"SYSTEMD_PAGER": "sed s/^/paged:/", "SYSTEMD_PAGERSECURE": "1"}) as t:
        t.expect("NAME")
        t.send("q")
        t.wait()
        assert b"paged:" not in t.seen
    with Terminal("execctl", "containers", "--no-pager", env={"SYSTEMD_PAGER": "sed s/^/paged:/"}) as t:
        t.wait()
        assert b"paged:" not in t.seen


# Where is the cursor; the clipboard; where is the cursor, in one byte and in UTF-8; the title, which a report would type.
ACTS = b"a\x1b[6nb\x1b]52;c;eA==\x07c\x9b6nd\xc2\x9b6ne\x1b]0;title\x07\x1b[21tf\xe2\x80\xaeg\x1b[31mred\x1b[0m"
SHOWN = b"a\\x1b[6nb\\x1b]52;c;eA==\\x07c\\x9b6nd\\u009b6ne\\x1b]0;title\\x07\\x1b[21tf\\u202eg\\x1b[31mred\\x1b[0m"
ANSWERED = (b"\x1b[6n", b"\x1b]", b"\x9b6n", b"\x1b[21t")


def test_logs_do_not_act_on_the_terminal():
    """A user reads output of another user's command."""
    octal = "".join(f"\\{byte:03o}" for byte in ACTS)
    ident = execctl("run", "-d", "web", "--", "sh", "-c", f"printf '{octal}\\n'; printf '{octal}\\n' >&2").out.decode().strip()
    execctl("wait", ident)
    shell("journalctl --sync")
    for command in (f"execctl logs {ident}", f"execctl logs --no-pager {ident}", f"execctl logs --follow {ident}",
                    f"execctl logs --no-pager {ident} 2>/dev/null", f"execctl logs {ident} >/dev/null"):
        with Terminal("sh", "-c", command) as t:
            assert t.wait() == 0
            assert t.seen.count(SHOWN) == (1 if "/dev/null" in command else 2), (command, t.seen)
            assert not any(text in t.seen for text in ANSWERED), (command, t.seen)
    with Terminal("execctl", "logs", "--no-pager", "--raw", ident) as t:
        assert t.wait() == 0 and t.seen.count(ACTS) == 2
    r = execctl("logs", ident)
    assert r.out == r.err == ACTS + b"\n", "a pipe gets it as it is"


def test_logs_of_another_host_do_not_act_on_the_terminal(tmp_path):
    """ssh has no terminal where one stream is a file; the other one still ends at the terminal here."""
    octal = "".join(f"\\{byte:03o}" for byte in ACTS)
    ident = execctl("run", "-d", "web", "--", "sh", "-c", f"printf '{octal}\\n'; printf '{octal}\\n' >&2").out.decode().strip()
    execctl("wait", ident)
    shell("journalctl --sync")
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nsh -c \"$3\" >{tmp_path}/1 2>{tmp_path}/2; status=$?\n"
                   f"cat {tmp_path}/1; cat {tmp_path}/2 >&2; exit $status\n")
    ssh.chmod(0o755)
    for other in ("2>", ">"):
        with Terminal("sh", "-c", f"execctl -H there logs {ident} {other}{tmp_path}/file",
                      env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) as t:
            assert t.wait() == 0 and t.seen.count(SHOWN) == 1, (other, t.seen)
            assert not any(text in t.seen for text in ANSWERED), (other, t.seen)
        assert (tmp_path / "file").read_bytes() == ACTS + b"\n", "a file gets it as it is"


def test_replay_does_not_act_on_the_terminal(tmp_path):
    """A recording is shown, colors included, and the terminal is not asked for anything."""
    path = tmp_path / "a.cast"
    text = ACTS.replace(b"\x9b6nd\xc2", b"d\xc2").decode()
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"version": 2, "width": 80, "height": 24}\n')
        # Cut anywhere: a sequence is one all the same.
        for events in ([text, "|"], [*text, "|"]):
            for part in events:
                f.write(json.dumps([0, "o", part]) + "\n")
    shown = "abcdef\u202eg\x1b[31mred\x1b[0m|".encode()
    with Terminal("execctl", "replay", "--no-wait", str(path)) as t:
        assert t.wait() == 0
        assert t.seen == shown * 2 + b"\x1b[0m\x1b[?25h"
    with Terminal("execctl", "replay", "--no-wait", "--raw", str(path)) as t:
        assert t.wait() == 0
        assert t.seen.count(text.encode() + b"|") == 2


def test_json_does_not_act_on_the_terminal():
    """Of a command that is called so, JSON has the same text in other characters."""
    text = "a\x9b6nb\x85c\u202ed\u2066e\u061cf\x1b[6n"
    ident = execctl("run", "-d", f"--label=job={text}", "web", "--", "echo", text).out.decode().strip()
    execctl("wait", ident)
    for words in (["status", "--json=short", ident], ["status", "--json=pretty", ident], ["show", "--json=short", ident],
                  ["list", "--all", "--json=short"]):
        with Terminal("execctl", *words, env={"PAGER": "cat"}) as t:
            assert t.wait() == 0
            json.loads(t.seen)
            assert ident.encode() in t.seen
            assert not any(c.encode() in t.seen for c in "\x9b\x85\u202e\u2066\u061c\x1b"), (words, t.seen)
    seen = json.loads(execctl("status", "--json=short", ident).out)
    assert seen["arguments"] == ["echo", text] and seen["labels"] == {"job": text}
