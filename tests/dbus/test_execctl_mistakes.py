# SPDX-License-Identifier: LGPL-2.1-or-later
"""Typical mistakes, and the answers of execctl: one line that says what is wrong and what to do."""

import os
import re

import pytest

from helper import TREE, execctl, run, shell

# (words, exit status, the whole message without "execctl: "; "..." stands for what differs between systems)
MISTAKES = [
    # The command.
    ("nosuch", 1, 'Unknown command "nosuch". See "execctl help".'),
    ("exec web id", 1, 'Unknown command "exec". Did you mean "run"?'),
    ("login web", 1, 'Unknown command "login". Did you mean "shell"?'),
    ("ps", 1, 'Unknown command "ps". Did you mean "list"?'),
    ("lst", 1, 'Unknown command "lst". Did you mean "list"?'),
    ("stauts 0", 1, 'Unknown command "stauts". Did you mean "status"?'),
    ("cont", 1, 'Unknown command "cont". Did you mean "containers"?'),
    ("web id", 1, 'Unknown command "web". See "execctl help".'),
    ("help nosuch", 1, 'There is no command "nosuch" to help with. See "execctl help".'),
    # Arguments.
    ("run", 1, "run: too few arguments: execctl run [OPTIONS...] CONTAINER[,CONTAINER...] [--] COMMAND..."),
    ("run web", 1, "run: too few arguments: execctl run [OPTIONS...] CONTAINER[,CONTAINER...] [--] COMMAND..."),
    ("run -- web", 1, "run: too few arguments: execctl run [OPTIONS...] CONTAINER[,CONTAINER...] [--] COMMAND..."),
    ("status", 1, "status: too few arguments: execctl status [OPTIONS...] EXEC..."),
    ("wait", 1, "wait: too few arguments: execctl wait [OPTIONS...] EXEC"),
    ("containers web", 1, "containers: too many arguments: execctl containers [OPTIONS...]"),
    ("run web -i -- cat", 1, 'The option "-i" must precede the container. If it is a command, write "--" before it.'),
    ("shell web --user=app", 1, 'The option "--user=app" must precede the container. If it is a command, write "--" before it.'),
    ("run web -- -i", 127, '"-i": executable file not found in $PATH'),
    ("list a b", 1, "list: too many arguments: execctl list [OPTIONS...] [CONTAINER]"),
    ("kill 0123456789", 1, 'There is no exec "0123456789" that you may see. "execctl list --all" shows execs.'),
    ("kill not-an-id", 1, '"not-an-id" is not the ID of an exec, nor the beginning of one. "execctl list" shows execs.'),
    ("wait " + "0" * 64, 1, 'There is no exec "...0" that you may see. "execctl list --all" shows execs.'),
    ("status " + "0" * 65, 1, '"' + "0" * 65 + '" is not the ID of an exec, nor the beginning of one. "execctl list" shows execs.'),
    # Options.
    ("run --nosuch web -- true", 1, "unrecognized option '--nosuch'"),
    ("run -i -u", 1, "option requires an argument -- 'u'"),
    ("list -i", 1, 'The command "list" does not take the option -i, which is for "run", "shell", "attach".'),
    ("list --speed=2", 1, 'The command "list" does not take the option --speed, which is for "replay".'),
    ("--all wait 0", 1, 'The command "wait" does not take the option --all, which is for ...'),
    ("logs --privileged 0", 1,
     'The command "logs" does not take the option --privileged, which is for "run", "shell".'),
    ("run --property=Nice web -- true", 1, '--property: NAME=VALUE is expected, not "Nice"'),
    ("run -p Nice=1 web -- true", 1, "--property: Nice cannot be set; allowed are MemoryMin, ..."),
    ("run -p MemoryMax=10X web -- true", 1, '--property: MemoryMax: invalid value "10X", expected bytes ...'),
    ("run -w tmp web -- true", 1, '--working-directory: an absolute path is expected, not "tmp"'),
    ("run -e =x web -- true", 1, '--setenv: NAME=VALUE or NAME is expected, not "=x"'),
    ("run --setenv= web -- true", 1, '--setenv: NAME=VALUE or NAME is expected, not ""'),
    ("run -d -i web -- cat", 1, "--interactive cannot be combined with --detach, except with --tty."),
    ("run -u 99999999999 web -- true", 1, "--user: uids and gids must be in range 0-..."),
    ("run -w /" + "a" * 5000 + " web -- true", 1, "--working-directory: longer than 4096 bytes"),
    ("run " + "--label=a=b " * 65 + "web -- true", 1, "--label: more than 64"),
    ("list --label=", 1, '--label: NAME or NAME=VALUE is expected, not ""'),
    ("containers --label==x", 1, '--label: NAME or NAME=VALUE is expected, not "=x"'),
    ("list --container=", 1, "--container: a name or an ID is expected"),
    ("history --lines=-1", 1, '--lines: a number or "all" is expected, not "-1"'),
    ("history --lines=+1", 1, '--lines: a number or "all" is expected, not "+1"'),
    ("history --since=2026-11-30 --until=2026-11-29", 1, "--since is later than --until."),
    ("run --label==x web -- true", 1, '--label: NAME=VALUE is expected, not "=x"'),
    ("run --on-disconnect=never web -- true", 1, '--on-disconnect: keep, hangup or kill is expected, not "never"'),
    ("run --env-file=/nosuch web -- true", 1, "--env-file: failed to open /nosuch: No such file or directory"),
    ("run --env-file=/proc/version web -- true", 1,
     '--env-file: /proc/version:1: NAME=VALUE or NAME is expected, not "...'),
    ("run --detach-keys=nonsense -t web -- true", 1, "--detach-keys: Invalid escape keys (nonsense) provided: ..."),
    ("shell -d web", 1, "--detach cannot be combined with shell."),
    ("shell -u app root@web", 1, 'The user is given twice, in "root@web" and with --user.'),
    ("list --json=nosuch", 1, '--json: short, pretty or off is expected, not "nosuch"'),
    ("kill -s NOSUCH 0", 1, '--signal: there is no signal "NOSUCH"'),
    # Errors of the container.
    ("list nosuch", 1, "No such container: nosuch"),
    ("list " + "a" * 300, 1, "the name or ID of a container has at most 256 bytes"),
    ("run nosuch -- true", 1, "No such container: nosuch"),
    ("run -u nosuch web -- true", 1, "unable to find user nosuch: no matching entries in passwd file"),
    ("shell nosuch@web", 1, "unable to find user nosuch: no matching entries in passwd file"),
    ("run web -- nosuch", 127, '"nosuch": executable file not found in $PATH'),
    ("run -t web -- nosuch", 127, '"nosuch": executable file not found in $PATH'),
    ("run -w /nosuch web -- true", 127, 'chdir to cwd ("/nosuch") failed: no such file or directory'),
    ("run -p RuntimeMaxSec=100ms web -- sleep 600", 143, "The command has reached RuntimeMaxSec and was ended."),
    ("run -t -p RuntimeMaxSec=100ms web -- sleep 600", 143, "The command has reached RuntimeMaxSec and was ended."),
    ("run web -- /etc", 126, "...is a directory"),
]


