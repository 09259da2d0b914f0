# SPDX-License-Identifier: LGPL-2.1-or-later
"""Things of the host that might come along: binaries, fds, memory, environment, keyrings (R-A1 to R-A6, R-B3)."""

import os
import re
import signal
import subprocess
import time

import client
import host
import pytest
from scale import times

MARKERS = {f"EXECD_TEST_MARK_{i}": f"mark-{i}" for i in range(20)}
STDIO = re.compile(r"pipe:\[\d+\]|/dev/null|/dev/pts/\d+")


def test_own_binary_cannot_be_written(machine):
    """T-A1: `#!/proc/self/exe` runs our own program inside, and a watcher waits to write to it."""
    m = machine("hostile-exe", payload=["/probe/hostile", "exe-writer", "/probe/report"])
    m.write("/bin/x", "#!/proc/self/exe\n", 0o755)
    m.wait_for_report("ready")
    outcomes = [client.run(m.name, ["/bin/x"]) for _ in range(times(200))]

    def is_held():
        """On a busy host the watcher may need more of them."""
        outcomes.append(client.run(m.name, ["/bin/x"]))
        return [line for line in m.report() if line.startswith("held")]
    host.wait_until(is_held, "the watcher to have hold of a program of ours")
    host.let_pass(0.5)
    report = m.report()
    assert not [line for line in report if line.startswith("WRITABLE")], report
    refusals = {line.split()[1] for line in report if line.startswith("refused")}
    assert refusals <= {"EROFS", "EACCES", "EPERM", "ETXTBSY"}, report
    wrong = [outcome for outcome in outcomes if outcome.status == 101 and outcome.code == 0]
    assert not wrong, f"{len(wrong)} are said to have run well, though that is no program"


def read_grabs(report):
    grabs = {}
    for line in report:
        word, pid, *rest = line.split(" ", 2)
        if word in ("seized", "caps", "fd", "map", "label"):
            grabs.setdefault(pid, {"fd": [], "map": [], "exe": "", "caps": ""})
            if word in ("fd", "map"):
                grabs[pid][word].append(rest[0])
            else:
                grabs[pid]["exe" if word == "seized" else word] = rest[0]
    return grabs


def foreign_things(grab, allowed_caps):
    """The attributes of a seized process that are not the container's."""
    found = []
    for fd in grab["fd"]:
        number, target = fd.split(" ", 1)
        if not STDIO.fullmatch(target):
            found.append(f"fd {number} is {target}")
    if grab["caps"]:
        permitted, effective, _ = grab["caps"].split()
        for word in (permitted, effective):
            if host.caps(word) & ~allowed_caps:
                found.append(f"capabilities {word} beyond {allowed_caps:016x}")
    return found


@pytest.mark.timeout(600)
def test_grabber_finds_nothing_of_the_host(machine):
    """T-A2: each new process is seized as early as can be; it holds streams and the leader's capabilities only."""
    m = machine("hostile-grab", payload=["/probe/hostile", "grabber", "/probe/report"])
    m.wait_for_report("ready")
    allowed = host.caps(host.status_of(m.leader())["CapPrm"])

    def run_some():
        for _ in range(times(1000)):
            outcome = client.run(m.name, ["/bin/true"])
            assert outcome.ran and outcome.code == 0, outcome
        return len(read_grabs(m.report())) > times(1000) // 20
    host.wait_until(run_some, "the grabber to be fast enough to matter", 300)
    grabs = read_grabs(m.report())
    problems = {pid: foreign_things(grab, allowed) for pid, grab in grabs.items()}
    problems = {pid: found for pid, found in problems.items() if found}
    early = sum("foreign" in grab["exe"] for grab in grabs.values())
    assert not problems, f"{len(problems)} of {len(grabs)} ({early} before execve), first: {list(problems.items())[:3]}"


def test_grabber_works(machine):
    """Against what joins without care, the same grabber finds capabilities or files of the host."""
    m = machine("hostile-grab2", payload=["/probe/hostile", "grabber", "/probe/report"])
    m.wait_for_report("ready")
    leader = m.leader()
    allowed = host.caps(host.status_of(leader)["CapPrm"])
    with open("/etc/hostname", "rb") as leaked:
        def finds():
            for _ in range(100):
                subprocess.run(["nsenter", "-t", str(leader), "-a", "/bin/true"], pass_fds=(leaked.fileno(),), check=True)
            return [thing for grab in read_grabs(m.report()).values() for thing in foreign_things(grab, allowed)]
        host.wait_until(finds, "the grabber to find something", 60)


