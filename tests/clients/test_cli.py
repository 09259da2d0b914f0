# SPDX-License-Identifier: LGPL-2.1-or-later
"""The docker command line."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import target as targets
import wire


@pytest.fixture
def web(target):
    return target.container


def running_like(api, text):
    """The execs of the container that run and have `text` in their command."""
    ids = api.get(f"/containers/{api.container}/json").json()["ExecIDs"] or []
    seen = [api.inspect(i) for i in ids]
    return [s for s in seen if s["Running"] and s["Pid"] and text in " ".join(s["ProcessConfig"]["arguments"])]


@pytest.fixture
def mark(api):
    """A word for a command line; processes that have it and still run in the end are killed."""
    word = wire.unique_name("mark")
    yield word
    for seen in running_like(api, word):
        os.kill(seen["Pid"], signal.SIGKILL)


def test_output(cli, web):
    done = cli.exec(web, "sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")


@pytest.mark.parametrize("code", [0, 1, 2, 42, 126, 127, 137, 143, 255])
def test_exit_code(cli, web, code):
    assert cli.exec(web, "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("signal_number,code", [("KILL", 137), ("TERM", 143)])
def test_killed(cli, web, signal_number, code):
    assert cli.exec(web, "sh", "-c", f"kill -{signal_number} $$").returncode == code


def test_not_found(cli, target, web):
    done = cli.exec(web, "nosuch")
    assert done.returncode == (127 if target.is_execd else 126)
    assert b'exec: "nosuch": executable file not found in $PATH' in done.stdout + done.stderr


def test_not_executable(cli, web):
    done = cli.exec(web, "/etc/passwd")
    assert done.returncode == 126
    assert b"permission denied" in done.stdout + done.stderr


def test_no_such_container(cli):
    done = cli.exec("nosuch", "true")
    assert done.returncode == 1
    assert b"No such container: nosuch" in done.stderr


def test_stdin(cli, web):
    assert cli.exec("-i", web, "cat", stdin=b"hello\n").stdout == b"hello\n"


def test_stdin_is_not_passed_without_i(cli, web):
    assert cli.exec(web, "cat", stdin=b"hello\n").stdout == b""


def test_50_mb_through_cat(cli, web):
    data = os.urandom(1 << 20) * 50
    done = cli.exec("-i", web, "cat", stdin=data, timeout=120)
    assert done.returncode == 0
    assert hashlib.sha256(done.stdout).hexdigest() == hashlib.sha256(data).hexdigest()


def test_50_mb_out(cli, web):
    done = cli.exec(web, "head", "-c", "50000000", "/dev/zero", timeout=120)
    assert len(done.stdout) == 50000000


def test_environment(cli, web, tmp_path):
    file = tmp_path / "env"
    file.write_text("# comment\nFILE=1\nBOTH=file\nUNSET_IN_FILE\n")
    done = cli.exec("--env-file", str(file), "-e", "A=b c", "-e", "BOTH=option", "-e", "FROM_HERE", "-e", "NOT_SET", web,
                    "env", env={"FROM_HERE": "yes"})
    env = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert (env["FILE"], env["A"], env["BOTH"], env["FROM_HERE"]) == ("1", "b c", "option", "yes")
    assert "NOT_SET" not in env and "UNSET_IN_FILE" not in env


def test_bare_name_removes(cli, web):
    assert b"HOSTNAME=" not in cli.exec("-e", "HOSTNAME", web, "env").stdout


@pytest.mark.parametrize("user,out", [("app", b"1000:1000\n"), ("1000", b"1000:1000\n"), ("app:wheel", b"1000:10\n"),
                                      ("4242", b"4242:0\n"), ("0:10", b"0:10\n")])
def test_user(cli, web, user, out):
    assert cli.exec("-u", user, web, "sh", "-c", "echo $(id -u):$(id -g)").stdout == out


def test_unknown_user(cli, web, target):
    done = cli.exec("-u", "nosuch", web, "true")
    assert done.returncode == (1 if target.is_execd else 126)
    assert b"unable to find user nosuch: no matching entries in passwd file" in done.stdout + done.stderr


def test_working_directory(cli, web):
    assert cli.exec("-w", "/tmp", web, "pwd").stdout == b"/tmp\n"


def test_privileged(cli, web, target):
    def effective(*options):
        return int(re.search(rb"CapEff:\s*(\w+)", cli.exec(*options, web, "cat", "/proc/self/status").stdout)[1], 16)
    with open("/proc/self/status") as f:
        own = int(re.search(r"CapBnd:\s*(\w+)", f.read())[1], 16)
    with open("/proc/sys/kernel/cap_last_cap") as f:
        everything = (1 << int(f.read()) + 1) - 1
    if not target.is_execd and own != everything:
        # runc asks for all capabilities there are and has to give up where root itself lacks some.
        assert b"unable to apply caps" in cli.exec("--privileged", web, "true").stdout
        return
    assert effective("--privileged") == own
    assert effective() != own


def test_detached(cli, web, api, mark):
    done = cli.exec("-d", web, "sh", "-c", f"sleep 30; : {mark}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(running_like(api, mark)) == 1


def test_detached_not_found(cli, web):
    done = cli.exec("-d", web, "nosuch")
    assert done.returncode != 0
    assert b"executable file not found" in done.stderr


def test_interrupted_client_leaves_the_command(cli, web, api, mark):
    # A shell's background jobs ignore SIGINT, and so would what they start.
    with cli.popen("exec", web, "sh", "-c", f"sleep 30; : {mark}", stdout=subprocess.DEVNULL,
                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        targets.wait_until(lambda: running_like(api, mark))
        process.send_signal(signal.SIGINT)
        process.wait(30)
    targets.let_pass(0.3)
    assert len(running_like(api, mark)) == 1


# On a terminal.

def test_tty_without_a_terminal(cli, web):
    done = cli.exec("-it", web, "true")
    assert done.returncode == 1
    assert b"the input device is not a TTY" in done.stderr


def test_tty_output(cli, web):
    done = cli.exec("-t", web, "sh", "-c", "tty; echo $TERM")
    assert done.returncode == 0
    assert re.fullmatch(rb"/dev/pts/\d+\r\nxterm\r\n", done.stdout)


def test_interactive_shell(cli, web):
    with cli.terminal("exec", "-it", web, "/bin/sh") as t:
        t.type(b"echo $((6*7))\r")
        t.expect(b"42\r\n")
        t.type(b"exit 5\r")
        assert t.wait() == 5


def test_window_size(cli, web):
    with cli.terminal("exec", "-it", web, "/bin/sh", rows=33, columns=99) as t:
        t.type(b"until stty -a | grep -q 'columns 99'; do sleep 0.1; done; stty -a\r")
        t.expect(b"rows 33; columns 99;")
        t.resize(44, 111)
        t.type(b"until stty -a | grep -q 'columns 111'; do sleep 0.1; done; stty -a\r")
        t.expect(b"rows 44; columns 111;")
        t.type(b"exit\r")
        assert t.wait() == 0
        assert b"failed to resize" not in t.output


def test_window_change_signals_the_command(cli, web):
    script = "trap 'echo changed' WINCH; echo ready; while :; do sleep 0.1; done"
    with cli.terminal("exec", "-it", web, "sh", "-c", script) as t:
        t.expect(b"ready\r\n")
        columns = 100
        while b"changed\r\n" not in t.output:
            # Nothing shows that the client watches its window, which it may not do at first.
            assert columns < 130, t.output
            columns += 1
            t.resize(40, columns)
            with contextlib.suppress(TimeoutError):
                t.expect(b"changed\r\n", timeout=1)
                break
        t.type(b"\x03")
        assert t.wait() == 130


@pytest.mark.parametrize("options,keys", [([], b"\x10\x11"), (["--detach-keys", "ctrl-x,x"], b"\x18x"),
                                          (["--detach-keys", "~"], b"~")])
def test_detach_keys(cli, web, api, mark, options, keys):
    """The command lives on; the client says so by its exit code."""
    with cli.terminal("exec", "-it", *options, web, "sh", "-c", f"echo ready; sleep 30; : {mark}") as t:
        t.expect(b"ready\r\n")
        t.type(keys)
        assert t.wait() in (0, 1)
    targets.let_pass(0.3)
    assert len(running_like(api, mark)) == 1


def test_invalid_detach_keys(cli, web):
    done = cli.exec("--detach-keys", "abcd", "-t", web, "true")
    assert done.returncode == 1
    assert b"nvalid" in done.stderr and b"abcd" in done.stderr


def test_end_of_file_on_a_terminal(cli, web):
    with cli.terminal("exec", "-it", web, "cat") as t:
        time.sleep(0.3)  # nothing shows that the terminal is raw
        t.type(b"word\r")
        t.expect(b"word\r\nword\r\n")
        t.type(b"\x04")
        assert t.wait() == 0


# Other commands.

def test_ps(cli, target, web):
    assert web in cli("ps", "--format", "{{.Names}}").stdout.decode().split()
    full = cli("ps").stdout.decode()
    assert "CONTAINER ID" in full and web in full


def test_ps_filters(cli, web, api):
    container_id = api.get(f"/containers/{web}/json").json()["Id"]
    assert cli("ps", "-q", "--no-trunc", "-f", f"name=^/{web}$").stdout.decode().split() == [container_id]
    assert cli("ps", "-aq", "-f", "name=nosuch").stdout == b""
    assert cli("ps", "-a", "-f", "bogus=1").returncode == 1


def test_inspect(cli, web):
    done = cli("inspect", web)
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["Name"] == f"/{web}"
    assert cli("inspect", "-f", "{{.State.Running}}", web).stdout == b"true\n"


def test_inspect_of_nothing(cli):
    done = cli("inspect", "--type", "container", "nosuch")
    assert done.returncode == 1
    assert b"No such container: nosuch" in done.stderr


def test_inspect_of_nothing_of_any_kind(cli, web):
    """The command asks for containers, images, networks, and so on; execd has only the first."""
    done = cli("inspect", "nosuch")
    assert done.returncode == 1 and done.stderr.rstrip() == b"Error: No such object: nosuch", done
    done = cli("inspect", web, "nosuch")
    assert done.returncode == 1 and b'"Id"' in done.stdout and done.stderr.rstrip() == b"Error: No such object: nosuch", done


def test_top(cli, web, mark):
    cli.exec("-d", web, "sh", "-c", f"sleep 30; : {mark}")
    done = cli("top", web)
    assert done.returncode == 0
    assert done.stdout.startswith(b"UID") and mark.encode() in done.stdout
    assert cli("top", web, "-o", "pid,comm").stdout.split()[:2] == [b"PID", b"COMMAND"]


def test_version(cli):
    done = cli("version", "--format", "{{.Server.APIVersion}}")
    assert done.returncode == 0 and re.fullmatch(r"1\.\d+", done.stdout.decode().strip())
    assert b"Server:" in cli("version").stdout


def test_info(cli):
    done = cli("info", "--format", "{{.ContainersRunning}}")
    assert done.returncode == 0 and int(done.stdout) >= 1
    assert cli("info").returncode == 0


def test_events(cli, web):
    with cli.popen("events", "--since", f"{time.time():.6f}", "--format", "{{json .}}", "--filter", "event=exec_die",
                   stdout=subprocess.PIPE) as process:
        end = threading.Timer(60, process.kill)
        end.start()
        try:
            assert cli.exec(web, "sh", "-c", "exit 91").returncode == 91
            # Ends of earlier execs may still come before.
            for line in process.stdout:
                attributes = json.loads(line)["Actor"]["Attributes"]
                if attributes["exitCode"] == "91":
                    break
            else:
                pytest.fail("the event did not come")
            assert attributes["name"] == web
        finally:
            end.cancel()
            process.kill()


def test_events_until(cli, web):
    began = int(time.time())
    cli.exec(web, "sh", "-c", "exit 8")
    # The last event may be written after the command's client has gone.
    time.sleep(1)  # --until is given in whole seconds
    done = cli("events", "--since", str(began), "--until", str(int(time.time()) + 1), "--format", "{{.Action}}")
    assert done.returncode == 0
    assert b"exec_create: sh -c exit 8" in done.stdout and b"exec_die" in done.stdout


def test_100_runs_lose_nothing(cli, web):
    for n in range(100):
        done = cli.exec(web, "echo", str(n))
        assert (done.returncode, done.stdout) == (0, b"%d\n" % n)


def test_20_at_once(cli, web):
    # So that they run side by side.
    processes = [cli.popen("exec", web, "sh", "-c", f"sleep 0.2; echo {n}; exit {n}", stdout=subprocess.PIPE)
                 for n in range(20)]
    for n, process in enumerate(processes):
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (n, b"%d\n" % n)


@pytest.mark.parametrize("version", ["1.24", "1.35", "1.40", "1.41"])
def test_other_api_versions(cli, web, version):
    done = cli.exec("-i", web, "cat", stdin=b"x", env={"DOCKER_API_VERSION": version})
    assert (done.returncode, done.stdout) == (0, b"x")