@pytest.mark.parametrize("words, status, message", MISTAKES, ids=[words[:40] for words, _, _ in MISTAKES])
def test_mistakes(words, status, message):
    r = execctl(*words.split())
    assert r.status == status and not r.out, r
    pattern = "execctl: " + ".*".join(re.escape(part) for part in message.split("...")) + "\n"
    assert re.fullmatch(pattern, r.err.decode()), r


def test_help_of_a_command():
    whole, of_run = execctl("help").out.decode(), execctl("help", "run").out.decode()
    assert execctl("run", "--help").out.decode() == of_run == execctl("run", "-h", "web").out.decode()
    assert execctl("--help").out.decode() == whole
    assert "execctl run [OPTIONS...] CONTAINER[,CONTAINER...] [--] COMMAND..." in of_run and "--env-file=FILE" in of_run
    assert "--speed" not in of_run and "--speed" in execctl("replay", "--help").out.decode()
    assert all(len(line) <= 100 for line in (whole + of_run).split("\n"))
    # After the container, --help is the command's.
    assert execctl("run", "web", "--", "echo", "--help").out == b"--help\n"


VERBS = ("list", "containers", "top", "history", "recordings", "status", "show", "logs", "run", "shell", "help")


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"}])
def test_a_locale_without_utf8(locale):
    """Everything is ASCII then; a part of a character could be a control of the terminal's own character set."""
    execctl("wait", execctl("run", "-d", "web", "--", "true", "\u011b").out.decode().strip())
    ident = execctl("run", "-d", "web", "--", "false").out.decode().strip()
    execctl("wait", ident)
    said = b""
    for words in (("status", ident), ("list", "--all"), ("containers",), ("history", "-n", "3"), ("help",), ("help", "run"), ("nosuch",),
                  *((verb, "--nosuch") for verb in VERBS), *((verb, "--help") for verb in VERBS), ("run",), ("kill",),
                  ("shell", "--no-ask-password", "web,booted", "true")):
        done = run("execctl", *words, env=locale)
        said += done.out + done.err
    assert said.isascii(), [line for line in said.split(b"\n") if not line.isascii()]
    assert b"x " + ident[:12].encode() in said and b"-- web --" in said and b'true "??"\n' in said
    for program in ("execd", "execd-spawner"):
        assert run(f"/usr/lib/execd/{program}", "--help", env=locale).out.isascii()


