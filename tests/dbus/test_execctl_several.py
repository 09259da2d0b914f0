# SPDX-License-Identifier: LGPL-2.1-or-later
"""execctl run and shell in several containers."""

import os
import signal
import subprocess

import pytest

import helper
from helper import Terminal, execctl, shell, wait_for


@pytest.mark.parametrize("words, names", [
    (["--all", "--"], ["booted", "userns", "web"]), (["web,booted"], ["booted", "web"]), (["[wb]*", "--"], ["booted", "web"]),
    (["web,w*,web"], ["web"]), (["*"], ["booted", "userns", "web"]),
])
def test_output_has_labels(words, names):
    r = execctl("run", *words, "sh", "-c", "echo out; echo err >&2; printf rest")
    width = max(map(len, names)) + 2
    labels = [f"{name}:".ljust(width) for name in names]
    assert sorted(r.out.decode().splitlines()) == sorted(f"{k}{text}" for k in labels for text in ("out", "rest"))
    *errors, summary = r.err.decode().splitlines()
    assert sorted(errors) == sorted(f"{k}err" for k in labels)
    assert summary == f"Succeeded in {len(names)} container{'s' if len(names) > 1 else ''}." and r.status == 0


# Up, to the first column, another container's name and text; where is the cursor; the clipboard; a new name after a return.
FORGED = b"a\x1b[1A\rbooted: all is well\x1b[K\x1b[6n\x1b]52;c;eA==\x07\rweb: x\tb\xe2\x80\xae\r"
SHOWN = (b"a\\x1b[1A\\x0dbooted: all is well\\x1b[K\\x1b[6n\\x1b]52;c;eA==\\x07\\x0dweb: x\tb\\u202e")


def test_output_does_not_act_on_the_terminal(tmp_path):
    """No container can rewrite the lines of the others, or make the terminal answer."""
    octal = "".join(f"\\{byte:03o}" for byte in FORGED)
    words = ["web,booted", "--", "sh", "-c", f"[ $(hostname) = booted ] || for f in 1 2; do printf '{octal}\\n' >&$f; done"]
    with Terminal("execctl", "run", *words) as t:
        assert t.wait() == 0
        assert t.seen.count(SHOWN + b"\r\n") == 2, t.seen
        assert not any(text in t.seen for text in (b"\x1b[1A", b"\x1b[6n", b"\x1b]", b"\x1b[K"))
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nsh -c \"$3\" >{tmp_path}/1 2>{tmp_path}/2; status=$?\n"
                   f"cat {tmp_path}/1; cat {tmp_path}/2 >&2; exit $status\n")
    ssh.chmod(0o755)
    with Terminal("execctl", "-H", "there", "run", *words, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) as t:
        assert t.wait() == 0
        assert t.seen.count(SHOWN + b"\r\n") == 2, t.seen
    r = execctl("run", *words)
    assert r.out == b"web:    " + FORGED + b"\n" and r.out in r.err, "a pipe gets it as it is"


def test_exit_status_and_summary():
    r = execctl("run", "web,booted,userns", "--", "sh", "-c", '[ $(hostname) = web ] && exit 3; [ $(hostname) = booted ] && exit 9; true')
    assert r.status == 9 and not r.out
    assert r.err == b"Failed in 2 of 3 containers: web (exit status 3), booted (exit status 9).\n"
    r = execctl("run", "-q", "web,nosuch", "--", "true")
    assert r.status == 1 and r.err == b"nosuch: execctl: No such container: nosuch\n"


@pytest.mark.parametrize("words, message", [
    (["run", "nosuch*", "--", "true"], 'No running container matches "nosuch*".'),
    (["run", "web,", "--", "true"], 'The list of containers "web," has an empty name.'),
    (["run", "-i", "web,booted", "--", "cat"], "--interactive cannot be combined with several containers."),
    (["run", "-t", "--all", "--", "top"], "--tty cannot be combined with several containers."),
    (["run", "--all"],
     "run: too few arguments: execctl run [OPTIONS...] CONTAINER[,CONTAINER...] [--] COMMAND..."),
])
def test_mistakes(words, message):
    r = execctl(*words)
    assert r.status == 1 and r.err.decode() == f"execctl: {message}\n" and not r.out