@pytest.mark.timeout(600)
def test_grabber_without_ptrace(machine):
    """R-A2: where the container may not trace, what is about to become the command can neither be seized nor looked
    at, although it runs under the same user."""
    m = machine("hostile-grab3", ["--drop-capability=CAP_SYS_PTRACE", "--system-call-filter=ptrace"],
                ["/probe/hostile", "grabber", "/probe/report"])
    m.wait_for_report("ready")

    def meets():
        for _ in range(times(500)):
            outcome = client.run(m.name, ["/bin/true"])
            assert outcome.ran and outcome.code == 0, outcome
        return [line for line in m.report() if line.startswith(("denied", "seized"))]
    host.wait_until(meets, "the grabber to meet somebody", 300)
    assert not [line for line in m.report() if " exe foreign" in line]


PLACES = ["/proc/self/fd/%d", "/proc/thread-self/fd/%d", "/proc/self/fd/%d/..", "/proc/self/fd/%d/../../../.."]


def inside(m, fields):
    root = os.stat(m.path("/"))
    return fields["place.cwd"].startswith("/") and fields["place.root_inode"] == f"{root.st_dev:x}:{root.st_ino}" and \
        fields["ns.mnt"] == host.namespaces_of(m.leader())["mnt"]


def test_working_directory_is_no_way_out(machine):
    """T-A3: a working directory that is an fd, or leads through one, is refused or lies inside."""
    m = machine("hostile-cwd", payload=["/probe/hostile", "sleep"])
    numbers = list(range(64)) + list(range(64, 1024, 16))
    paths = [place % n for n in numbers[:: 1 if times(10) >= 10 else 4] for place in PLACES[:2]]
    paths += [PLACES[i] % n for n in range(16) for i in (2, 3)]
    paths += ["/proc/thread-self/cwd", "/proc/self/cwd", "/proc/1/root", "/proc/1/cwd", "/proc/self/root/..",
              "/proc/1/root/../../..", "/proc/self/map_files", "/link/fd7", "/link/fd9/..", "/link/cwd"]
    os.mkdir(m.path("/link"))
    os.symlink("/proc/self/fd/7", m.path("/link/fd7"))
    os.symlink("/proc/self/fd/9", m.path("/link/fd9"))
    os.symlink("/proc/self/cwd", m.path("/link/cwd"))
    for path in paths:
        outcome = client.run(m.name, ["/probe/probe", "brief"], WorkingDir=path)
        if outcome.ran:
            fields = client.fields(outcome)
            assert inside(m, fields), f"{path}: {fields['place.cwd']}"
            assert fields["fd.count"] == "3", path
        else:
            client.assert_refused(outcome)


def test_working_directory_without_a_path(machine):
    """R-A3: a directory that has no path from the container's root, like one of the host's, is no working directory."""
    m = machine("hostile-detached", script="mkdir /m; mount -t tmpfs none /m; cd /m; /probe/hostile sleep & "
                                           "echo $! >/probe/pid; cd /; umount -l /m")
    pid = m.report("pid")[0]
    assert os.readlink(f"/proc/{m.leader()}/root/proc/{pid}/cwd") is not None
    client.assert_refused(client.run(m.name, ["/probe/probe", "brief"], WorkingDir=f"/proc/{pid}/cwd"), "director")
    # Its neighbour with a path is one.
    assert client.run(m.name, ["/probe/probe", "brief"], WorkingDir=f"/proc/{pid}/root").ran


def test_program_is_no_way_out(machine):
    """T-A3: a program named through an fd is not there, for no fd of ours is left."""
    m = machine("hostile-argv", payload=["/probe/hostile", "sleep"])
    paths = [f"/proc/self/fd/{n}" for n in range(3, 64)] + [f"/proc/self/fd/{n}/bin/true" for n in range(64)]
    paths += [f"/proc/self/fd/{n}/../usr/lib/execd/execd" for n in range(3, 32)]
    for path in paths:
        client.assert_refused(client.run(m.name, [path]))
    # Its own program, by way of the kernel's name for it, is the one that may not be ours.
    outcome = client.run(m.name, ["/proc/self/exe"])
    assert outcome.status != 101 or outcome.code != 0, outcome


