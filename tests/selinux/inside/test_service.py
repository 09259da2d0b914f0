# SPDX-License-Identifier: LGPL-2.1-or-later
"""More than one exec, enforcing: execd is restarted while commands run, the kernel's audit has records, and recordings
belong to execd alone."""

import json
import os
import socket
import subprocess
import sys
import time

import client
import vm


def test_restart_loses_no_exec(web):
    # Over a restart and a crash.
    started = [client.create(web.name, ["sh", "-c", f"sleep 20; echo late; exit {code}"], Tty=tty).json()["Id"]
               for code, tty in ((7, False), (8, True))]
    for exec_id in started:
        assert client.start_detached(exec_id).status in (200, 204)
    for command in (["restart"], ["kill", "-s", "KILL"]):
        pid = vm.vm_value("systemctl", "show", "-P", "MainPID", "execd.service")
        vm.sh(["systemctl", *command, "execd.service"])
        assert vm.wait_for(lambda p=pid: vm.vm_value("systemctl", "show", "-P", "MainPID", "execd.service") not in (p, "0"))
        assert all(client.inspect(exec_id)["Running"] for exec_id in started), started
    for exec_id, code in zip(started, (7, 8)):
        ended = vm.wait_for(lambda e=exec_id: not client.inspect(e)["Running"] and client.inspect(e))
        assert ended and ended["ExitCode"] == code, ended
        assert b"late" in client.request("GET", f"/exec/{exec_id}/logs").body


def test_restart_keeps_attached_clients(web):
    exec_id = client.create(web.name, ["sh", "-c", "cat; exit 6"], AttachStdin=True).json()["Id"]
    stream = client.Stream(exec_id)
    try:
        for text in (b"before ", b"after "):
            stream.socket.sendall(text)
            time.sleep(0.5)  # nothing shows that the text was passed on
            vm.sh(["systemctl", "restart", "execd.service"])
        stream.socket.shutdown(socket.SHUT_WR)
        assert stream.read_all() == (b"before after ", b"")
    finally:
        stream.close()
    assert client.inspect(exec_id)["ExitCode"] == 6


def user_commands(exec_id):
    text = vm.sh(["journalctl", "--no-pager", "-b", "-o", "json", "_TRANSPORT=audit"])
    return [line["MESSAGE"] for line in map(json.loads, text.splitlines())
            if line.get("_AUDIT_TYPE") == "1123" and f"exec={exec_id}" in str(line.get("MESSAGE"))]


CALL = """
import sys
sys.path[:0] = sys.argv[1].split(":")
with open("/proc/self/loginuid", "w") as f:
    f.write("4711")
import client
outcome = client.run("web", ["cat", "/proc/self/loginuid"])
print(outcome.id, outcome.out.decode())
"""


def test_audit_knows_the_command_and_who_it_was(web):
    done = subprocess.run([sys.executable, "-c", CALL, ":".join(sys.path)], capture_output=True, text=True, timeout=60,
                          check=True)
    exec_id, login_uid = done.stdout.split()
    assert login_uid == "4711"
    told = vm.wait_for(lambda: user_commands(exec_id))
    assert len(told) == 1, told
    assert 'vm="web"' in told[0] and "cmd=636174202F70726F632F73656C662F6C6F67696E756964" in told[0], told
    assert "auid=4711" in told[0] and "res=success" in told[0], told


def test_a_recording_is_execds(web):
    outcome = web.run(["echo", "recorded"], tty=True, Record=True)
    assert outcome.code == 0, outcome
    answer = client.request("GET", f"/exec/{outcome.id}/recording")
    assert answer.status == 200 and b"recorded" in answer.body, answer.body
    assert vm.file_label(client.inspect(outcome.id)["RecordingPath"]) == "system_u:object_r:execd_var_lib_t:s0"
    assert vm.file_label("/var/lib/execd/recordings") == "system_u:object_r:execd_var_lib_t:s0"


def test_configuration_in_run():
    """Of all the places that it is looked for in, this one is execd's own."""
    def retention():
        return vm.vm_value("busctl", "get-property", "org.execd1", "/org/execd1", "org.execd1.Manager", "RetentionUSec")

    os.makedirs("/run/execd/execd.conf.d", exist_ok=True)
    with open("/run/execd/execd.conf.d/test.conf", "w", encoding="utf-8") as f:
        f.write("[Retention]\nRetentionSec=7min\n")
    try:
        vm.sh(["systemctl", "restart", "execd.service"])
        assert retention() == f"t {7 * 60 * 1000000}"
    finally:
        os.unlink("/run/execd/execd.conf.d/test.conf")
        vm.sh(["systemctl", "restart", "execd.service"])
    assert retention() != f"t {7 * 60 * 1000000}"
