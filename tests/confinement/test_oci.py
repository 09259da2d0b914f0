# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers of Docker, Podman, runc and crun: found, and entered as their own first process is confined."""

import glob
import json
import os
import shutil
import subprocess
import threading
import time

import client
import engines
import host
import parity
import pytest

ENGINES = {"docker": engines.Docker, "podman": engines.Podman, "podman-crun": engines.PodmanCrun, "runc": engines.Runc,
           "crun": engines.Crun}
USERS = {"root": (0, 0, [0]), "app": (1000, 1000, [1000, 10])}
RUNC_PLACE = "/run/runc"


@pytest.fixture(scope="module", autouse=True)
def docker():
    with engines.with_images():
        yield


@pytest.fixture(scope="module")
def containers(docker):
    made = {}

    def get(name):
        if name not in made:
            made[name] = ENGINES[name](f"oci-{name}")
        return made[name]

    yield get
    for c in made.values():
        c.remove()


@pytest.fixture
def container():
    made = []

    def make(kind, *arguments, **options):
        made.append(kind(*arguments, **options))
        return made[-1]

    yield make
    for c in made:
        c.remove()


def listed():
    return {c["Names"][0].lstrip("/"): c for c in json.loads(client.request("GET", "/containers/json").body)}


class Events:
    """The events of GET /events while it runs, as (action, name)."""

    def __init__(self):
        self.seen = []
        self.process = subprocess.Popen(["docker", "events", "--since", f"{time.time():.6f}", "--format", "{{.Action}} {{.Actor.Attributes.name}}"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.seen.append(tuple(line.split()))

    def wait_for(self, action, name):
        host.wait_until(lambda: (action, name) in self.seen, f"{action} of {name} in {self.seen}")

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ENGINES)
def test_equal(containers, name, user):
    c = containers(name)
    reference = parity.from_payload(c, *USERS[user])
    outcome = client.run(c.name, ["/probe/probe", "report"], User=user)
    assert outcome.ran and outcome.code == 0, outcome
    tags = {"all", "oci", name} | ({"user"} if user != "root" else set())
    found = parity.differences(reference, parity.parse(outcome.out.decode()), tags)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", ENGINES)
def test_privileged(containers, name, user):
    """T-C11, T-D1: the capabilities and no more; the engine's filters and its device policy hold all the same."""
    c = containers(name)
    reference = parity.from_payload(c, *USERS[user])
    got = client.fields(client.run(c.name, ["/probe/probe", "report"], User=user, Privileged=True))
    tags = {"all", "oci", name, "privileged"} | ({"user"} if user != "root" else set())
    found = parity.differences(reference, got, tags)
    assert not found, "\n".join(found)
    parity.assert_privileged(reference, got, host.caps(host.status_of(1)["CapBnd"]), user == "root")
    # crun's have no control group here, and so no policy.
    nodes = {field: value for field, value in got.items() if field.startswith("try.node.disk") and "crun" not in name}
    assert all("EPERM" in value for value in nodes.values()), nodes
    assert nodes or "crun" in name


GROUPS = {
    # Docker gives them to every user, Podman to the one whom the container itself runs as.
    ("docker", ()): {"": {0, 4242, 10}, "app": {1000, 4242, 10}, "1000": {1000, 4242, 10}, "nobody": {65534, 4242, 10}},
    ("docker", ("--user", "1000")): {"": {1000, 4242, 10}, "0": {0, 4242, 10}},
    ("podman", ()): {"": {0, 4242, 10}, "app": {1000, 10}},
    ("podman", ("--user", "1000")): {"": {1000, 4242, 10}, "0": {0}},
}


@pytest.mark.parametrize("name,options", GROUPS, ids=str)
def test_group_add(container, name, options):
    c = container(ENGINES[name], "oci-groups", [*options, "--group-add", "4242", "--group-add", "wheel"])
    assert 4242 in map(int, host.status_of(c.leader())["Groups"].split())
    for user, groups in GROUPS[name, options].items():
        outcome = client.run(c.name, ["cat", "/proc/self/status"], **({"User": user} if user else {}))
        line = next(x for x in outcome.out.decode().splitlines() if x.startswith("Groups:"))
        assert set(map(int, line.split()[1:])) == groups, user


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_asked_for(containers, name):
    c = containers(name)
    assert client.output(c.name, ["id", "-u"], User="app").strip() == "1000"
    assert client.output(c.name, ["pwd"], WorkingDir="/tmp").strip() == "/tmp"
    assert client.run(c.name, ["sh", "-c", "exit 7"]).code == 7
    env = dict(line.split("=", 1) for line in client.output(c.name, ["env"], Env=["ASKED=1"], User="app").splitlines())
    assert env["CONFIGURED"] == "a b" and env["ASKED"] == "1" and env["HOME"] == "/home/app"
    assert ("FROM_IMAGE" in env) == (c.id is not None)
    assert env.get("container") == ("podman" if c.kind == "podman" else None)


@pytest.mark.parametrize("name", ["docker", "podman", "runc"])
def test_what_is_configured(container, name):
    """A request without a user gets the container's, and not root; the same with the directory."""
    options = [{"user": {"uid": 1000, "gid": 1000, "additionalGids": [10]}, "cwd": "/tmp"}] if name == "runc" else [
        "--user", "app", "--workdir", "/tmp"]
    c = container(ENGINES[name], f"oci-configured-{name}", options, ["sleep", "1000"])
    words = client.output(c.name, ["sh", "-c", "id -u; id -G; pwd; echo $HOME"]).split("\n")
    assert words[0] == "1000" and set(words[1].split()) == {"1000", "10"} and words[2:4] == ["/tmp", "/home/app"]
    made = client.create(c.name, ["true"]).json()["Id"]
    assert client.inspect(made)["ProcessConfig"]["user"] in ("app", "1000", "1000:1000")
    assert client.output(c.name, ["sh", "-c", "id -u; pwd"], User="root", WorkingDir="/").split() == ["0", "/"]


def test_not_before_it_is_confined(container):
    """Whatever the moment is at which a container is entered, its filters are there."""
    for i in range(5):
        name = f"oci-early-{i}"
        seen = []
        stop = threading.Event()

        def hammer(name=name, seen=seen, stop=stop):
            while not stop.is_set():
                outcome = client.run(name, ["grep", "Seccomp:", "/proc/self/status"])
                if outcome.status == 101:
                    seen.append(outcome.text.split())

        threads = [threading.Thread(target=hammer) for _ in range(2)]
        for t in threads:
            t.start()
        try:
            container(engines.Docker, name)
            host.wait_until(lambda seen=seen: len(seen) > 3, "commands to have run")
        finally:
            stop.set()
            for t in threads:
                t.join()
        assert all(words == ["Seccomp:", "2"] for words in seen), seen


@pytest.mark.parametrize("name", ENGINES)
def test_listed(containers, name):
    c = containers(name)
    row = listed()[c.name]
    shown = json.loads(client.request("GET", f"/containers/{c.name}/json").body)
    assert row["State"] == "running" and shown["State"]["Pid"] == c.leader()
    if c.id is not None:
        assert row["Id"] == shown["Id"] == c.id
        assert engines.IMAGE in row["Image"]
        for length in (12, 20, 64):
            assert client.run(c.id[:length], ["true"]).code == 0


@pytest.mark.parametrize("name", ["docker", "podman", "runc", "crun"])
def test_comes_and_goes(container, name):
    events = Events()
    try:
        c = container(ENGINES[name], f"oci-short-{name}")
        assert client.run(c.name, ["true"]).code == 0
        events.wait_for("start", c.name)
        c.end()
        events.wait_for("die", c.name)
        client.assert_refused(client.run(c.name, ["true"]), "No such container")
    finally:
        events.close()


@pytest.mark.parametrize("name", ["docker", "podman", "runc"])
def test_another_run(container, name):
    """An exec belongs to the run that it was made in."""
    c = container(ENGINES[name], f"oci-again-{name}")
    made = json.loads(client.create(c.name, ["true"]).body)["Id"]
    c.restart()
    client.assert_refused(client.start(made), statuses=(404, 409, 410))
    assert client.run(c.name, ["true"]).code == 0


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_another_name(container, name):
    c = container(ENGINES[name], f"oci-old-{name}")
    assert client.run(c.name, ["true"]).code == 0
    engines.engine([name, "rename", c.name, f"oci-new-{name}"])
    c.name = f"oci-new-{name}"
    assert client.run(c.name, ["true"]).code == 0
    client.assert_refused(client.run(f"oci-old-{name}", ["true"]), "No such container")


def spares(name):
    lines = host.sh(["systemctl", "list-units", "--plain", "--no-legend", "exec-*.scope"]).splitlines()
    return [line.split()[0] for line in lines if f"{name}: runner for an exec" in line]


@pytest.mark.parametrize("taken", [False, True], ids=["before create", "before start"])
@pytest.mark.parametrize("name", ["docker", "podman"])
def test_another_name_at_once(container, name, taken):
    """A runner that was made in advance is used under the new name of the container as well."""
    c = container(ENGINES[name], f"oci-{name}-old")
    assert client.run(c.name, ["true"]).code == 0
    host.wait_until(lambda: spares(c.name), "a spare")
    group = host.sh(["systemctl", "show", "-P", "ControlGroup", spares(c.name)[0]]).strip()
    made = client.create(c.name, ["true"]).json()["Id"] if taken else None
    # Were the spare to end, its scope would not, and another one cannot have its name.
    with subprocess.Popen(["sleep", "100"]) as stays:
        try:
            with open(f"/sys/fs/cgroup{group}/cgroup.procs", "w", encoding="ascii") as stream:
                stream.write(str(stays.pid))
            engines.engine([name, "rename", c.name, f"oci-{name}-new"])
            c.name = f"oci-{name}-new"
            outcome = client.start(made) if taken else client.run(c.name, ["true"])
        finally:
            stays.kill()
    assert outcome.ran and outcome.code == 0, outcome


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_names_change_hands(container, name):
    """The next command after it goes to the container that has the name then."""
    first = container(ENGINES[name], f"oci-one-{name}")
    second = container(ENGINES[name], f"oci-two-{name}")
    wanted, spare = first.name, f"oci-spare-{name}"
    for _ in range(5):
        assert json.loads(client.request("GET", f"/containers/{wanted}/json").body)["Id"] == first.id
        engines.engine([name, "rename", wanted, spare])
        engines.engine([name, "rename", second.name, wanted])
        assert client.run(wanted, ["true"]).code == 0
        assert json.loads(client.request("GET", f"/containers/{wanted}/json").body)["Id"] == second.id
        first.name, second.name, spare = spare, wanted, second.name
        first, second = second, first


def names_of_podmans():
    """The files that have the names of Podman's containers."""
    found = {}
    for path in glob.glob("/var/lib/containers/storage/*-containers/*containers.json"):
        with open(path, "rb") as stream:
            found[path] = stream.read()
    return found


def put_at_once(files):
    for path, content in files.items():
        with open(f"{path}.new", "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            stream.write(content)
        os.rename(f"{path}.new", path)


def test_name_of_two(container, machine):
    """Neither is guessed; each has its id."""
    m = machine("oci-clash", [], ["/probe/hostile", "sleep"])
    c = container(engines.Podman, "oci-clash-podman")
    before = names_of_podmans()
    engines.engine(["podman", "rename", c.name, "oci-clash"])
    after = names_of_podmans()
    c.name = "oci-clash"
    client.assert_refused(client.run("oci-clash", ["true"]), "machine", "podman", "use the ID", statuses=(409,))
    assert client.output(c.id, ["cat", "/proc/1/cmdline"]).startswith("/probe/probe")
    assert m.name == c.name
    # The old name, which is still known, and not a moment later the new one.
    put_at_once(before)
    host.wait_until(lambda: client.run("oci-clash-podman", ["true"]).code == 0, "the old name")
    put_at_once(after)
    client.assert_refused(client.run("oci-clash", ["true"]), "machine", "podman", "use the ID", statuses=(409,))


def test_not_confined_yet(container):
    """Until its program runs, what is in a container's namespaces is the runtime, without filters or label."""
    c = container(engines.Runc, "oci-created")
    c.runtime("delete", "--force", c.name)
    c.runtime("create", c.name)
    assert c.name not in listed()
    client.assert_refused(client.run(c.name, ["true"]), "starting", statuses=(409,))
    c.runtime("start", c.name)
    host.wait_until(lambda: client.run(c.name, ["true"]).code == 0, "the container to have started")


def test_host_namespaces(container):
    c = container(engines.Docker, "oci-hostpid", ["--pid", "host"])
    client.assert_refused(client.run(c.name, ["true"]), "pid namespace of the host", statuses=(403,))
    assert c.name not in listed()


@pytest.fixture
def forged(containers):
    """A state file of runc's that names the process of another container, and is right in all but what a test makes
    wrong."""
    place = f"{RUNC_PLACE}/oci-forged"
    with open(f"{RUNC_PLACE}/{containers('runc').name}/state.json", encoding="utf-8") as stream:
        state = json.load(stream)
    state["id"] = "oci-forged"

    def make(**changes):
        os.makedirs(place, mode=0o711, exist_ok=True)
        with open(f"{place}/state.json.new", "w", encoding="utf-8") as stream:
            json.dump({**state, **changes}, stream)
        os.chmod(f"{place}/state.json.new", 0o600)
        os.rename(f"{place}/state.json.new", f"{place}/state.json")
        return place

    yield make
    shutil.rmtree(place, ignore_errors=True)


def forged_run():
    return client.run("oci-forged", ["true"])


def test_forged_as_root(forged):
    """Otherwise the tests below would show nothing."""
    forged()
    assert forged_run().code == 0


@pytest.mark.parametrize("spoil", [
    lambda place: os.chown(f"{place}/state.json", 1000, 0),
    lambda place: os.chmod(f"{place}/state.json", 0o602),
    lambda place: os.chmod(f"{place}/state.json", 0o620),
    lambda place: os.chown(place, 1000, 0),
    lambda place: os.chmod(place, 0o733),
], ids=["owner", "others", "group", "directory's owner", "directory"])
def test_written_by_users(forged, spoil):
    """R-F2: a file that others than root may write names no process."""
    spoil(forged())
    client.assert_refused(forged_run(), "does not belong to root, or other users can write to it", statuses=(403,))
    assert "oci-forged" not in listed()


def test_links_and_pipes(forged):
    place = forged()
    os.rename(f"{place}/state.json", f"{RUNC_PLACE}/.real")
    try:
        os.symlink(f"{RUNC_PLACE}/.real", f"{place}/state.json")
        assert not forged_run().ran
        os.unlink(f"{place}/state.json")
        os.mkfifo(f"{place}/state.json", 0o600)
        assert not forged_run().ran
    finally:
        os.unlink(f"{RUNC_PLACE}/.real")


@pytest.mark.parametrize("changes,word", [
    ({"init_process_start": 12345}, "not running"),
    ({"init_process_pid": 1}, "init_process_pid"),
    ({"id": "another"}, "another container"),
    ({"cgroup_paths": {"": "/sys/fs/cgroup/system.slice/ssh.service"}}, "control group"),
    ({"cgroup_paths": {}}, "cgroup_paths"),
    ({"config": {"labels": ["bundle=/nowhere"]}}, "config.json"),
    ({"config": {"labels": ["bundle=/run/user/../runc"]}}, "bundle"),
], ids=["start time", "init", "id", "cgroup", "no cgroup", "bundle", "path"])
def test_does_not_fit(forged, changes, word):
    forged(**changes)
    client.assert_refused(forged_run(), word)


def test_of_the_host(forged):
    """A pid and a start time that are right, of a process that is in no container."""
    pid = os.getpid()
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        start = int(stream.read().rpartition(")")[2].split()[19])
    forged(init_process_pid=pid, init_process_start=start)
    client.assert_refused(forged_run(), "namespace of the host", statuses=(403,))


def test_source_goes(forged):
    """A name is not answered for from memory."""
    place = forged()
    assert forged_run().code == 0
    shutil.rmtree(place)
    host.wait_until(lambda: "No such container" in forged_run().message, "an end of it")


AS_MEMBER = """
import os, pwd, sys
sys.path.insert(0, sys.argv[1])
user = pwd.getpwnam("oci-member")
os.initgroups(user.pw_name, user.pw_gid); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
import client
print(client.create(sys.argv[2], ["true"]).status)
"""

RULE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.execd1.exec" && subject.isInGroup("execd"))
        return polkit.Result.YES;
});
"""


def test_group_enters_machines_only(containers):
    """A container of an engine may have been given the whole host: it takes a rule to open it to the group."""
    rules = "/etc/polkit-1/rules.d/40-execd-engines.rules"
    name = containers("docker").name
    answers = []

    def may(container):
        answers.append(host.sh(["python3", "-c", AS_MEMBER, os.path.dirname(client.__file__), container]).strip())
        return answers[-1]
    host.sh("useradd -M -G execd oci-member")
    try:
        host.wait_until(lambda: may("web") == "201", lambda: f"polkit to know the group: {answers}")
        assert may(name) == "403"
        with open(rules, "w", encoding="utf-8") as stream:
            stream.write(RULE)
        host.wait_until(lambda: may(name) == "201", lambda: f"polkit to have read the rule: {answers}")
    finally:
        if os.path.exists(rules):
            os.unlink(rules)
        host.sh("userdel oci-member")