def test_working_directory_swapped_while_it_is_used(machine):
    """T-A3: the directory is exchanged for a link to an fd again and again while execs come."""
    m = machine("hostile-swap", script="mkdir /a; ln -s /proc/self/fd/7 /b; (while :; do mv -T /a /c; mv -T /b /a; "
                                       "mv -T /a /b; mv -T /c /a; done) 2>/dev/null &")
    for _ in range(times(150)):
        outcome = client.run(m.name, ["/probe/probe", "brief"], WorkingDir="/a")
        if outcome.ran:
            assert inside(m, client.fields(outcome))
        else:
            client.assert_refused(outcome)


def test_command_has_three_fds_only():
    text = client.output("web", ["/bin/ls", "-l", "/proc/self/fd"])
    # The fourth is ls's own, of the directory that it lists, and is closed by the time it is looked at.
    numbers = sorted(int(n) for n in re.findall(r"(?m) (\d+)(?: -> .*)?$", text) if int(n) < 1024)
    assert numbers == [0, 1, 2, 3] or numbers == [0, 0, 1, 2, 3], text
    assert not re.search(r" 3 -> (?!/proc/\d+/fd)", text), text


@pytest.fixture
def services_with():
    """Restarts the daemons with something added to their units, and back."""
    drops = []

    def add(text_of):
        for unit in host.SERVICES:
            drops.append(host.DropIn(unit, text_of(unit)))
        host.restart_services()

    yield add
    for drop in drops:
        drop.remove()
    host.restart_services()


def golden(machine, home, **more):
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": machine, "HOME": home,
            "container": "systemd-nspawn"} | more


def environment_of(outcome):
    assert outcome.ran and outcome.code == 0, outcome
    return dict(item.split("=", 1) for item in outcome.out.decode().split("\0") if item)


def test_environment_is_built_from_nothing(services_with):
    """T-A5: the environment of the daemons' units is not visible; the whole environment is a golden list."""
    lines = "".join(f"Environment={k}={v}\n" for k, v in MARKERS.items())
    services_with(lambda unit: f"[Service]\n{lines}Environment=LD_PRELOAD=/nowhere.so\n")
    cat = ["/bin/cat", "/proc/self/environ"]
    for name in ("web", "userns", "booted"):
        assert environment_of(client.run(name, cat)) == golden(name, "/root")
        assert environment_of(client.run(name, cat, User="app")) == golden(name, "/home/app")
    # The marks are there to be seen.
    with open(f"/proc/{host.main_pid('execd-spawner.service')}/environ", encoding="utf-8") as stream:
        assert "EXECD_TEST_MARK_7=mark-7" in stream.read()
    got = environment_of(client.run("web", cat, Env=["A=1", "A=2", "LD_PRELOAD=/x", "NOTIFY_SOCKET=/y"]))
    assert got == golden("web", "/root", A="2", LD_PRELOAD="/x", NOTIFY_SOCKET="/y")


def test_session_keyring_is_fresh(machine, services_with):
    """T-A6: keys in the daemons' session keyring are neither possessed nor seen."""
    program = {"execd.service": host.PRODUCT[0], "execd-spawner.service": host.PRODUCT[1]}
    shared = "/usr/lib/execd-tests/hostile"
    host.sh(["cp", f"{host.TOOLS}/hostile", shared])
    # execd itself may make no key under its system call filter; the runner comes from the spawner anyway.
    services_with(lambda unit: "[Service]\n" if unit == "execd.service" else
                  f"[Service]\nExecStart=\nExecStart={shared} with-key execd-test-secret {program[unit]}\n")
    m = machine("hostile-keys", ["--system-call-filter=@keyring"], ["/probe/hostile", "sleep"])
    for user in ("root", "app"):
        fields = client.fields(client.run(m.name, ["/probe/probe", "report"], User=user))
        assert "execd-test-secret" not in str(fields)
        assert fields["keyring.session.keys"] == "0"
        assert fields["keyring.session"].endswith(";_ses")
        assert fields["keyring.thread"] == "ENOKEY" and fields["keyring.process"] == "ENOKEY"
    os.unlink(shared)


