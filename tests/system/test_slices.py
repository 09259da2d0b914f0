# SPDX-License-Identifier: LGPL-2.1-or-later
"""The execs of a container are in one slice, which has its limits, is frozen with it, and goes with it."""

import glob
import os
import re
import threading
import time

import pytest

from execd import Attached, create, let_pass, request, run, shell, wait_for

MACHINE = "/usr/lib/execd-tests/machine"
ROOT = "/sys/fs/cgroup"
TICKER = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo $i >/tick; usleep 2000; done"]
# In SCALE 1 as often as the product promises; with tests/run --all.
FREEZES = 10 if float(os.environ.get("EXECD_TEST_SCALE", "1")) < 1 else 50
SCOPES = 32  # in one slice


def unit(name):
    return f"execd-test-machine@{name}.service"


def slices():
    return sorted(shell("systemctl list-units --all --plain --no-legend '*execd*.slice' | cut -d' ' -f1").split())


def digits_of(name):
    return request("GET", f"/containers/{name}/json").json()["Id"][:12]


def slice_of(name):
    """The directory of the slice."""
    return f"{ROOT}/machine.slice/machine-execd{digits_of(name)}.slice"


def sub_slices(directory):
    """The directories of those below it."""
    return sorted(glob.glob(f"{directory}/*.slice"))


def scope_directory(exec_id):
    found = glob.glob(f"{ROOT}/**/exec-{exec_id}.scope", recursive=True)
    assert len(found) == 1, found
    return found[0]


def scopes_of(name):
    return {os.path.basename(path) for path in glob.glob(f"{slice_of(name)}/**/exec-*.scope", recursive=True)}


def active_scopes(name):
    return [scope for scope in scopes_of(name) if shell(f"systemctl show -P ActiveState {scope}").strip() == "active"]


def events(directory):
    with open(f"{directory}/cgroup.events", encoding="ascii") as stream:
        return dict(line.split() for line in stream)


def processes_of(directory):
    try:
        with open(f"{directory}/cgroup.procs", encoding="ascii") as stream:
            return stream.read().split()
    except OSError:  # it has gone
        return []


def is_frozen(directory):
    return events(directory)["frozen"] == "1"


def property_of(name, prop):
    return shell(f"systemctl show -P {prop} '{name}'").strip()


def restart_spawner(how):
    shell(how, check=False)
    wait_for(lambda: request("GET", "/containers/json").status == 200, what="a spawner")


@pytest.fixture(scope="module")
def machine():
    """One of our own, which may be frozen and stopped."""
    shell(f"{MACHINE} start sliced")
    wait_for(lambda: request("GET", "/containers/sliced/json").status == 200, what="the machine")
    yield "sliced"
    shell(f"systemctl thaw {unit('sliced')}; {MACHINE} remove sliced", check=False)


def detached(name, command=("sleep", "1000")):
    exec_id = create(name, list(command), AttachStdout=False, AttachStderr=False)
    assert request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    return exec_id


def end(*ids):
    for exec_id in ids:
        request("POST", f"/exec/{exec_id}/kill?signal=KILL")


def test_one_slice_for_all_execs(machine):
    ids = [detached(machine) for _ in range(3)]
    directory = slice_of(machine)
    assert {os.path.dirname(scope_directory(i)) for i in ids} == {directory}
    assert property_of(os.path.basename(directory), "Description") == "Execs in machine sliced"
    assert not sub_slices(directory)
    end(*ids)


def test_each_container_has_its_own(machine):
    a, b = detached(machine), detached("web")
    assert os.path.dirname(scope_directory(a)) != os.path.dirname(scope_directory(b))
    assert os.path.dirname(scope_directory(b)) == slice_of("web")
    end(a, b)


def test_first_execs_at_the_same_time(machine):
    """Only one of them makes the slice, and the others are in it."""
    shell(f"systemctl stop 'machine-execd{digits_of(machine)}.slice'")
    commands = [f"execctl run {machine} -- sh -c 'echo {i}'" for i in range(12)]
    out = shell(" & ".join(commands) + " & wait")
    assert sorted(int(word) for word in out.split()) == list(range(12))


def test_stopped_by_somebody_else(machine):
    """The next exec has a slice again."""
    exec_id = detached(machine)
    shell(f"systemctl stop '{os.path.basename(slice_of(machine))}'")
    wait_for(lambda: not request("GET", f"/exec/{exec_id}/json").json()["Running"], what="the end of the exec")
    assert run(machine, ["echo", "again"])[:2] == (0, b"again\n")


