# SPDX-License-Identifier: LGPL-2.1-or-later
"""A command's stdin, stdout and stderr: pipes that execctl makes, and nothing of the host."""

import fcntl
import hashlib
import os
import pathlib
import secrets
import select
import signal
import socket
import stat
import subprocess
import tempfile

import pytest

import helper
from bus import Bus
from helper import execctl, run, shell, wait_for

KINDS = os.path.join(helper.HERE, "stdio_kinds.py")
MIB = 1 << 20


@pytest.mark.parametrize("user", ["root", "member"])
@pytest.mark.parametrize("call", ["execd", "start"])
def test_nothing_but_pipes_can_be_passed(call, user):
    """R-E1: whoever asks, in each place, by both methods; and no exec is left of it."""
    before = helper.ids()
    r = helper.as_user("python3", KINDS, call, "web", user=user, timeout=90)
    assert r.status == 0, r.out.decode() + r.err.decode()
    if call == "execd":
        assert len(helper.ids() - before) == 1, "the one with good pipes"


def test_the_spawner_believes_nobody():
    """The descriptors that a compromised execd could pass on."""
    r = helper.as_user("python3", KINDS, "spawner", "web", user="execd", timeout=90)
    assert r.status == 0, r.out.decode() + r.err.decode()


@pytest.mark.parametrize("user", ["root", "member"])
def test_pipes_of_callers(user):
    """Also one pipe twice, in packets, and without a writer."""
    script = ("import os, sys; sys.path.insert(0, sys.argv[1]); from bus import Bus\n"
              "def pipe(flags=0):\n"
              "    return os.pipe2(os.O_CLOEXEC | flags)\n"
              "def finish(b, words, i, o, e):\n"
              "    path = b.manager('RunExec', 'sasa{sv}hhh', 'web', words, {}, i, o, e)[1]\n"
              "    return b.exec(path, 'Wait', 't', 0)[0]\n"
              "with Bus() as b:\n"
              "    (i, j), (o, p), (e, f) = pipe(), pipe(), pipe()\n"
              "    os.write(j, b'in'); os.close(j)\n"
              "    print(finish(b, ['sh', '-c', 'cat; echo err >&2; exit 3'], i, p, f))\n"
              "    print(os.read(o, 99), os.read(e, 99))\n"
              "    print(finish(b, ['sh', '-c', 'readlink /proc/self/fd/0; echo err >&2'], i, p, p))\n"
              "    print(os.read(o, 99))\n"
              "    o, p = pipe(os.O_DIRECT)\n"
              "    print(finish(b, ['sh', '-c', 'echo a; echo b'], i, p, p))\n"
              "    print(os.read(o, 99))\n")
    r = helper.as_user("python3", "-c", script, helper.HERE, user=user)
    assert r.out.decode().splitlines() == ["3", "b'in' b'err\\n'", "0", "b'/dev/null\\nerr\\n'", "0", "b'a\\n'"], r


@pytest.fixture
def open_path():
    """A directory that all users can reach."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


PIPED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from bus import Bus, BusError

def run(b, words, one_output, options):
    if sys.argv[2] == "RunPiped":
        return b.manager("RunPiped", "sasa{sv}b", "userns", words, options, one_output)[1:]
    path = b.manager("CreateExec", "sasa{sv}", "userns", words, options)[1]
    return [path] + b.exec(path, "StartPiped", "b", one_output)

with Bus() as b:
    path, i, o, e = run(b, ["sh", "-c", "cat; echo err >/dev/stderr; exit 3"], False, {"AttachStdin": ("b", True), "User": ("s", "1:1")})
    os.write(i, b"in")
    os.close(i)
    print(os.read(o, 99), os.read(e, 99), os.read(o, 99), os.read(e, 99), b.exec(path, "Wait", "t", 0)[0])
    path, i, o, e = run(b, ["sh", "-c", "readlink /proc/self/fd/0; echo err >&2; echo out"], True, {})
    try:
        os.write(i, b"x")
    except BrokenPipeError:
        print("nobody reads")
    b.exec(path, "Wait", "t", 0)
    print(os.read(o, 99), os.read(o, 99), os.read(e, 99))
    for options in ({"Tty": ("b", True)}, {"Record": ("b", True)}):
        try:
            run(b, ["true"], False, options)
        except BusError as error:
            print(error)
    try:
        run(b, ["nosuch"], False, {})
    except BusError as error:
        print(error)
"""


