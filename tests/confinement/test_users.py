# SPDX-License-Identifier: LGPL-2.1-or-later
"""The User field, and the container's own user files, however they look (R-C9, R-C10)."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import threading
import time

import client
import host
import pytest

PASSWD = """root:x:0:0:root:/root:/bin/sh
1000:x:0:0:looks like a number:/root:/bin/sh
4242:x:0:0::/root:/bin/sh
app:x:1000:1000:app:/home/app:/bin/sh
app:x:0:0:a second app:/root:/bin/sh
a:x:abc:0::/:/bin/sh
b:x::::
c:x:-1:-1::/:/bin/sh
d:x:4294967296:4294967296::/:/bin/sh
e:x:+5:5::/:/bin/sh
f:x: 6:6::/:/bin/sh
g:x:0x7:0x7::/:/bin/sh
h:x:4294967295:4294967295::/:/bin/sh
i:x:99999999999999999999:0::/:/bin/sh
short:x:7
:x:0:0::/:/bin/sh
"""
GROUP = """root:x:0:
wheel:x:10:app
1000:x:0:
bad:x:abc:app
huge:x:4294967296:app
app:x:1000:
"""
# A third part after the group is ignored, as docker does; the parts before it must be valid.
RUNS = {
    "": (0, 0), "root": (0, 0), "0": (0, 0), "00": (0, 0), "app": (1000, 1000), "1000": (1000, 1000),
    "4242": (4242, None), "app:wheel": (1000, 10), "1000:0": (1000, 0), "4242:4343": (4242, 4343),
    "app:": (1000, 1000), "root:": (0, 0), "2147483647:5": (2147483647, 5), "app:1000": (1000, 1000),
}
REFUSED = ["0x0", "-1", "1 ", " 1", "4294967295", "4294967296", "9999999999999999999", "18446744073709551616",
           "0:4294967296", "0:-1", "\n0", "0\n", "root\n", "nosuch", "app:nosuch", "a", "b", "c", "d", "e", "f", "g", "h",
           "i", "short", "app:bad", "app:huge", "../root", "root\u0000", "r\u00f6\u00f6t", "root;id", "$(id)", "%s%n", " ",
           "\t", "app:0x0", "app:\n0", "x" * 300, "x" * 100000]
# Either answer is right, as long as it is never another user than these.
EITHER = {"+1": (1, None), "1:": (1, None), ":1": (0, 1), ":": (0, 0), "1:2:3": (1, 2), "4294967294": (4294967294, None),
          "+5": (5, None), "root:root:root": (0, 0), "-0": (0, None), "0:+1": (0, 1)}


@pytest.fixture(scope="module")
def listed(module_machine):
    m = module_machine("hostile-users", payload=["/probe/hostile", "sleep"])
    m.write("/etc/passwd", PASSWD)
    m.write("/etc/group", GROUP)
    return m


def identity(outcome):
    fields = client.fields(outcome)
    uid, gid = fields["id.uid"].split(), fields["id.gid"].split()
    assert len(set(uid)) == 1 and len(set(gid)) == 1
    assert gid[0] in fields["id.groups"].split()
    assert int(uid[0]) == 0 or host.caps(fields["cap.permitted"]) == 0
    return int(uid[0]), int(gid[0])


@pytest.mark.parametrize("user", RUNS)
def test_users_that_are(listed, user):
    """T-C9: all digits are a number, never a name of the container's."""
    uid, gid = identity(client.run(listed.name, ["/probe/probe", "brief"], User=user))
    assert uid == RUNS[user][0]
    assert RUNS[user][1] in (None, gid)
    # No line of the container's passwd made "4242" root's.
    assert gid != 0 or RUNS[user][1] in (0, None)


@pytest.mark.parametrize("user", REFUSED, ids=[repr(u)[:24] for u in REFUSED])
def test_users_that_are_not(listed, user):
    client.assert_refused(client.run(listed.name, ["/probe/probe", "brief"], User=user), statuses=(400, 413, 500))