def test_start_while_somebody_stops_it(machine):
    """It waits for the end of that, which the commands in it decide."""
    stubborn = detached(machine, ["sh", "-c", "trap '' TERM; : >/stubborn; while :; do sleep 1; done"])
    root = shell(f"{MACHINE} root {machine}").strip()
    wait_for(lambda: os.path.exists(f"{root}/stubborn"), what="a command that ignores SIGTERM")
    # The runner for the next exec is stopped with the others. One that is about to begin would fail, and the exec with it.
    wait_for(lambda: len(active_scopes(machine)) == 2, what="the runner for the next exec")
    name, replies = os.path.basename(slice_of(machine)), []
    shell(f"systemctl stop --no-block '{name}'")
    wait_for(lambda: len(scopes_of(machine)) == 1, what="the end of that runner")
    exec_id = create(machine, ["true"])
    start = threading.Thread(target=lambda: replies.append(request("POST", f"/exec/{exec_id}/start", {"Detach": True})))
    start.start()
    let_pass(1)
    assert not replies, replies[0].body
    end(stubborn)
    start.join()
    assert replies[0].status == 200, replies[0].body


def test_made_by_somebody_else(machine):
    """It is taken over, whatever it was made for."""
    name = os.path.basename(slice_of(machine))
    shell(f"systemctl stop '{name}'; systemctl start '{name}'")
    wait_for(lambda: property_of(name, "ActiveState") == "active", what="the slice")
    exec_id = detached(machine)
    assert os.path.dirname(scope_directory(exec_id)) == slice_of(machine)
    end(exec_id)


def test_goes_when_it_is_empty(machine):
    end(detached(machine))
    wait_for(lambda: os.path.basename(slice_of(machine)) in slices(), what="the slice")
    end_all(lambda: glob.glob(slice_of(machine)))
    wait_for(lambda: os.path.basename(slice_of(machine)) not in slices(), what="no slice")


def test_frozen_with_its_container(machine):
    exec_id = detached(machine, TICKER)
    directory, latest = slice_of(machine), []
    tick = f"{shell(f'{MACHINE} root {machine}').strip()}/tick"
    wait_for(lambda: os.path.exists(tick), what="the first tick")
    for _ in range(FREEZES):
        shell(f"systemctl freeze {unit(machine)}")
        frozen = time.monotonic()
        wait_for(lambda: is_frozen(directory), what="the slice is frozen")
        latest.append(time.monotonic() - frozen)
        with open(tick, encoding="ascii") as stream:
            before = stream.read()
        assert request("POST", f"/containers/{machine}/exec", {"Cmd": ["true"]}).status == 409
        with open(tick, encoding="ascii") as stream:
            assert stream.read() == before
        shell(f"systemctl thaw {unit(machine)}")
        wait_for(lambda: not is_frozen(directory), what="the slice is thawed")

        def ticks():
            with open(tick, encoding="ascii") as stream:
                return stream.read() not in ("", before)
        wait_for(ticks, what="it ticks again")
    print("seconds until frozen:", " ".join(f"{value:.3f}" for value in latest))
    end(exec_id)


def test_killed_while_frozen(machine):
    exec_id = detached(machine)
    shell(f"systemctl freeze {unit(machine)}")
    wait_for(lambda: is_frozen(slice_of(machine)), what="the slice is frozen")
    try:
        end(exec_id)
        wait_for(lambda: len(processes_of(f"{slice_of(machine)}/exec-{exec_id}.scope")) <= 1, what="the end of the command")
    finally:
        shell(f"systemctl thaw {unit(machine)}")
    wait_for(lambda: not request("GET", f"/exec/{exec_id}/json").json()["Running"], what="the end of the exec")


@pytest.mark.parametrize("frozen", ["container", "slice"])
def test_container_ends_while_frozen(frozen):
    """systemd 256 and later stop nothing that is frozen. Here nspawn's own process, which waits for the container's, still is."""
    shell(f"{MACHINE} start cold")
    wait_for(lambda: request("GET", "/containers/cold/json").status == 200, what="the machine")
    exec_id = create("cold", ["sleep", "1000"])
    attached = Attached(exec_id)
    name = os.path.basename(slice_of("cold"))
    leader = shell("machinectl show -p Leader --value cold").strip()
    try:
        shell(f"systemctl freeze {unit('cold') if frozen == 'container' else name}")
        wait_for(lambda: is_frozen(slice_of("cold")), what="the slice is frozen")
        shell(f"kill -9 {leader}")
        attached.read_all()
        wait_for(lambda: name not in slices(), what="the slice is stopped")
        assert not request("GET", f"/exec/{exec_id}/json").json()["Running"]
    finally:
        shell(f"systemctl thaw {unit('cold')}; {MACHINE} remove cold", check=False)


def test_start_when_the_pause_comes(machine):
    """A created exec is refused; after the thaw it starts."""
    exec_id = create(machine, ["echo", "late"])
    shell(f"systemctl freeze {unit(machine)}")
    try:
        reply = request("POST", f"/exec/{exec_id}/start", {"Detach": False})
        assert (reply.status, b"is paused" in reply.body) == (409, True)
    finally:
        shell(f"systemctl thaw {unit(machine)}")
    assert Attached(exec_id).read_all()[0] == b"late\n"