def test_services_are_not_all_containers():
    """A command for all containers must not run in each service of the host, even where those are listed."""
    path = "/run/execd/execd.conf.d/services.conf"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write("[Daemon]\nListServices=yes\n")
    try:
        shell("systemctl restart execd.service")
        assert b" service " in execctl("containers").out
        for words in (["--all"], ["*"]):
            r = execctl("run", "-q", *words, "--", "echo")
            assert {line.split(b":")[0] for line in r.out.splitlines()} == {b"web", b"booted", b"userns"}
    finally:
        os.unlink(path)
        shell("systemctl restart execd.service")


def test_the_command_keeps_its_words():
    r = execctl("run", "-q", "--all", "--", "echo", "--", "-t")
    assert set(r.out.splitlines()) == {b"web:    -- -t", b"booted: -- -t", b"userns: -- -t"}
    r = execctl("run", "-q", "web,booted", "--", "echo", "--", "--all")
    assert set(r.out.splitlines()) == {b"web:    -- --all", b"booted: -- --all"}


def test_side_by_side(tmp_path):
    """Each waits until the others are there: one after the other they would wait for ever."""
    p = subprocess.Popen(["execctl", "run", "-q", "web,booted", "--", "sh", "-c", "echo there; exec sleep 600"],
                         stdout=subprocess.PIPE)
    assert {p.stdout.readline(), p.stdout.readline()} == {b"web:    there\n", b"booted: there\n"}
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=20) == 128 + signal.SIGTERM, "passed on to all"
    wait_for(lambda: not helper.live_execs(), what="the commands to end")


def test_detached_and_recorded():
    r = execctl("run", "-d", "web,booted", "--", "true")
    found = dict(line.split(": ") for line in r.out.decode().replace("    ", " ").splitlines())
    assert set(found) == {"web", "booted"} and all(execctl("wait", i.strip()).status == 0 for i in found.values())
    r = execctl("run", "--record", "-q", "web,booted", "--", "echo", "recorded")
    assert set(r.out.splitlines()) == {b"web:    recorded", b"booted: recorded"} and r.status == 0


def test_a_reader_that_goes():
    assert shell("execctl run -q web,booted -- yes | head -n 1").split(": ")[1].strip() == "y"
    wait_for(lambda: not helper.live_execs(), what="no yes to be left")


def test_long_lines_and_bytes():
    r = execctl("run", "-q", "web,booted", "--", "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; printf '\\377\\n'")
    of_web = b"".join(line[8:] for line in r.out.split(b"\n") if line.startswith(b"web:"))
    assert of_web == b"x" * 40000 + b"\xff"


def test_shells_one_after_the_other():
    with Terminal("execctl", "shell", "web,booted") as t:
        t.expect("── web ──")
        t.expect("# ")
        t.send("exit 4\n")
        t.expect("── booted ──")
        t.expect("# ")
        t.send("hostname; exit\n")
        t.expect("booted\r\n")
        t.expect("Failed in 1 of 2 containers: web (exit status 4).")
        assert t.wait() == 4 and t.modes() == t.first_modes
    with Terminal("execctl", "shell", "--all", "-q", "hostname") as t:
        assert t.wait() == 0
        assert {b"web", b"booted", b"userns"} == set(t.seen.split())


def test_one_password_at_a_time(rules):
    """Two processes that ask on one terminal would take the keys of each other."""
    rules("""polkit.addRule(function(action, subject) {
        if (action.id == "org.execd1.exec" && subject.user == "user")
            return polkit.Result.AUTH_SELF; });""")
    shell("echo user:secret | chpasswd")
    with Terminal("execctl", "run", "web,booted", "--", "echo", "it ran", user="user", env={"LANG": "C"}) as t:
        for _ in range(2):
            t.expect_password()
            t.send("secret\n")
            t.expect("AUTHENTICATION COMPLETE")
        t.expect("Succeeded in 2 containers.")
        assert t.wait() == 0


def test_on_another_host(tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/bash\nwhile [ \"$1\" != -- ]; do shift; done\nexec sh -c \"$3\"\n")
    ssh.chmod(0o755)
    r = execctl("-H", "there", "run", "-q", "--all", "--", "echo", "--", "x", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert set(r.out.splitlines()) == {b"web:    -- x", b"booted: -- x", b"userns: -- x"}, r
