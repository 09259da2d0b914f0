# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion of execctl in the shells themselves, each on a terminal."""

import re
import shutil

import pytest

import helper
from helper import Terminal, execctl

ESCAPES = re.compile(rb"\x1b(\[[0-9;?]*[a-zA-Z]|[=>()][A-Z0-9]?|\][^\x07]*\x07)|[\x07\x0f\r]")

BASH = ["bash", "--norc", "--noprofile", "-i"]
BASH_BEGIN = """PS1='> '; bind 'set show-all-if-ambiguous on' 'set completion-query-items 0' 2>/dev/null
bind 'set show-all-if-ambiguous on'; bind 'set completion-query-items 0'; bind 'set page-completions off'
bind 'set enable-bracketed-paste off'; . /usr/share/bash-completion/completions/execctl
"""
ZSH = ["zsh", "-f", "-i"]
ZSH_BEGIN = """PS1='> '; unset zle_bracketed_paste; bindkey -e; autoload -Uz compinit; compinit -u -D; LISTMAX=9999
"""
FISH = ["fish", "-i"]
FISH_BEGIN = """function fish_prompt; echo -n '> '; end; function fish_greeting; end
"""
SHELLS = {"bash": (BASH, BASH_BEGIN), "zsh": (ZSH, ZSH_BEGIN), "fish": (FISH, FISH_BEGIN)}


class Shell(Terminal):
    def __init__(self, name):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed here")
        argv, begin = SHELLS[name]
        super().__init__(*argv, rows=200, columns=150, env={"TERM": "xterm", "HOME": "/nonexistent", "LANG": "C.UTF-8"})
        self.name = name
        self.send(begin)
        self.send("echo rea''dy\n")
        self.expect("ready\r\n")
        self.expect("> ")

    def complete(self, line):
        """The line after a TAB, and the words that were shown meanwhile."""
        self.send(line + "\t")
        # Input that is typed meanwhile waits for the completion. The line is printed in place of being executed.
        self.send("\x01echo 'line='\"[\x05]\"\n")
        seen = ESCAPES.sub(b"", self.expect(b"line=[") + self.expect(b"]"))
        self.expect("> ")
        return seen.rpartition(b"line=[")[2].decode()[:-1], set(re.findall(r"[^\s]+", seen.decode()))


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request):
    with Shell(request.param) as s:
        yield s


def test_what_is_unique_is_inserted(shell):
    ident = execctl("run", "-d", "web", "--", "sleep", "600").out.decode().strip()
    for typed, line in (("execctl cont", "execctl containers "), ("execctl his", "execctl history "),
                        ("execctl run we", "execctl run web "), ("execctl run -i we", "execctl run -i web "),
                        ("execctl run -u app we", "execctl run -u app web "),
                        ("execctl --no-pager shel", "execctl --no-pager shell "),
                        ("execctl list user", "execctl list userns "),
                        ("execctl run --env-f", "execctl run --env-file="),
                        ("execctl history --sin", "execctl history --since="),
                        ("execctl kill --sig", "execctl kill --signal="),
                        ("execctl list --state=fai", "execctl list --state=failed "),
                        (f"execctl kill {ident[:10]}", f"execctl kill {ident[:12]} "),
                        ("execctl help repl", "execctl help replay ")):
        assert shell.complete(typed)[0].rstrip(" =") == line.rstrip(" ="), typed


def test_options_are_those_of_the_command(shell):
    if shell.name == "fish":
        return  # it shows them in a pager of its own; see below
    line, words = shell.complete("execctl run --")
    assert line == "execctl run --"
    assert {"--user=", "--tty", "--property=", "--env-file="} <= {w + ("=" if w in ("--user", "--property", "--env-file")
                                                                      else "") for w in words}
    assert not any(w.startswith(("--speed", "--since", "--state")) for w in words)
    _, words = shell.complete("execctl replay --")
    assert any(w.startswith("--speed") for w in words) and "--tty" not in words
    _, words = shell.complete("execctl history --")
    assert any(w.startswith("--until") for w in words) and "--tty" not in words


def test_nothing_after_the_container(shell):
    """The words after the container belong to a command that runs elsewhere."""
    line, words = shell.complete("execctl run web --ver")
    assert line == "execctl run web --ver"
    line, _ = shell.complete("execctl run web we")
    assert line == "execctl run web we"


def test_bash_shows_nothing_twice():
    with Shell("bash") as s:
        s.send("execctl run --\t")
        s.send("\x01echo 'line='\"[\x05]\"\n")
        seen = ESCAPES.sub(b"", s.expect(b"line=[")).decode()
        words = [w for w in re.findall(r"--[a-z-]+=?", seen.split("\n", 1)[1]) if w != "--"]
        shown = [w for w in words if w in ("--user=", "--uid=", "--tty", "--setenv=", "--quiet")]
        assert sorted(shown) == sorted(set(shown)) and len(shown) == 5, seen
        s.expect("> ")
        ident = execctl("run", "-d", "web", "--", "sleep", "600").out.decode().strip()[:12]
        assert s.complete(f"execctl kill {ident} {ident[:8]}")[0] == f"execctl kill {ident} {ident[:8]}", "given already"


def test_fish_lists():
    if not shutil.which("fish"):
        pytest.skip("fish is not installed here")

    def offered(line):
        r = helper.run("fish", "-c", f"complete -C '{line}'", env={"HOME": "/nonexistent"})
        return {word.split("\t")[0] for word in r.out.decode().splitlines()}

    assert {"run", "history", "show", "containers"} <= offered("execctl ")
    assert {"web", "booted", "userns"} <= offered("execctl run ")
    assert {"--user=", "--tty", "--env-file="} & offered("execctl run --") and "--speed" not in str(offered("execctl run --"))
    assert "--speed=" in offered("execctl replay --") or "--speed" in offered("execctl replay --")
    assert offered("execctl run web --") == set() and offered("execctl list --state=") >= {"--state=running"}