def test_frozen_while_no_spawner_runs(machine):
    """The next one sees it, and the thaw too."""
    exec_id = detached(machine)
    directory = slice_of(machine)
    shell("systemctl stop execd-spawner.socket execd-spawner.service")
    shell(f"systemctl freeze {unit(machine)}")
    try:
        let_pass(0.3)
        assert not is_frozen(directory)
        shell("systemctl start execd-spawner.socket")
        restart_spawner("true")
        wait_for(lambda: is_frozen(directory), what="the slice is frozen")
        restart_spawner("systemctl kill --signal=KILL execd-spawner.service")
        shell(f"systemctl thaw {unit(machine)}")
        wait_for(lambda: not is_frozen(directory), what="the slice is thawed")
    finally:
        shell(f"systemctl start execd-spawner.socket; systemctl thaw {unit(machine)}", check=False)
    end(exec_id)


def test_known_again_after_a_restart(machine):
    first = detached(machine)
    restart_spawner("systemctl kill --signal=KILL execd-spawner.service")
    second = detached(machine)
    assert os.path.dirname(scope_directory(first)) == os.path.dirname(scope_directory(second))
    end(first, second)


def test_container_ends_while_no_spawner_runs():
    shell(f"{MACHINE} start short")
    wait_for(lambda: request("GET", "/containers/short/json").status == 200, what="the machine")
    detached("short")
    name = os.path.basename(slice_of("short"))
    shell("systemctl stop execd-spawner.socket execd-spawner.service")
    shell(f"{MACHINE} remove short")
    try:
        assert name in slices()
    finally:
        shell("systemctl start execd-spawner.socket")
    restart_spawner("true")
    wait_for(lambda: name not in slices(), what="the slice is stopped")


def test_execs_outlive_a_spawner_that_knows_no_container(machine):
    """That systemd-machined does not answer the next one does not mean that the container has ended."""
    exec_id = detached(machine)
    name = os.path.basename(slice_of(machine))
    shell("systemctl kill --signal=STOP systemd-machined.service")
    try:
        shell("systemctl kill --signal=KILL execd-spawner.service")
        let_pass(12)  # it waits 5 s for the answer
        assert property_of(name, "ActiveState") == "active"
    finally:
        shell("systemctl kill --signal=CONT systemd-machined.service")
    wait_for(lambda: request("GET", f"/containers/{machine}/json").status == 200, what="the machine")
    assert request("GET", f"/exec/{exec_id}/json").json()["Running"]
    # It is followed from then on.
    shell(f"systemctl freeze {unit(machine)}")
    try:
        wait_for(lambda: is_frozen(slice_of(machine)), what="the slice is frozen")
    finally:
        shell(f"systemctl thaw {unit(machine)}")
    end(exec_id)


def test_slices_of_others_are_left_alone():
    """A slice with a similar name does not belong to a container."""
    shell("systemd-run --quiet --unit=other --slice=machine-execdition.slice sleep 100")
    try:
        restart_spawner("systemctl restart execd-spawner.service")
        run("web", ["true"])
        let_pass(1)
        assert property_of("other.service", "ActiveState") == "active"
    finally:
        shell("systemctl stop other.service machine-execdition.slice")


def end_all(find):
    """Ends all in the slices that are found until there are none. Also the runner that is ready for the next exec, which would
    stay for a while, and can come late."""
    def are_gone():
        names = " ".join(f"'{os.path.basename(directory)}'" for directory in find())
        if names:
            shell(f"systemctl kill --signal=KILL {names}", check=False)
        return not names
    wait_for(are_gone, what=lambda: f"an end of {find()}")


def end_all_but_one(directory, ids):
    """The one is in the slice itself, where the next runner that is ready has room then."""
    stays = next(i for i in ids if os.path.dirname(scope_directory(i)) == directory)
    end(*(i for i in ids if i != stays))
    end_all(lambda: sub_slices(directory))
    return stays


@pytest.fixture
def crowd(machine):
    """So many execs that their scopes are in three slices."""
    ids = [detached(machine) for _ in range(2 * SCOPES + 3)]
    yield ids
    end(*ids)
    end_all(lambda: sub_slices(slice_of(machine)))


def wait_for_at_most(count, directory):
    """systemd removes the scope of a command some time after its end."""
    wait_for(lambda: len(glob.glob(f"{directory}/exec-*.scope")) <= count, what=f"no more than {count} scopes in {directory}")


