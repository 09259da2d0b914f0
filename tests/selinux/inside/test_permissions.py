# SPDX-License-Identifier: LGPL-2.1-or-later
"""Permissions of the policy: class containerexec, checked by execd for the caller's label and the container's."""

import json
import os
import socket
import time

import client
import pytest
import vm

CALLER = "/usr/lib/execd-tests/selinux/caller.py"


class Caller:
    """Requests from a domain; all that was recorded of one is then in `records`."""

    def __init__(self, domain):
        self.domain = domain
        self.records = []  # in the audit log
        self.said = []  # in execd's journal

    def run(self, words):
        before = vm.cursor()
        text = vm.sh(["runcon", f"unconfined_u:unconfined_r:{self.domain}:s0-s0:c0.c1023", *words], check=False)
        time.sleep(0.3)  # records of the kernel come later than the answer
        self.records = [r for r in vm.records(before) if "containerexec" in r]
        self.said = [r for r in vm.said(before).splitlines() if "containerexec" in r]
        return text

    def call(self, method, signature, *arguments, path="/org/execd1", interface="org.execd1.Manager"):
        """The same on D-Bus; the output of busctl."""
        return self.run(["busctl", "call", "org.execd1", path, interface, method, signature, *arguments])

    def ask(self, method, path, body=None):
        words = ["python3", CALLER, method, path]
        if body is not None:
            words.append(json.dumps(body))
        status, message = self.run(words).split(" ", 1)
        return int(status), message

    def create(self, machine, cmd=("true",), **fields):
        return self.ask("POST", f"/v1.41/containers/{machine.name}/exec", {"Cmd": list(cmd), **fields})


def assert_denied(caller, answer, permission, target):
    status, message = answer
    assert status == 403, answer
    assert "SELinux" in message and permission in message, message
    assert_recorded(caller, permission, target)


def assert_recorded(caller, permission, target):
    """Once in the audit log and once in execd's journal."""
    assert len(caller.records) == 1 and len(caller.said) == 1, (caller.records, caller.said)
    record = caller.records[0]
    assert record.split("msg='", 1)[1].split(" exe=")[0] == caller.said[0].removeprefix("USER_AVC ").strip()
    for part in ("USER_AVC", "denied", f"{{ {permission} }}", f"scontext=unconfined_u:unconfined_r:{caller.domain}:",
                 f"tcontext={target}", "tclass=containerexec", "uid=0", "pid=", "subj=system_u:system_r:execd_spawner_t:s0"):
        assert part in record, (part, record)


def running(machine):
    """An exec of root's, in the domain of these tests, that goes on until it is killed."""
    exec_id = client.create(machine.name, ["sleep", "1000"]).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    return exec_id


def test_without_the_permission_root_is_denied_too(web):
    caller = Caller("execd_test_list_t")
    assert_denied(caller, caller.create(web, ["echo", "a b"]), "exec", web.label)
    # In hexadecimal, as the audit system has it, since there is a space in it.
    command_line = b'echo "a b"'.hex().upper()
    assert f"cmdline={command_line} " in caller.records[0] and "container=web" in caller.records[0]


def test_a_command_line_cannot_pass_for_a_label(web):
    caller = Caller("execd_test_list_t")
    label = "scontext=system_u:system_r:init_t:s0"
    assert_denied(caller, caller.create(web, ["echo", label, "'", "x" * 2000]), "exec", web.label)
    assert label not in caller.records[0] and caller.records[0].count("scontext=") == 1


def test_without_any_permission_nothing_is_told(web):
    caller = Caller("execd_test_none_t")
    assert_denied(caller, caller.ask("GET", f"/v1.41/containers/{web.name}/json"), "list", web.label)
    status, message = caller.ask("GET", "/v1.41/containers/json")
    assert web.name not in message, (status, message)


def test_with_the_permission_it_is_allowed_and_not_recorded(web):
    caller = Caller("execd_test_exec_t")
    assert caller.create(web)[0] == 201
    assert caller.records == []


def test_on_dbus_it_is_the_same(web):
    caller = Caller("execd_test_list_t")
    text = caller.call("Run", "sas", web.name, "1", "true")
    assert "SELinux does not allow exec" in text, text
    assert_recorded(caller, "exec", web.label)
    assert "cmdline=\"true\"" in caller.records[0]

    caller = Caller("execd_test_exec_t")
    assert caller.call("Run", "sas", web.name, "1", "true").startswith("io 0 "), "with the permission"
    assert caller.records == []
    text = caller.call("CreateExec", "sasa{sv}", web.name, "1", "true", "1", "Privileged", "b", "true")
    assert "SELinux does not allow exec_privileged" in text, text
    assert_recorded(caller, "exec_privileged", web.label)

    caller = Caller("execd_test_none_t")
    text = caller.call("GetContainer", "s", web.name)
    assert "SELinux does not allow list" in text, text
    assert_recorded(caller, "list", web.label)


def test_on_dbus_kill_and_attach_are_judged_apart(web):
    exec_id = running(web)
    path = f"/org/execd1/exec/_{exec_id}"
    caller = Caller("execd_test_exec_t")
    text = caller.call("Kill", "ib", "9", "false", path=path, interface="org.execd1.Exec")
    assert "SELinux does not allow kill" in text, text
    assert_recorded(caller, "kill", web.label)
    caller = Caller("execd_test_kill_t")
    text = caller.call("Resize", "qq", "10", "10", path=path, interface="org.execd1.Exec")
    assert "SELinux does not allow attach" in text, text
    assert_recorded(caller, "attach", web.label)
    caller.call("Kill", "ib", "9", "false", path=path, interface="org.execd1.Exec")
    assert caller.records == []