@pytest.mark.parametrize("locale", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""},
                                    {"LC_ALL": "xx_XX.UTF-8"}, {"LC_ALL": "xx_XX.utf8"}])
def test_a_locale_with_utf8(locale):
    """Also if it is not installed, or none was chosen, which is how programs of systemd have it."""
    ident = execctl("run", "-d", "web", "--", "false").out.decode().strip()
    execctl("wait", ident)
    assert run("execctl", "status", ident, env=locale).out.decode().startswith("× " + ident[:12])


def test_an_empty_name():
    for words in (["list", ""], ["top", ""], ["show", ""], ["run", "", "--", "true"], ["shell", ""]):
        r = execctl(*words)
        assert r.status == 1 and r.err == b"execctl: the name or ID of a container is empty\n" and not r.out, r


@pytest.fixture
def disabled():
    shell("systemctl disable -q --now execd.socket execd-spawner.socket execd.service execd-spawner.service")
    yield
    shell("systemctl enable -q --now execd.socket execd-spawner.socket")


def test_execd_that_is_disabled(disabled):
    """Each command that asks execd says so, and does not wait."""
    message = b"execctl: execd is disabled. To enable it: systemctl enable --now execd.socket execd-spawner.socket\n"
    for words in ("list", "containers", "top", "status abc", "show", "events", "logs abc", "replay abc", "recordings", "kill abc",
                  "wait abc", "attach abc", "run web -- true", "run --all -- true", "shell web"):
        r = execctl(*words.split())
        assert (r.status, r.out, r.err) == (1, b"", message), (words, r)


def test_a_bus_that_is_not_there():
    r = run("execctl", "list", env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nosuch"})
    assert r.status == 1 and r.err == b"execctl: Failed to connect to the system bus: No such file or directory\n"


@pytest.mark.parametrize("text", ["\u202e", "\u2066x", "\u200f", "\u2028", "\u061c", "\x1b]0;", "\x9b2J"])
def test_messages_show_what_is_there(text):
    """Nothing of a name turns the rest of a message around, moves it, or commands the terminal."""
    for words in ((f"a{text}b",), ("kill", f"a{text}b"), ("run", "web", "--", f"/a{text}b")):
        done = run("execctl", *words)
        assert done.status != 0 and text.encode() not in done.err, done
        assert b"?" in done.err or b"\\x" in done.err, done


@pytest.mark.parametrize("script", ["activate", "quickstart", "build-deb", "pictures/make"])
def test_scripts(script):
    r = run(f"{TREE}/packaging/{script}", "--nosuch")
    first, rest = r.err.decode().split("\n", 1)
    assert r.status == 2 and not r.out, r
    assert first == f"{os.path.basename(script)}: unexpected argument '--nosuch'" and rest.startswith("usage: "), r