def test_many_execs_are_spread(machine, crowd):
    """systemd looks at all units of a slice for each new one: none has more of them than these."""
    directory = slice_of(machine)
    subs = sub_slices(directory)
    assert len(subs) >= 2
    for each in [directory, *subs]:
        wait_for_at_most(SCOPES, each)
        assert property_of(os.path.basename(each), "Description") == "Execs in machine sliced"
    assert {os.path.dirname(scope_directory(i)) for i in crowd} == {directory, *subs}


def test_many_execs_at_the_same_time(machine):
    shell(f"systemctl stop 'machine-execd{digits_of(machine)}.slice'")
    count = 3 * SCOPES
    out = shell("i=0; while [ $i -lt %d ]; do execctl run %s -- echo $i & i=$((i + 1)); done; wait" % (count, machine))
    assert sorted(int(word) for word in out.split()) == list(range(count))


def test_sub_slices_go_when_they_are_empty(machine, crowd):
    """The slice itself stays, since an exec is in it."""
    directory = slice_of(machine)
    stays = end_all_but_one(directory, crowd)
    assert f"{os.path.basename(directory)[:-len('.slice')]}-1.slice" not in slices()
    assert request("GET", f"/exec/{stays}/json").json()["Running"]


def test_sub_slices_are_known_again(machine, crowd):
    """After a restart the next execs go to one that has room, and all of them go when they are empty."""
    directory = slice_of(machine)
    subs = sub_slices(directory)
    restart_spawner("systemctl kill --signal=KILL execd-spawner.service")
    crowd += [detached(machine) for _ in range(SCOPES // 2)]
    assert sub_slices(directory) == subs
    for each in subs:
        wait_for_at_most(SCOPES, each)
    end_all_but_one(directory, crowd)
    assert os.path.basename(directory) in slices()


def test_many_execs_are_frozen(machine, crowd):
    shell(f"systemctl freeze {unit(machine)}")
    try:
        wait_for(lambda: all(is_frozen(scope_directory(i)) for i in crowd), what="all scopes are frozen")
    finally:
        shell(f"systemctl thaw {unit(machine)}")
    wait_for(lambda: not any(is_frozen(scope_directory(i)) for i in crowd), what="all scopes are thawed")


def test_usage_of_many_execs(machine, crowd):
    found = request("GET", f"/containers/{machine}/stats?stream=0&one-shot=1").json()
    used = {entry["id"]: entry["tasks"] for entry in found["execs"]}
    assert all(used[i] >= 1 for i in crowd)
    assert found["pids_stats"]["current"] >= sum(used[i] for i in crowd)


def test_many_execs_end_with_their_container():
    shell(f"{MACHINE} start crowded")
    wait_for(lambda: request("GET", "/containers/crowded/json").status == 200, what="the machine")
    for _ in range(SCOPES + 3):
        detached("crowded")
    directory = slice_of("crowded")
    assert sub_slices(directory)
    shell(f"{MACHINE} remove crowded")
    wait_for(lambda: not os.path.exists(directory), what="no slice")
    assert not [s for s in slices() if s.startswith(os.path.basename(directory)[:-len(".slice")])]


def machines(count):
    return [f"many{i}" for i in range(count)]


# 200 take minutes: with tests/run --all.
MANY = [20] if float(os.environ.get("EXECD_TEST_SCALE", "1")) < 1 else [20, 200]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", MANY)
def test_nothing_is_left(count):
    """All containers end, with five execs in each, and the spawner is restarted in the middle."""
    def fds():
        pid = property_of("execd-spawner.service", "MainPID")
        return len(os.listdir(f"/proc/{pid}/fd")) if pid != "0" else 0
    run("web", ["true"])
    before = fds()
    names = machines(count)
    try:
        for name in names:
            shell(f"{MACHINE} start {name}")
        ids = []
        for i, name in enumerate(names):
            wait_for(lambda n=name: request("GET", f"/containers/{n}/json").status == 200, what=name)
            ids += [detached(name) for _ in range(5)]
            if i == count // 2:
                restart_spawner("systemctl kill --signal=KILL execd-spawner.service")
        assert len([s for s in slices() if s.startswith("machine-execd")]) >= count
        own = {f"machine-execd{digits_of(name)}.slice" for name in names}
    finally:
        # Side by side, but systemd answers so many systemctl at a time that none of them gives up.
        for i in range(0, count, 20):
            shell(" & ".join(f"{MACHINE} remove {name}" for name in names[i:i + 20]) + " & wait")
    wait_for(lambda: not own & set(slices()), what="no slice is left")
    scopes = shell("systemctl list-units --all --plain --no-legend 'exec-*.scope' | cut -d' ' -f1")
    assert not [i for i in ids if i in scopes]
    assert not any(glob.glob(f"{ROOT}/**/*execd{name}*", recursive=True) for name in own)
    wait_for(lambda: fds() <= before + 8, what=lambda: f"{fds()} fds, {before} before")
    assert not re.search(r"many\d+", shell("ps -eo args | grep -v grep | grep execd-runner || true"))
