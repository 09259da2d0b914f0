# SPDX-License-Identifier: LGPL-2.1-or-later
"""execctl where no terminal is involved."""

import hashlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

import helper
from helper import execctl, run, shell, wait_for


def running(ident):
    return helper.exec_property(f"/org/execd1/exec/_{ident}", "State") == "running"


def detached(*words):
    r = execctl("run", "-d", *words)
    assert r.status == 0 and not r.err, r
    ident = r.out.decode().strip()
    assert len(ident) == 64
    return ident


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143),
])
def test_exit_status(script, status):
    assert execctl("run", "web", "--", "sh", "-c", script).status == status
    assert execctl("run", "--on-disconnect=kill", "web", "--", "sh", "-c", script).status == status


def test_options_of_run():
    r = execctl("run", "-e", "A=1", "-e", "FROM_HERE", "-e", "NOT_SET", "-w", "/tmp", "-u", "1:2",
                "--property=TasksMax=17", "--label=team=blue", "web", "--", "sh", "-c", "env; id; pwd",
                env={"FROM_HERE": "yes"})
    lines = r.out.decode().split("\n")
    assert {"A=1", "FROM_HERE=yes", "/tmp"} <= set(lines) and "uid=1 gid=2" in r.out.decode()
    assert "NOT_SET" not in r.out.decode()
    # The words after the container belong to the command, with and without "--".
    assert execctl("run", "web", "echo", "-i", "--help").out == b"-i --help\n"
    assert execctl("run", "web", "--", "echo", "--", "-t").out == b"-- -t\n"


@pytest.mark.parametrize("more", [(), ("-d",), ("--on-disconnect=kill",), ("--record",)], ids=lambda m: "".join(m) or "plain")
def test_limits_that_the_kernel_does_not_enforce(more):
    """They are printed on stderr, once, and the command runs."""
    words = ("--property=MemoryMax=1G", "--property=RuntimeMaxSec=1min", *more, "web", "--", "echo", "here")
    r = execctl("run", *words)
    said = [line for line in r.err.decode().splitlines() if "Warning" in line]
    assert r.status == 0 and r.out.strip() and said == ([] if helper.has_controller("memory") else [
        "Warning: MemoryMax: not enforced, since the kernel has no memory controller in the unified cgroup hierarchy"]), r
    r = execctl("run", "--quiet", *words)
    assert r.status == 0 and not r.err, r
    r = execctl("run", "--property=RuntimeMaxSec=1min", *more, "web", "--", "echo", "here")
    assert b"Warning" not in r.err, r


def test_status_has_the_warnings():
    ident = detached("--quiet", "--property=MemoryMax=1G", "--property=TasksMax=50", "web", "--", "true")
    said = [line.strip() for line in execctl("status", ident).out.decode().splitlines() if "Warning:" in line]
    wanted = [f"{name}: not enforced, since the kernel has no {controller} controller in the unified cgroup hierarchy"
              for name, controller in (("MemoryMax", "memory"), ("TasksMax", "pids")) if not helper.has_controller(controller)]
    assert said == [f"Warning: {text}" for text in wanted]
    assert json.loads(execctl("status", "--json=short", ident).out)["warnings"] == wanted


def test_limits_are_told_before_a_terminal_is_used():
    if not helper.has_controller("pids"):
        with helper.Terminal("execctl", "run", "-t", "--property=TasksMax=50", "web", "--", "echo", "here") as t:
            assert t.wait() == 0
            t.read_some(0)
            warning, _, rest = t.seen.partition(b"\r\n")
            assert warning.startswith(b"Warning: TasksMax: not enforced") and b"here" in rest, t.seen