@pytest.mark.parametrize("user", EITHER)
def test_users_that_may_be(listed, user):
    outcome = client.run(listed.name, ["/probe/probe", "brief"], User=user)
    if not outcome.ran:
        client.assert_refused(outcome, statuses=(400,))
        return
    uid, gid = identity(outcome)
    assert uid == EITHER[user][0] and EITHER[user][1] in (None, gid)


def replace(m, inside, how):
    path = m.path(inside)
    if os.path.lexists(path):
        os.unlink(path)
    if how == "fifo":
        os.mkfifo(path)
    elif how == "zero":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif how == "zero-link":
        os.symlink("/dev/zero", path)
    elif how == "sparse":
        with open(path, "wb") as stream:
            stream.truncate(8 << 30)
    elif how == "long-line":
        with open(path, "wb") as stream:
            stream.write(b"app:x:0:0:" + b"A" * (3 << 20))
    elif how == "many-lines":
        with open(path, "wb") as stream:
            stream.write(b"".join(b"u%d:x:%d:%d::/:/bin/sh\n" % (i, i, i) for i in range(2000, 400000)))
    elif how == "dangling":
        os.symlink("/nowhere", path)
    elif how == "loop":
        os.symlink(inside, path)
    elif how == "directory":
        os.mkdir(path)
    elif how == "environ":
        os.symlink("/proc/self/environ", path)
    elif how == "fd":
        os.symlink("/proc/self/fd/0", path)
    elif how == "host":
        os.symlink("/proc/1/root/etc/passwd", path)
    elif how == "socket":
        host.sh(["python3", "-c", "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path])
    elif how == "binary":
        with open(path, "wb") as stream:
            stream.write(bytes(range(256)) * 64 + b"\napp\0:x:0:0::/:\n")
    elif how == "terminal":
        os.symlink("/dev/tty", path)


HOW = ["fifo", "zero", "zero-link", "sparse", "long-line", "many-lines", "dangling", "loop", "directory", "environ", "fd",
       "host", "socket", "binary", "terminal"]


@pytest.mark.parametrize("which", ["passwd", "group"])
@pytest.mark.parametrize("how", HOW)
def test_user_files_that_are_none(machine, how, which):
    """T-C10: with any file in the place of passwd or group, a name is refused or found right, a number is valid or
    refused, and neither takes long."""
    m = machine("hostile-files", payload=["/probe/hostile", "sleep"])
    replace(m, f"/etc/{which}", how)
    # A long line counts as any other: it says that app is uid 0.
    is_long = (how, which) == ("long-line", "passwd")
    uids = {"app": 0 if is_long else 1000, "0": 0}
    for user in ("app", "1000", "0", "1000:1000", "app:wheel"):
        began = time.monotonic()
        outcome = client.run(m.name, ["/probe/probe", "brief"], User=user)
        took = time.monotonic() - began
        assert took < 60, f"{user} took {took:.1f} s"
        if outcome.ran:
            assert identity(outcome)[0] == uids.get(user.split(":")[0], 1000), user
            assert is_long or not (user == "app" and which == "passwd"), f"found in what is no file: {outcome}"
        else:
            client.assert_refused(outcome, *([f"/etc/{which} has more than 4194304 bytes"] if how == "sparse" else []))
    if os.path.isdir(m.path(f"/etc/{which}")) and not os.path.islink(m.path(f"/etc/{which}")):
        os.rmdir(m.path(f"/etc/{which}"))
    # And the machine is none the worse for it.
    assert client.output(m.name, ["/bin/echo", "ok"], User="0") == "ok\n" or which


def has_read(pid, path, size):
    """Whether the process has the file open, and has read all of it."""
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == path:
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as stream:
                    return int(stream.readline().split()[1]) == size
    except OSError:
        pass  # it has ended
    return False


def test_user_files_are_not_kept_in_memory(machine):
    """T-C10: the container decides how large its files are, but not how much memory a runner takes to read them."""
    m = machine("hostile-large-users", script="mknod /dev/fuse c 10 229; /probe/hostile fuse-hang /etc/group &\n"
                                              "while ! grep -q ^hang /proc/mounts; do sleep 0.1; done")
    lines = b"".join(b"u%d:x:%d:%d::/:/bin/sh\n" % (i, i, i) for i in range(2000, 110000))
    size = os.path.getsize(m.write("/etc/passwd", lines + b"app:x:1000:1000::/home/app:/bin/sh\n"))
    assert 3 << 20 < size < 4 << 20
    create = threading.Thread(target=client.create, args=(m.name, ["/bin/true"]), kwargs=dict(User="app"))
    create.start()
    # The end of passwd is read, and the group file keeps it there.
    joiner = host.wait_until(lambda: next((pid for pid in host.pids_of(host.PRODUCT[2]) if has_read(pid, "/etc/passwd", size)),
                                          None), "a runner that has read passwd")
    peak = int(host.status_of(joiner)["VmHWM"].split()[0])
    create.join()
    assert peak < 2 * 1024, f"{peak} KiB"


def test_user_file_of_the_kernel(machine):
    """T-C10: a file of /proc or a device is not the container's list of users, even if it reads like one."""
    m = machine("hostile-kernel", script="printf '%s\\n' 'app:x:4321:4321::/:/bin/sh' >/fake; mount -t tmpfs none /run; "
                                         "(exec /probe/hostile sleep </fake) & "
                                         "until [ \"$(readlink /proc/$!/fd/0)\" = /fake ]; do sleep 0.1; done; "
                                         "rm /etc/passwd; ln -s /proc/$!/fd/0 /etc/passwd")
    outcome = client.run(m.name, ["/probe/probe", "brief"], User="app")
    client.assert_refused(outcome, "passwd")


def test_user_file_that_never_answers(machine):
    """T-C10: a file system that hangs holds up its own exec only, and that one ends with an error."""
    m = machine("hostile-fuse", script="mknod /dev/fuse c 10 229; /probe/hostile fuse-hang /etc/passwd &\n"
                                       "while ! grep -q ^hang /proc/mounts; do sleep 0.1; done")
    runners = host.own_processes().get(host.PRODUCT[2], 0)
    created = client.create(m.name, ["/bin/true"], User="1000")
    began = time.monotonic()
    assert client.output("web", ["/bin/echo", "ok"]) == "ok\n"
    if created.status == 201:
        outcome = client.start(created.json()["Id"])
        # The error comes in the stream, with the exit code of a command that could not be run.
        assert not outcome.ran or outcome.code in (0, 126)
    else:
        outcome = client.Outcome(created.status, created.message)
    assert time.monotonic() - began < 60
    if not outcome.ran:
        client.assert_refused(outcome)
    host.wait_until(lambda: host.own_processes().get(host.PRODUCT[2], 0) <= runners + 2, "an end of the runner", 30)


def test_user_file_that_hangs_many(machine):
    """T-C10: runners that cannot be killed, because the file system has begun to answer, are few; whoever comes next is
    refused at once."""
    m = machine("hostile-fuse", script="mknod /dev/fuse c 10 229; cp /probe/hostile /copy; : >/quiet\n"
                                       "/probe/hostile fuse-program /etc/passwd /copy /quiet &\n"
                                       "while ! grep -q ^program /proc/mounts; do sleep 0.1; done")
    replies = []
    creates = [threading.Thread(target=lambda: replies.append(client.create(m.name, ["/bin/true"], User="app")))
               for _ in range(20)]
    for t in creates:
        t.start()
    for t in creates:
        t.join()
    assert [r.status for r in replies].count(201) == 0
    reply = client.create(m.name, ["/bin/true"], User="app")
    assert reply.status == 503 and "the container does not answer: " in reply.message, reply.message
    assert client.run("web", ["/bin/true"], User="app").code == 0


# Creates an exec in each container so often, all at once, and prints the answers when there is a line on stdin.
CREATES = """
import json, os, pwd, sys, threading
sys.path.insert(0, sys.argv[1])
user = pwd.getpwnam(sys.argv[2])
os.initgroups(user.pw_name, user.pw_gid); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
import client
answers = []
def create(name):
    reply = client.create(name, ["/bin/true"], User="app")
    answers.append((reply.status, reply.message))
threads = [threading.Thread(target=create, args=(name,)) for name in sys.argv[4:] for _ in range(int(sys.argv[3]))]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(json.dumps(answers), flush=True)
"""


def creates(user, times, *names):
    return subprocess.Popen(["python3", "-c", CREATES, os.path.dirname(client.__file__), user, str(times), *names],
                            stdout=subprocess.PIPE, text=True)


def answers_of(process):
    return json.loads(process.communicate(timeout=120)[0])


def statuses_of(process):
    return [status for status, _ in answers_of(process)]


@pytest.fixture
def members():
    for name in ("member", "member2"):
        host.sh(f"id {name} >/dev/null 2>&1 || useradd -m -G execd {name}")
    host.wait_until(lambda: all(answers_of(creates(name, 1, "web"))[0][0] == 201 for name in ("member", "member2")),
                    "polkit to know the members")
    return "member", "member2"


def test_user_with_many_containers_that_hang(machine, members):
    """The hanging checks of one user are bounded over all containers: other users and root are served meanwhile and later."""
    hang, other = members
    names = [machine(f"hostile-many-{i}", script="mknod /dev/fuse c 10 229; cp /probe/hostile /copy; : >/quiet\n"
                                                 "/probe/hostile fuse-program /etc/passwd /copy /quiet &\n"
                                                 "while ! grep -q ^program /proc/mounts; do sleep 0.1; done").name
             for i in range(5)]
    def count():
        return host.own_processes().get(host.PRODUCT[2], 0)

    before = count()
    flood = creates(hang, 40, *names)
    try:
        host.wait_until(lambda: count() > before + 40, "runners that hang")
        assert statuses_of(creates(other, 3, "web")) == [201] * 3
        assert client.run("web", ["/bin/true"], User="app").code == 0
        assert flood.poll() is None
        answers, counts = [], [count()]
        reader = threading.Thread(target=lambda: answers.extend(answers_of(flood)))
        reader.start()
        while reader.is_alive():
            counts.append(count())
            reader.join(0.1)
    finally:
        flood.kill()
    # Each has a monitor and a joiner.
    assert max(counts) <= before + 2 * 64 + 24, counts
    assert {status for status, _ in answers} == {503}, answers
    # They hang on. The user has no more enter, wherever it is.
    status, message = answers_of(creates(hang, 1, "web"))[0]
    assert status == 503 and f"runners for uid {pwd.getpwnam(hang).pw_uid} hang" in message, message
    assert statuses_of(creates(other, 3, "web")) == [201] * 3
    assert client.run("web", ["/bin/true"], User="app").code == 0


# Steps at which a command waits for a file system of the container that hangs.
STEPS = {
    "looking up the user": dict(User="1000"),
    "entering the working directory": dict(WorkingDir="/directory"),
    "looking for the program": dict(cmd=["/path"]),
    "executing the program": dict(cmd=["/program"]),
}


def test_steps_that_hang(machine):
    """Each ends after a while, and the error says what it waited for."""
    m = machine("hostile-fuse", script="mknod /dev/fuse c 10 229; mkdir /directory; : >/path; : >/program\n"
                                       "for f in /directory /path; do /probe/hostile fuse-hang $f & done\n"
                                       "/probe/hostile fuse-memory /program /probe/asked &\n"
                                       "while [ $(grep -c '^hang\\|^memory' /proc/mounts) -lt 3 ]; do sleep 0.1; done\n")
    users = machine("hostile-fuse-users", script="mknod /dev/fuse c 10 229; /probe/hostile fuse-hang /etc/group &\n"
                                                 "while ! grep -q ^hang /proc/mounts; do sleep 0.1; done")
    outcomes = {}

    def run(step, cmd=("/bin/true",), **fields):
        outcomes[step] = client.run(users.name if fields.get("User") else m.name, list(cmd), **fields)

    runs = [threading.Thread(target=run, args=(step,), kwargs=fields) for step, fields in STEPS.items()]
    for t in runs:
        t.start()
    assert client.run("web", ["/bin/true"]).code == 0
    for t in runs:
        t.join()
    for step in STEPS:
        client.assert_refused(outcomes[step], f"timed out while {step}: something in the container does not answer")
    host.sh("systemctl is-active execd-spawner.service")


def test_commands_that_hang_many(machine):
    """Their programs cannot be killed: a container holds few of them, and whoever comes next is refused at once."""
    m = machine("hostile-fuse", script="mknod /dev/fuse c 10 229; : >/program\n"
                                       "/probe/hostile fuse-memory /program /probe/asked &\n")
    host.wait_until(lambda: os.path.exists(f"{m.shared}/asked"), "the file system to be asked")
    outcomes = []
    runs = [threading.Thread(target=lambda: outcomes.append(client.run(m.name, ["/program"]))) for _ in range(20)]
    for t in runs:
        t.start()
    assert client.run("web", ["/bin/true"]).code == 0
    for t in runs:
        t.join()
    for outcome in outcomes:
        client.assert_refused(outcome)
    client.assert_refused(client.run(m.name, ["/bin/true"]), "the container does not answer:", "runners hang in its file systems")
    assert client.run("web", ["/bin/true"]).code == 0


LIBRARIES = ["libnss_files.so.2", "libnss_compat.so.2", "libnss_systemd.so.2", "libnss_dns.so.2", "libgcc_s.so.1",
             "libc.so.6", "libselinux.so.1", "libcap.so.2", "libjson-c.so.5", "libpthread.so.0"]


def test_no_library_of_the_container_is_loaded(machine):
    """T-C10: every library and gconv module that anything of ours could load leaves a mark; there is none."""
    constructor = f"{host.TOOLS}/constructor.so"
    # The mark works where such a library is loaded.
    host.sh(f"rm -f /pwned; LD_PRELOAD={constructor} /bin/true; test -e /pwned && rm /pwned")
    m = machine("hostile-libs", payload=["/probe/hostile", "sleep"])
    for directory in ("/lib", "/lib64", "/lib/x86_64-linux-gnu", "/usr/lib", "/usr/lib/x86_64-linux-gnu",
                      "/usr/lib/execd"):
        os.makedirs(m.path(directory), exist_ok=True)
        for library in LIBRARIES:
            shutil.copy(constructor, m.path(f"{directory}/{library}"))
        os.makedirs(m.path(f"{directory}/gconv"), exist_ok=True)
        shutil.copy(constructor, m.path(f"{directory}/gconv/UTF-16.so"))
        m.write(f"{directory}/gconv/gconv-modules", "module INTERNAL UTF-8// UTF-16 1\nmodule UTF-8// INTERNAL UTF-16 1\n")
    m.write("/etc/ld.so.preload", "/usr/lib/libgcc_s.so.1\n")
    m.write("/etc/nsswitch.conf", "passwd: files compat systemd dns\ngroup: files compat systemd dns\n")
    os.chmod(m.path("/"), 0o777)
    attempts = [dict(User="app"), dict(User="nosuch"), dict(User="app:nosuch"), dict(User="1000:wheel"), dict(tty=True),
                dict(WorkingDir="/nowhere"), dict(Env=["LD_PRELOAD=/usr/lib/libc.so.6", "GCONV_PATH=/usr/lib/gconv",
                                                       "LANG=xx_XX.UTF-16", "LD_LIBRARY_PATH=/usr/lib"], User="app")]
    for fields in attempts:
        client.run(m.name, ["/bin/true"], **fields)
    client.run(m.name, ["/no/such/program"])
    assert not os.path.lexists(m.path("/pwned")) and not os.path.lexists("/pwned")