@pytest.mark.parametrize("user", ["root", "member"])
@pytest.mark.parametrize("method", ["RunPiped", "StartPiped"])
def test_pipes_for_callers(method, user, counts):
    """Their ends belong to fresh pipes of the command's user."""
    r = helper.as_user("python3", "-c", PIPED, helper.HERE, method, user=user)
    lines = r.out.decode().splitlines()
    assert lines[:3] == ["b'in' b'err\\n' b'' b'' 3", "nobody reads", "b'/dev/null\\nerr\\nout\\n' b'' b''"], r
    assert [line.split(":")[0] for line in lines[3:]] == ["org.execd1.Error.BadRequest"] * 2 + \
        ["org.execd1.Error.CommandNotFound"], r


def test_a_caller_that_leaves_before_the_answer():
    """The pipes have no reader then: the command that fills one gets SIGPIPE, and does not wait."""
    script = "import os, sys; sys.path.insert(0, sys.argv[1]); from bus import Bus\n" \
             "b = Bus(); b.send('/org/execd1', 'org.execd1.Manager', 'RunPiped', 'sasa{sv}b', 'web', ['yes'], {}, False)\n" \
             "os._exit(0)\n"
    for _ in range(5):
        assert run("python3", "-c", script, helper.HERE).status == 0
    wait_for(lambda: not helper.live_execs(), what="no yes to be left")


@pytest.mark.parametrize("container", ["web", "userns"])
def test_the_output_has_a_name(container):
    """As images want it whose programs write their log to /dev/stdout."""
    r = execctl("run", "-i", "-u", "1:1", container, "--", "sh", "-c",
                "cat /proc/self/fd/0; echo out >/proc/self/fd/1; echo err >/proc/self/fd/2", stdin=b"in ")
    assert (r.status, r.out, r.err) == (0, b"in out\n", b"err\n"), r


def stat_of(path):
    st = os.stat(path)
    return st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_size, st.st_mtime_ns


HOSTILE = "for fd in 0 1 2; do chmod 4777 /proc/self/fd/$fd; chown 1000:1000 /proc/self/fd/$fd; " \
          "(echo x >>/proc/self/fd/$fd); (: >/proc/self/fd/$fd); done 2>/dev/null; exit 0"


@pytest.mark.parametrize("user", ["root", "member"])
@pytest.mark.parametrize("container", ["web", "userns"])
def test_a_hostile_command_changes_no_file_of_the_host(open_path, container, user):
    """The container is hostile, the caller is not: with input and without, for files and for the null device."""
    source, target, null = open_path / "source", open_path / "target", stat_of("/dev/null")
    source.write_text("content")
    before = stat_of(source)
    for redirect in ("", f"-i <{source}", f"2>{target}", f"-i <{source} 2>&1"):
        option, _, files = redirect.partition(" ") if redirect.startswith("-i") else ("", "", redirect)
        target.write_text("")
        os.chmod(target, 0o666)
        words = f"execctl run {option} {container} -- sh -c '{HOSTILE}' >{target} {files}"
        assert helper.as_user("sh", "-c", words, user=user).status == 0
        st = target.stat()
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o666, 0, 0), redirect
        assert stat_of(source) == before and source.read_text() == "content", redirect
    run("sh", "-c", f"execctl run {container} -- sh -c '{HOSTILE}' </dev/null >/dev/null 2>&1")
    assert stat_of("/dev/null") == null