def test_env_file(tmp_path):
    path = tmp_path / "env"
    path.write_text("# a comment\n\nA=from the file\nB=from \"the\" file\n  FROM_HERE\nNOT_SET\n")
    r = execctl("run", "--env-file", str(path), "-E", "A=given", "web", "--", "env", env={"FROM_HERE": "yes"})
    assert {"A=given", 'B=from "the" file', "FROM_HERE=yes"} <= set(r.out.decode().split("\n")), r
    assert "NOT_SET" not in r.out.decode()
    path.write_text("A=1\nno name\n")
    assert execctl("run", "--env-file", str(path), "web", "--", "env").err.decode() == (
        f'execctl: --env-file: {path}:2: NAME=VALUE or NAME is expected, not "no name"\n')


def test_json_for_whoever_reads():
    assert execctl("containers", "-j").out == execctl("containers", "--json=short").out
    with helper.Terminal("execctl", "containers", "-j", "--no-pager") as t:
        assert t.wait() == 0
        t.read_some(0)
        assert b'[\r\n\t{\r\n\t\t"name" : ' in t.seen


def test_streams_are_apart():
    for more in ([], ["--on-disconnect=kill"]):
        r = execctl("run", *more, "web", "--", "sh", "-c", "echo out; echo err >&2")
        assert (r.out, r.err, r.status) == (b"out\n", b"err\n", 0)


def test_stdin_is_passed_only_when_asked_for():
    assert execctl("run", "web", "--", "cat", stdin=b"hello").out == b""
    assert execctl("run", "-i", "web", "--", "cat", stdin=b"hello").out == b"hello"
    assert execctl("run", "-i", "--on-disconnect=kill", "web", "--", "cat", stdin=b"hello").out == b"hello"


@pytest.mark.parametrize("more", [[], ["--on-disconnect=kill"]], ids=["fds", "stream"])
def test_binary_clean_both_ways(more):
    data = os.urandom(8 << 20) + bytes(range(256)) * 16
    r = execctl("run", "-i", *more, "web", "--", "cat", stdin=data, timeout=60)
    assert r.status == 0 and not r.err
    assert hashlib.sha256(r.out).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("source", ["regular file", "pipe", "socket", "kernel file", "closed", "directory"])
def test_kinds_of_stdin(source, tmp_path):
    redirect = {"regular file": "< /etc/passwd", "kernel file": "< /proc/version", "closed": "<&-",
                "pipe": "< <(cat /etc/passwd)", "socket": "< /etc/passwd", "directory": "< /"}[source]
    expected = {"kernel file": open("/proc/version", "rb").read(), "closed": b"", "directory": b""}.get(
        source, open("/etc/passwd", "rb").read())
    command = ["bash", "-c", f"exec execctl run -i web -- cat {redirect}"]
    if source == "socket":
        command = ["socat", "-t5", "-,ignoreeof", "EXEC:'execctl run -i web -- head -c 9999'"]
        command = ["socat", "OPEN:/etc/passwd,rdonly!!STDOUT", "EXEC:'execctl run -i web -- cat'"]
    r = run(*command)
    assert r.out == expected, r


def test_output_into_files_and_devices(tmp_path):
    path = tmp_path / "out"
    shell(f"execctl run web -- sh -c 'echo one; echo two >&2' > {path} 2>&1")
    assert path.read_text() == "one\ntwo\n"
    shell(f"execctl run web -- echo three >> {path}")
    assert path.read_text() == "one\ntwo\nthree\n"
    assert run("sh", "-c", "execctl run web -- true <&- >&- 2>&-; echo $?").out == b"0\n"


@pytest.mark.parametrize("words", ["list --all", "containers", "top", "history", "help", "--version", "show", "run -d web -- true",
                                   "run web -- echo", "run web,booted -- echo", "run -q web,booted -- echo",
                                   "run -q --record web -- echo", "shell web echo", "logs {}", "logs -f {}", "status {}",
                                   "replay --no-wait {}"])
