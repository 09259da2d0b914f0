# SPDX-License-Identifier: LGPL-2.1-or-later
"""Texts that are longer than what is kept of them, in characters of several bytes: the journal, polkit and D-Bus take nothing
but whole characters."""

import json

import pytest

import helper
from bus import Bus, BusError
from helper import as_user, execctl, manager, shell

# With these before them, each limit of bytes is within one of the characters twice.
BEGINNINGS = ["", "x", "xx"]
MANY = "\u20ac" * 2000


def records(exec_id):
    return [json.loads(line) for line in shell(f"journalctl --sync; journalctl --all -o json EXEC_ID={exec_id}").splitlines()]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_command_that_is_cut_is_shown(beginning):
    """It does not hide itself from the journal, and not the other execs from those who list them."""
    exec_id, path = manager("CreateExec", "sasa{sv}", "web", "2", "true", beginning + MANY, "0")
    assert exec_id in {e[0] for e in helper.execs()}
    assert execctl("list", "--all").status == 0
    assert helper.exec_call(path, "Start") is None
    helper.wait_for(lambda: helper.exec_property(path, "State") == "exited")
    seen = helper.wait_for(lambda: len(r := records(exec_id)) == 3 and r)
    for r in seen:
        assert "\u20ac" in r["MESSAGE"] and r["EXEC_CMDLINE"].startswith("true "), r


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_polkit_is_asked_about_a_command_that_is_cut(beginning):
    assert as_user("execctl", "run", "web", "--", "true", beginning + MANY, user="member").status == 0


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("directory", ["", "/"])
def test_error_that_is_cut_is_answered(directory, beginning):
    """The name of the program is in the error, which has a limit of its own."""
    with pytest.raises(BusError, match="CommandNot"):
        Bus().manager("Run", "sas", "web", [directory + beginning + MANY[:600]], timeout=30)


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_quoted_text_that_is_cut_is_answered(beginning):
    with pytest.raises(BusError, match="unknown exec"):
        Bus().manager("CheckAccess", "ssa{sv}", "manage", (beginning + MANY)[:300], {}, timeout=30)
    with pytest.raises(BusError, match="Env"):
        Bus().manager("CreateExec", "sasa{sv}", "web", ["true"], {"Env": ("as", ["=" + beginning + MANY])}, timeout=30)