@pytest.mark.parametrize("words", [
    ["-i", "web", "--", "nsenter", "--mount=/proc/self/fd/0", "head", "-1", "/etc/shadow"],
], ids=["namespace"])
def test_a_namespace_of_the_host_stays_there(words):
    with open("/proc/self/ns/mnt", "rb") as f:
        r = subprocess.run(["execctl", "run", *words], stdin=f, capture_output=True, timeout=30, check=False)
    assert r.returncode != 0 and not r.stdout, r


SHOW = "for fd in 0 1 2; do readlink /proc/$$/fd/$fd | cut -c -5; done; "


def test_a_socket_of_the_host_stays_there():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"hello")
    theirs.shutdown(socket.SHUT_WR)
    r = subprocess.run(["execctl", "run", "-i", "web", "--", "sh", "-c", SHOW + "cat"],
                       stdin=ours, stdout=ours, stderr=ours, timeout=30, check=False)
    assert r.returncode == 0
    assert theirs.recv(100) == b"pipe:\npipe:\npipe:\nhello"


@pytest.mark.parametrize("container", ["web", "userns"])
@pytest.mark.parametrize("how", ["execctl", "Run", "Start", "no reader"])
def test_no_input_is_the_null_device_of_the_container(container, how):
    """By its inode: the host's is another one, or cannot be changed from there."""
    script = "readlink /proc/self/fd/0; stat -Lc %d:%i /proc/self/fd/0 /dev/null; wc -c"
    if how == "execctl":
        out = execctl("run", container, "--", "sh", "-c", script).out
    elif how == "no reader":
        out = run("sh", "-c", f"execctl run {container} -- sh -c '{script}' <&-").out
    else:
        member, words = ("Run", ()) if how == "Run" else ("CreateExec", ("0",))
        signature = "sas" if how == "Run" else "sasa{sv}"
        answer = helper.manager(member, signature, container, "3", "sh", "-c", script, *words)
        path = answer[1]
        if how == "Start":
            helper.exec_call(path, "Start")
            helper.exec_call(path, "Wait", "t", "0")
        shell("journalctl --sync")
        out = execctl("logs", path[-64:]).out
    link, opened, there, count = out.decode().split()
    assert link == "/dev/null" and opened == there and count == "0"


def test_no_null_device_no_input(tmp_path):
    """Without one in the container there is an empty pipe, and with another file in its place, too."""
    for made in ("", ": >/dev/null;", "mknod /dev/null c 1 5;", "ln -s zero /dev/null;"):
        execctl("run", "web", "--", "sh", "-c", f"mv /dev/null /dev/null.away; {made}")
        try:
            for more in ([], ["--on-disconnect=kill"]):
                r = execctl("run", *more, "web", "--", "sh", "-c", "readlink /proc/self/fd/0 | cut -c -5; wc -c")
                assert r.out == b"pipe:\n0\n", (made, r)
        finally:
            execctl("run", "web", "--", "sh", "-c", "rm -f /dev/null; mv /dev/null.away /dev/null")


# execctl's own files on one side, the command's pipes on the other.