def test_output_that_cannot_be_written(words):
    """No command that has lost its output has succeeded; a reader that has seen enough is another matter, but not for run."""
    ident = detached("--record", "web", "--", "seq", "3000")
    execctl("wait", ident)
    words = words.format(ident)
    full = run("sh", "-c", f"execctl {words} > /dev/full")
    assert full.status == 1, full
    assert re.fullmatch(rb"execctl: Failed to write (output|to stdout): No space left on device\n", full.err), full
    gone = run("bash", "-c", "mkfifo $0.fifo; exec 3<>$0.fifo 4>$0.fifo 3<&-; rm $0.fifo; exec execctl " + words + " >&4 4>&-",
               f"/tmp/{ident}")
    assert gone.status == (141 if words.split()[0] in ("run", "shell", "replay") and "-d" not in words else 0), gone
    assert not gone.err, gone


def test_errors_that_cannot_be_written():
    for words in ("web", "web,booted", "--record web"):
        r = run("sh", "-c", f"execctl run {words} -- sh -c 'echo >&2' 2> /dev/full")
        assert r.status == 1 and not r.out, (words, r)


def test_status_ends_with_the_last_line():
    """The output follows an empty line; without output there is none."""
    silent, loud = detached("web", "--", "true"), detached("web", "--", "echo", "loud")
    for ident in (silent, loud):
        execctl("wait", ident)
    shell("journalctl --sync")
    assert b"\n\n" not in execctl("status", silent).out
    assert execctl("status", loud).out.endswith(b"\n\n    loud\n")
    assert b"\n\n" not in execctl("status", "--lines=0", loud).out


def test_readers_that_go():
    for more in ("", "--on-disconnect=kill"):
        assert shell(f"execctl run {more} web -- yes | head -n 1") == "y\n"
    wait_for(lambda: not helper.live_execs(), what="no yes to be left")