@pytest.mark.parametrize("user", ["1234", "1234:0"])
def test_keys_of_others_with_the_same_number(machine, user):
    """T-A6: the kernel counts the keys of a user number on the whole host. A user who has used them up stops no command."""
    m = machine("hostile-quota", ["--system-call-filter=@keyring"], ["/probe/hostile", "sleep"])

    def keyring():
        fields = client.fields(client.run(m.name, ["/probe/probe", "report"], User=user))
        assert fields["keyring.session"].endswith(";_ses") and fields["keyring.session.keys"] == "0"
        return fields["keyring.session"]

    assert keyring().startswith("keyring;1234;")
    holder = subprocess.Popen([f"{host.TOOLS}/hostile", "all-keys", "1234"], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "EDQUOT\n"
        # The keyring of the command before is one of the user's until the kernel has collected it.
        host.wait_until(lambda: keyring().startswith("keyring;0;"), "the user to have no key left")
        assert client.run("web", ["/bin/true"], User=user).code == 0
    finally:
        holder.terminate()
        holder.wait(20)
    # The kernel takes its time to collect keys.
    host.wait_until(lambda: keyring().startswith("keyring;1234;"), "the user's keys")


@pytest.fixture
def trace():
    """System calls of execd, the spawner and all that the latter starts while the test runs."""
    log = "/run/execd-confinement.strace"
    client.run("web", ["/bin/true"])
    pids = [str(host.main_pid(unit)) for unit in host.SERVICES]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "256", "-o", log, "-e",
                               "trace=%file,%process,setns,mount,fchown,fchmod", *[w for p in pids for w in ("-p", p)]],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host.wait_until(lambda: all(host.status_of(pid)["TracerPid"] == str(tracer.pid) for pid in pids), "strace to have attached")

    def finish():
        # The last exec's end has had a spare made: strace does not get away from a process that waits in vfork.
        time.sleep(3)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
        with open(log, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()

    yield finish
    if tracer.poll() is None:
        tracer.kill()
        tracer.wait()
    if os.path.exists(log):
        os.unlink(log)
    host.restart_services()


def test_system_calls(trace):
    """T-A4, T-B3: no shared memory with what is inside, and no path below a container's root from outside."""
    for name in ("web", "userns", "booted"):
        for user in ("root", "app"):
            client.run(name, ["/bin/true"], User=user)
            client.run(name, ["/bin/true"], User=user, tty=True)
    lines = trace()
    joined = set()
    assert [line for line in lines if " setns(" in line], "the trace shows no join"
    for line in lines:
        pid, call = line.split(None, 1)
        if call.startswith("setns(") and call.endswith("= 0"):
            joined.add(pid)
        if pid in joined and re.match(r"(clone3?|vfork|fork)\(", call):
            assert "CLONE_VM" not in call and "CLONE_VFORK" not in call and not call.startswith("vfork"), line
        if pid not in joined:
            assert not re.search(r'"(/proc/\d+/)?root/[^"]', call), line
            assert "/var/lib/execd-tests/machines" not in call or call.startswith("readlink"), line
        assert not re.match(r"(mount|fchownat|chown|lchown|chmod|mknod|mknodat)\(", call), line


def test_descriptors_of_others_with_execds_number():
    """R-H4: a container without a user namespace has processes with any number, and the kernel counts the descriptors
    that these have in messages. execd may have as many as the kernel gives to anybody."""
    assert host.sh(["systemctl", "show", "-P", "LimitNOFILE", "-P", "LimitNPROC", "execd.service"]).split() == ["infinity"] * 2
    assert client.run("web", ["/bin/true"]).code == 0
    with open(f"/proc/{host.main_pid('execd.service')}/limits", encoding="ascii") as stream:
        limit = [int(line.split()[3]) for line in stream if line.startswith("Max open files")][0]
    count = min(limit // 2, 200000)
    holder = subprocess.Popen([f"{host.TOOLS}/hostile", "in-flight", host.sh(["id", "-u", "execd"]).strip(), str(count)],
                              stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "full\n"
        assert client.run("web", ["/bin/true"]).code == 0
        assert client.run("web", ["/bin/true"], tty=True).code == 0
    finally:
        holder.terminate()
        holder.wait(20)