def test_list_is_judged_apart(web):
    caller = Caller("execd_test_list_t")
    status, message = caller.ask("GET", f"/v1.41/containers/{web.name}/json")
    assert status == 200 and web.name in message


def test_privileged_is_judged_apart(web):
    caller = Caller("execd_test_exec_t")
    assert_denied(caller, caller.create(web, Privileged=True), "exec_privileged", web.label)


def test_kill_is_judged_apart(web):
    exec_id = running(web)
    caller = Caller("execd_test_exec_t")
    assert_denied(caller, caller.ask("POST", f"/exec/{exec_id}/kill?signal=KILL"), "kill", web.label)
    assert client.inspect(exec_id)["Running"]
    assert Caller("execd_test_kill_t").ask("POST", f"/exec/{exec_id}/kill?signal=KILL")[0] in (200, 204)


def test_attach_is_judged_apart(web):
    exec_id = running(web)
    caller = Caller("execd_test_kill_t")
    assert_denied(caller, caller.ask("POST", f"/exec/{exec_id}/attach"), "attach", web.label)
    client.request("POST", f"/exec/{exec_id}/kill?signal=KILL")


def test_recordings(web):
    """execd may write them, who asks on the bus gets the file, and to read one is judged as to attach is."""
    exec_id = client.create(web.name, ["echo", "played back"], Record=True).json()["Id"]
    assert client.start_detached(exec_id).status in (200, 204)
    assert client.request("POST", f"/exec/{exec_id}/wait").status == 200
    assert vm.sh(["ls", "-Z", f"/var/lib/execd/recordings/{exec_id}.cast"]).split(":")[2] == "execd_var_lib_t"
    assert vm.sh(["execctl", "replay", "--no-wait", exec_id]) == "played back\n"
    assert vm.sh(["execctl", "run", "--quiet", "--record", web.name, "--", "echo", "over a stream"]) == "over a stream\n"
    caller = Caller("execd_test_kill_t")
    assert_denied(caller, caller.ask("GET", f"/exec/{exec_id}/recording"), "attach", web.label)
    text = caller.call("GetRecording", "s", exec_id)
    assert "SELinux does not allow attach" in text, text


def test_the_owners_own_exec_is_no_exception(web):
    """An exec that one domain of root's may create is not started by another."""
    exec_id = client.create(web.name, ["true"], Privileged=True).json()["Id"]
    caller = Caller("execd_test_exec_t")
    assert_denied(caller, caller.ask("POST", f"/exec/{exec_id}/start", {"Detach": True}), "exec_privileged", web.label)


def test_a_permissive_caller_is_allowed_and_recorded(web):
    caller = Caller("execd_test_permissive_t")
    assert caller.create(web)[0] == 201
    assert any("denied" in r and "{ exec }" in r and "permissive=1" in r for r in caller.records), caller.records


def test_polkit_is_asked_all_the_same(web):
    """The policy allows it to unconfined_t, and polkit does not to a stranger."""
    words = ["runuser", "-u", "other", "--", "busctl", "call", "org.execd1", "/org/execd1", "org.execd1.Manager"]
    text = vm.sh(words + ["ListContainers"], check=False)
    assert "web" not in text


def test_the_target_is_the_containers_label(other):
    """Each container is asked about by its own label, level and all."""
    caller = Caller("execd_test_list_t")
    assert_denied(caller, caller.create(other), "exec", other.label)


ASK = ["python3", CALLER, "GET", "/exec/json"]
OTHER_ROOT = "/run/other-root"


def knows_peers_by_pidfd():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            ours.getsockopt(socket.SOL_SOCKET, 77)
            return True
        except OSError:
            return False


@pytest.fixture
def other_root():
    """A directory with the host's programs and sockets in it."""
    os.makedirs(f"{OTHER_ROOT}/usr")
    os.makedirs(f"{OTHER_ROOT}/run")
    for link in ("bin", "lib", "lib64"):
        os.symlink(f"usr/{link}", f"{OTHER_ROOT}/{link}")
    for directory in ("usr", "run"):
        vm.sh(["mount", "--bind", f"/{directory}", f"{OTHER_ROOT}/{directory}"])
    yield OTHER_ROOT
    for directory in ("usr", "run"):
        vm.sh(["umount", f"{OTHER_ROOT}/{directory}"])
    vm.sh(["rm", "-r", "--one-file-system", OTHER_ROOT])


@pytest.mark.parametrize("words", [["unshare", "--pid", "--fork", "sh", "-c", '"$@"; exit $?', "sh"],
                                   ["chroot", OTHER_ROOT]], ids=["pid", "root"])
def test_callers_of_a_container_are_refused(web, other_root, words):
    """This kernel names the peer of a socket by its number only."""
    release = tuple(int(n) for n in os.uname().release.split(".")[:2])
    assert knows_peers_by_pidfd() == (release >= (6, 5))
    said = vm.sh([*words, *ASK], check=False)
    assert said.startswith("403 ") and "not a process of the host" in said, said
    said = vm.sh([*words, "busctl", "call", "org.execd1", "/org/execd1", "org.execd1.Manager", "ListExecs"], check=False)
    assert "not a process of the host" in said, said
    assert vm.sh(ASK).startswith("200 ")