SOURCES = {"file": "< {data}", "pipe": "< <(cat {data})", "named FIFO": "< {fifo}", "both ways": "<> {data}"}
TARGETS = {"file": "> {out}", "appended": ">> {out}", "pipe": "| cat > {out}", "process": "> >(cat > {out})",
           "named FIFO": "> {other}"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_content_and_status(source, target, tmp_path):
    names = {name: tmp_path / name for name in ("data", "out", "fifo", "other")}
    data = os.urandom(3 * MIB + 17)
    names["data"].write_bytes(data)
    for fifo in ("fifo", "other"):
        os.mkfifo(names[fifo])
    helpers = ""
    if source == "named FIFO":
        helpers += "cat {data} > {fifo} & "
    if target == "named FIFO":
        helpers += "cat {other} > {out} & "
    script = f"set -o pipefail; {helpers} execctl run -i web -- sh -c 'cat; exit 7' {SOURCES[source]} {TARGETS[target]}; " \
             "status=$?; wait; exit $status"
    r = run("bash", "-c", script.format(**names), timeout=60)
    # A process substitution is not waited for by every shell.
    wait_for(lambda: names["out"].exists() and names["out"].stat().st_size >= len(data), what="all of the output")
    assert r.status == 7 and not r.err, r
    assert names["out"].read_bytes() == data


def test_positions_in_files(tmp_path):
    """The offsets are shared with the shell, as with any other command."""
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_text("one\ntwo\n")
    script = f"{{ read -r line; execctl run -i web -- cat; }} < {path} > {out}; {{ echo first; " \
             f"execctl run web -- echo second; echo third; }} >> {out}"
    assert run("bash", "-c", script).status == 0
    assert out.read_text() == "two\nfirst\nsecond\nthird\n"


def test_one_file_for_both_keeps_the_order(tmp_path):
    script = "i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    expected = "".join(f"out {i}\nerr {i}\n" for i in range(200))
    shell(f"execctl run web -- sh -c '{script}' > {tmp_path}/file 2>&1")
    assert (tmp_path / "file").read_text() == expected
    assert shell(f"execctl run web -- sh -c '{script}' 2>&1 | cat") == expected


def test_a_reader_that_leaves_while_nothing_is_written():
    """The command gets SIGPIPE from its next write, as it would here."""
    r, w = os.pipe()
    p = subprocess.Popen(["execctl", "run", "-i", "web", "--", "sh", "-c", "readlink /proc/$$/fd/1; read x; echo more; echo survived >&2"],
                         stdin=subprocess.PIPE, stdout=w, stderr=subprocess.PIPE)
    os.close(w)
    pipe = os.read(r, 100).decode().strip()
    assert pipe in pipes_of(p.pid)
    os.close(r)
    wait_for(lambda: pipe not in pipes_of(p.pid), what="execctl to close the command's output")
    p.stdin.write(b"\n")
    p.stdin.close()
    assert p.stderr.read() == b"" and p.wait(timeout=30) == 128 + signal.SIGPIPE


def pipes_of(pid):
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return [link for link in links if link.startswith("pipe:")]


def test_a_command_that_reads_no_more():
    """A program that writes to execctl gets SIGPIPE, although the command continues."""
    p = subprocess.Popen(["execctl", "run", "-i", "web", "--", "sh", "-c", "exec <&-; echo ready; sleep 1000"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    poll = select.poll()
    poll.register(p.stdin, select.POLLERR)
    assert poll.poll(20000), "nobody reads there any longer"
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=30) == 128 + signal.SIGTERM


@pytest.mark.parametrize("script, expected", [
    ("yes | execctl run -i web -- head -n 1", "y\n141 0\n"),
    ("execctl run web -- yes | head -n 1", "y\n141 0\n"),
    ("execctl run web -- seq 1 9999999 | head -n 1", "1\n141 0\n"),
    ("execctl run web -- true | true", "0 0\n"),
    ("execctl run -i web -- cat < /dev/null | cat", "0 0\n"),
    ("echo x | execctl run web -- cat | cat", None),
])
def test_statuses_of_pipelines(script, expected):
    out = run("bash", "-c", script + "; echo ${PIPESTATUS[@]}").out.decode()
    if expected is None:
        assert out in ("0 0 0\n", "141 0 0\n")
    else:
        assert out == expected


@pytest.mark.parametrize("redirect, status, text", [
    ("> /dev/full", 1, "Failed to write to stdout: No space left on device"),
    ("< /", 1, "Failed to read from stdin: Is a directory"),
    ("<&- >&-", 0, ""),
])
def test_files_that_fail(redirect, status, text):
    """A success of the command is none where its bytes were lost."""
    r = run("bash", "-c", f"execctl run -i web -- sh -c 'cat; echo done' {redirect}")
    assert r.status == status and text in r.err.decode() and r.err.count(b"\n") == (1 if text else 0), r
    r = run("bash", "-c", f"execctl run -i web -- sh -c 'cat; echo done; exit 5' {redirect}")
    assert r.status == 5, "the command's own failure counts"


def test_a_slow_reader_gets_all(tmp_path):
    """Output from before the end of the command is copied, even if the reader is stopped meanwhile."""
    size = 3 * MIB
    r, w = os.pipe()
    p = subprocess.Popen(["execctl", "run", "web", "--", "head", "-c", str(size), "/dev/zero"], stdout=w)
    os.close(w)
    # Its pipe takes 1 MiB, ours 64 KiB: the command cannot end before it is read.
    got = len(os.read(r, 2 * MIB))
    while got < size - MIB:
        got += len(os.read(r, 2 * MIB))
    wait_for(lambda: not helper.live_execs(), what="the command to end")
    # Longer than execctl waits for others that hold the pipe.
    with pytest.raises(subprocess.TimeoutExpired):
        p.wait(timeout=3)
    while True:
        piece = os.read(r, MIB)
        if not piece:
            break
        got += len(piece)
    assert got == size and p.wait(timeout=30) == 0


def test_who_floods_after_the_end_does_not_hold_execctl():
    p = subprocess.Popen(["execctl", "run", "web", "--", "sh", "-c", "yes & echo $!"], stdout=subprocess.PIPE)
    pid = p.stdout.readline().decode().strip()
    while p.stdout.read(MIB):
        pass
    assert p.wait(timeout=30) == 0
    execctl("run", "web", "--", "sh", "-c", f"kill -9 {pid} 2>/dev/null")


def test_who_takes_the_output_does_not_hold_execctl():
    """A process that empties the command's pipe once that has ended: nothing is owed to anybody then."""
    script = "head -c 200000 /dev/zero; (while kill -0 $$; do :; done; head -c 150000 </proc/self/fd/1 >/tmp/taken) " \
             "2>/dev/null & exit 4"
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    p = subprocess.Popen(["execctl", "run", "web", "--", "sh", "-c", script], stdout=w)
    os.close(w)
    wait_for(lambda: execctl("run", "web", "--", "stat", "-c", "%s", "/tmp/taken").out == b"150000\n",
             what="the output to be taken")
    while os.read(r, MIB):
        pass
    assert p.wait(timeout=30) == 4
    execctl("run", "web", "--", "rm", "/tmp/taken")


def test_in_a_unit():
    """The journal's socket stays outside; the output of the command belongs to the unit all the same."""
    unit = f"execd-test-{secrets.token_hex(8)}"
    shell(f"systemd-run --quiet --wait --unit={unit} execctl run web -- "
          "sh -c 'readlink /proc/self/fd/1 | cut -c -5; echo out; echo err >&2'")
    shell("journalctl --sync")
    said = shell(f"journalctl -q -o cat -u {unit} _COMM=execctl").splitlines()
    assert said == ["pipe:", "out", "err"], said
    assert shell("systemd-run --quiet --wait --pipe execctl run web -- echo here") == "here\n"


def test_ends_of_pipes_are_fresh():
    """Nothing of the caller's pipeline is in the command: it would see what others write there."""
    out = shell("{ execctl run web -- sh -c 'readlink /proc/self/fd/1'; readlink /proc/self/fd/1; } | cat")
    inside, outside = out.split()
    assert inside.startswith("pipe:") and inside != outside


def test_many_at_once(counts):
    """One user's pipes are bounded by the kernel; small ones do as well."""
    commands = [subprocess.Popen(["execctl", "run", "-i", "web", "--", "sha256sum"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE) for _ in range(20)]
    data = os.urandom(2 * MIB)
    for p in commands:
        assert p.communicate(data, timeout=60)[0].split()[0].decode() == hashlib.sha256(data).hexdigest()
        assert p.returncode == 0


def test_pipes_of_a_call_that_fails(counts):
    for _ in range(20):
        assert execctl("run", "-i", "nosuch", "--", "cat", stdin=b"x" * 100000).status == 1
    with Bus() as bus:
        bus.manager("ListContainers")