def test_processes_that_hold_the_output(tmp_path):
    """The end of the command is the end of execctl, whoever else holds the output: it is execctl's own."""
    with open(tmp_path / "out", "w+b") as out:
        done = subprocess.run(["execctl", "run", "web", "--", "sh", "-c", "sleep 600 & echo $!"], stdout=out, timeout=60)
        assert done.returncode == 0
        out.seek(0)
        assert execctl("run", "web", "--", "kill", out.read().decode().strip()).status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_are_forwarded(number):
    for more in ([], ["--on-disconnect=kill"]):
        script = f"trap 'echo got; exit 9' {int(number)}; echo ready; while :; do sleep 0.1; done"
        p = subprocess.Popen(["execctl", "run", *more, "web", "--", "sh", "-c", script], stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"ready\n"
        time.sleep(0.1)  # nothing shows that the shell waits
        p.send_signal(number)
        assert p.stdout.readline() == b"got\n"
        assert p.wait(timeout=30) == 9


def test_on_disconnect():
    for what, ends in (("kill", True), ("hangup", True), ("keep", False)):
        p = subprocess.Popen(["execctl", "run", f"--on-disconnect={what}", "web", "--", "sh", "-c",
                              f"echo {what}; exec sleep 1000"], stdout=subprocess.PIPE)
        assert p.stdout.readline() == f"{what}\n".encode()
        p.kill()
        p.wait()
        if ends:
            wait_for(lambda: not helper.live_execs(), what=f"the end by {what}")
        else:
            helper.let_pass(0.5)
            (left,) = helper.live_execs()
            assert execctl("kill", left[0], "-s", "KILL").status == 0


def test_life_of_a_detached_exec():
    ident = detached("--label=a=b", "web", "--", "sh", "-c", "echo to out; echo to err >&2; read x; sleep 1000")
    prefix = ident[:16]
    rows = json.loads(execctl("list", "--json=short").out)
    row = next(r for r in rows if r["id"] == ident)
    assert row["container"] == "web" and row["state"] == "running" and row["caller"] == 0
    assert prefix[:12] in execctl("list").out.decode()
    assert prefix[:12] not in execctl("list", "--no-legend", "booted").out.decode()
    text = wait_for(lambda: "to out" in (text := execctl("status", prefix).out.decode()) and text, what="its output")
    assert "State: running" in text and f"exec-{ident}.scope" in text
    waiter = subprocess.Popen(["execctl", "wait", prefix])
    helper.let_pass(0.2)
    assert waiter.poll() is None
    assert execctl("kill", prefix, "--signal=SIGKILL", "--all").status == 0
    assert waiter.wait(timeout=30) == 137
    assert execctl("wait", ident).status == 137
    seen = json.loads(execctl("status", "--json=pretty", ident).out)
    assert seen["state"] == "exited" and seen["exit_status"] == 137 and seen["arguments"][0] == "sh"
    assert ident[:12] not in execctl("list").out.decode()
    assert ident[:12] in execctl("list", "--all").out.decode()
    assert ident in execctl("list", "-a", "--full").out.decode()


def test_logs():
    # The last line comes when the others have been shown.
    ident = detached("web", "--", "sh", "-c", "for i in 1 2 3 4; do echo line $i; echo error $i >&2; done; sleep 1; "
                     "echo last")
    r = execctl("logs", "--follow", ident)
    out = [f"line {i}" for i in range(1, 5)] + ["last"]
    assert r.out.decode().split("\n") == out + [""]
    assert r.err.decode().split("\n") == [f"error {i}" for i in range(1, 5)] + [""]
    assert execctl("logs", ident).out == r.out
    assert execctl("logs", "-n", "1", ident).out == b"last\n"
    r = execctl("logs", "--lines=0", ident)
    assert (r.out, r.err) == (b"", b"")


def test_ids_that_begin_alike():
    all_ids = set(helper.ids())
    while not any(sum(i.startswith(c) for i in all_ids) > 1 for c in "0123456789abcdef"):
        all_ids.add(detached("web", "true"))
    first = next(c for c in "0123456789abcdef" if sum(i.startswith(c) for i in all_ids) > 1)
    r = execctl("status", first)
    assert r.status == 1 and b"Several execs" in r.err


def test_containers():
    rows = json.loads(execctl("containers", "--json=short").out)
    assert {"web", "booted", "userns"} <= {r["name"] for r in rows}
    assert all(len(r["id"]) == 64 and r["kind"] == "machine" and r["state"] == "running" for r in rows)
    lines = execctl("containers").out.decode().split("\n")
    assert lines[0].split() == ["NAME", "KIND", "STATE", "ID", "LEADER", "STARTED", "UNIT", "LABELS"]
    assert lines[-2] == f"{len(rows)} containers listed."
    columns = lines[0].index("UNIT")
    assert all(line[columns - 1] == " " and line[columns] != " " for line in lines[1:len(rows) + 1]), "aligned"
    bare = execctl("containers", "--no-legend").out.decode().split("\n")
    assert len(bare) == len(rows) + 1 and "NAME" not in bare[0]
    assert b"\033" not in execctl("containers").out


def test_json_is_json():
    text = 'quote " backslash \\ newline \n tab \t bell \a ünïcode \x9b6n \u202eback'
    ident = detached("web", "--", "echo", text)
    seen = json.loads(execctl("status", "--json=short", ident).out)
    assert seen["arguments"] == ["echo", text]
    assert "\n" not in seen["command"], "escaped"
    assert b"\a" not in execctl("list", "--all").out


def test_logs_keep_their_order():
    """If stdout and stderr are one file, the lines have the order in which they were written."""
    # Two pipes have no order of their own.
    shell("execctl run web -- sh -c 'rm -f /tmp/go-on.*'")
    gate = "until [ -e /tmp/go-on.$n ]; do sleep 0.1; done; n=$((n+1))"
    ident = detached("web", "--", "sh", "-c", f"n=0; for i in 1 2 3; do echo out $i; {gate}; echo err $i >&2; {gate}; done")
    lines = ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", ""]
    for n, line in enumerate(lines[:-1]):
        wait_for(lambda: line in shell(f"execctl logs {ident} 2>&1").split("\n"), what=line)
        assert execctl("run", "web", "--", "touch", f"/tmp/go-on.{n}").status == 0
    execctl("wait", ident)
    shell("journalctl --sync")
    assert shell(f"execctl logs {ident} 2>&1").split("\n") == lines


def test_a_host_that_is_not_there(tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexit 255\n")
    ssh.chmod(0o755)
    r = execctl("-H", "nosuch", "list", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert r.status == 1 and r.err.startswith(b"execctl: Failed to connect to the system bus of nosuch over ssh: "), r


def test_ssh_that_fails(tmp_path):
    """The exit status is ssh's, and a host without execctl has another error than a command that is not found."""
    ssh, sh = tmp_path / "ssh", tmp_path / "bin" / "sh"
    sh.parent.mkdir()
    sh.symlink_to("/bin/sh")
    ssh.write_text("#!/bin/sh\nexit 255\n")
    ssh.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for words in (["run", "web", "--", "id"], ["history"], ["logs", "0"]):
        assert execctl("-H", "nosuch", *words, env=path).status == 255
    ssh.write_text(f"#!/bin/bash\nwhile [ \"$1\" != -- ]; do shift; done\nPATH={sh.parent} exec /bin/sh -c \"$3\"\n")
    r = execctl("-H", "there", "run", "web", "--", "id", env=path)
    assert r.status == 1 and r.err == b"execctl: execd is not installed on there\n", r


def test_logs_and_status_do_not_move_the_cursor():
    ident = detached("web", "--", "printf", "a\\033[2Jb\\n")
    assert execctl("wait", ident).status == 0
    shell("journalctl --sync")
    assert b"\033" not in execctl("status", ident).out
    assert b"a\033[2Jb\n" == execctl("logs", ident).out, "as it is"


def test_no_reply_while_execd_is_restarted():
    """A client that waits for an exec does not notice that execd was restarted."""
    ident = detached("web", "--", "sh", "-c", "exit 5")
    assert execctl("wait", ident).status == 5
    shell("systemctl stop execd.service")
    assert execctl("wait", ident).status == 5, "started again by the bus"


def test_what_is_remembered_is_whole():
    """Of an exec that ended before execd was started, as of one that it has seen."""
    ident = detached("web", "--", "sh", "-c", "exit 5")
    assert execctl("wait", ident).status == 5

    def status():
        return re.sub(rb"; [^;\n]+ ago", b"", execctl("status", "-n0", ident).out)

    before = status()
    shell("systemctl stop execd.service")
    assert status() == before and b'- sh -c "exit 5"\n' in before
    assert b"PID" not in before, "it no longer has one"
    row = next(r for r in json.loads(execctl("list", "--all", "--json=short").out) if r["id"] == ident)
    assert row["command"] == 'sh -c "exit 5"'


def test_quoting_for_a_remote_host(tmp_path):
    """With -H, run goes through ssh, and the arguments arrive as they were typed."""
    ssh = tmp_path / "ssh"
    # Stands for ssh and the shell at the other end: prints its own options, and runs the words that are for there.
    ssh.write_text("#!/bin/bash\nwhile [ \"$1\" != -- ]; do echo \"option $1\" >&2; shift; done\n"
                   "echo \"host $2\" >&2\nexec sh -c \"$3\"\n")
    ssh.chmod(0o755)
    nasty = ["a b", "it's", '"', "$HOME", "`id`", "*", "", "-t", "--", "\\", "new\nline"]
    r = execctl("-H", "me@there:2222", "run", "-i", "-e", "A=x y", "web", "--", "sh", "-c",
                'echo "$A"; cat; for i; do echo "<$i>"; done', "sh", *nasty, stdin=b"in\n",
                env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert r.err.decode() == "option -T\noption -p\noption 2222\nhost me@there\n"
    assert r.out.decode() == "x y\nin\n" + "".join(f"<{w}>\n" for w in nasty)


def cpu_of_execd():
    return helper.cpu_seconds(helper.service_pid("execd.service"))


@pytest.mark.slow
def test_a_gibibyte_costs_execd_nothing():
    execctl("run", "web", "--", "true")
    before = cpu_of_execd()
    size = 1 << 30
    count = shell(f"head -c {size} /dev/zero | execctl run -i web -- cat | wc -c", timeout=110)
    assert int(count) == size
    assert cpu_of_execd() - before < 0.3
