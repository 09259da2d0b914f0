# SPDX-License-Identifier: LGPL-2.1-or-later
"""Working directory, how the process is set up, its tty (exec-api §2.6)."""

import os
import re

import pytest

from wire import STDERR, STDOUT


def failed_start(api, *cmd, code, **fields):
    """The text in the stream of a command that did not start."""
    result = api.run(*cmd, **fields)
    assert result.code == code, result
    assert all(kind == STDOUT for kind, _ in result.frames)
    assert result.out.endswith(b"\r\n")
    return result.out.decode()


# WorkingDir.

@pytest.mark.parametrize("directory,seen", [("", b"/"), ("/", b"/"), ("/tmp", b"/tmp"), ("/etc/..", b"/"),
                                            ("/usr//bin/", b"/usr/bin"), ("/proc/self/cwd", b"/"),
                                            ("/proc/self/cwd/tmp", b"/tmp")])
def test_working_directory(api, directory, seen):
    assert api.run("pwd", WorkingDir=directory).out.strip() == seen


def test_relative_directory(api):
    result = api.run("true", WorkingDir="tmp")
    assert b"Cwd must be an absolute path" in result.out
    assert result.code in (126, 127)


@pytest.mark.parametrize("directory,reason", [("/nonexist", "no such file or directory"), ("/bin/busybox/x", None),
                                              ("/etc/passwd", "not a directory")])
def test_missing_directory(api, differ, directory, reason):
    """20.10 records 126 for all of them, moby 28 tells the missing ones apart."""
    text = failed_start(api, "true", WorkingDir=directory, code=differ(dockerd=126, execd=127))
    assert "chdir to cwd" in text and f'"{directory}"' in text
    if reason:
        assert reason in text


def test_directory_is_never_created(api):
    api.run("true", WorkingDir="/tmp/never")
    assert api.sh("ls -d /tmp/never").code != 0


def test_directory_is_entered_before_the_user_is_set(api):
    """root's home is closed to app, who may sit there all the same."""
    assert api.run("pwd", WorkingDir="/root", User="app").out.strip() == b"/root"


# The process.

def test_own_session(api):
    """pid = pgid = sid, and no process of the container is the parent."""
    stat = api.run("cat", "/proc/self/stat").out.decode()
    pid, ppid, pgid, sid = re.match(r"(\d+) \(.*\) \S (\d+) (\d+) (\d+)", stat).groups()
    assert pid == pgid == sid
    assert ppid == "0"


def test_own_session_with_a_tty(api):
    stat = api.run("cat", "/proc/self/stat", Tty=True).out.decode()
    pid, ppid, pgid, sid = re.match(r"(\d+) \(.*\) \S (\d+) (\d+) (\d+)", stat).groups()
    assert pid == pgid == sid
    assert ppid == "0"


def test_umask(api):
    assert api.sh("umask").out.strip() in (b"0022", b"022")


def test_signals_are_neither_blocked_nor_ignored(api):
    text = api.run("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status").out.decode()
    assert re.findall(r"Sig(?:Blk|Ign):\s*(\w+)", text) == ["0" * 16] * 2


def test_only_stdio_is_open(api):
    """ls itself opens the directory as 3."""
    fds = api.run("ls", "/proc/self/fd").out.split()
    assert set(fds) - {b"3"} == {b"0", b"1", b"2"}


def test_stdin_not_attached_is_the_null_device(api):
    assert api.run("readlink", "/proc/self/fd/0").out.strip() == b"/dev/null"
    assert api.sh("cat; echo $?").out == b"0\n"


def test_stdin_attached_is_a_pipe(api):
    assert api.run("readlink", "/proc/self/fd/0", stdin=b"").out.startswith((b"pipe:", b"socket:"))


@pytest.mark.parametrize("attached", [True, False])
def test_outputs_are_pipes(api, attached):
    """Also when not attached: then they are drained."""
    result = api.sh("[ -p /proc/self/fd/1 ] && [ -p /proc/self/fd/2 ] && exit 9", AttachStdout=attached,
                    AttachStderr=attached)
    assert api.wait_exit(result.id)["ExitCode"] == 9


def test_unattached_output_blocks_nobody(api):
    exec_id = api.create("head", "-c", "3000000", "/dev/zero", AttachStdout=False, AttachStderr=False)
    assert api.start_detached(exec_id).status == 200
    assert api.wait_exit(exec_id)["ExitCode"] == 0


def test_in_the_containers_namespaces(api, container_id):
    init = api.get(f"/containers/{container_id}/json").json()["State"]["Pid"]
    inside = dict(line.split(" ", 1) for line in
                  api.sh("for n in mnt pid net ipc uts; do echo $n $(readlink /proc/self/ns/$n); done")
                  .out.decode().splitlines())
    for name, link in inside.items():
        assert os.readlink(f"/proc/{init}/ns/{name}") == link


# The tty.

def test_tty_names(api):
    out = api.sh("tty; readlink /proc/self/fd/0; readlink /proc/self/fd/1; readlink /proc/self/fd/2", Tty=True).out
    names = out.decode().split()
    assert len(set(names)) == 1 and re.fullmatch(r"/dev/pts/\d+", names[0])


@pytest.mark.parametrize("user,uid", [("", "0"), ("app", "1000")])
def test_tty_owner_and_mode(api, user, uid):
    out = api.sh("stat -c '%u %g %a' $(tty)", Tty=True, User=user).out.decode().split()
    assert out == [uid, "5", "620"]


def test_tty_settings(api):
    out = api.sh("stty -a", Tty=True).out.decode()
    for word in ("icrnl", "ixon", "opost", "onlcr", "isig", "icanon", "iexten", "echo", "echoe", "echok"):
        assert re.search(rf"(?<![-\w]){word}(?!\w)", out), f"{word} is off in {out}"


def test_tty_is_the_controlling_terminal(api):
    assert api.sh("echo hello > /dev/tty", Tty=True).out == b"hello\r\n"


def test_two_ttys_are_two(api, running):
    names = []
    for _ in range(2):
        _, c = running("sh", "-c", "tty; exec sleep 30", Tty=True)
        names.append(c.read_until(b"\n"))
    assert names[0] != names[1]


def test_without_a_tty_there_is_none(api):
    assert api.sh("tty").out == b"not a tty\n"
    assert api.sh("echo x > /dev/tty").code != 0


def test_stderr_and_stdout_are_apart(api):
    result = api.sh("echo out; echo err >&2")
    assert (result.out, result.err) == (b"out\n", b"err\n")
    assert {kind for kind, _ in result.frames} == {STDOUT, STDERR}
