# SPDX-License-Identifier: LGPL-2.1-or-later
"""Capabilities, no_new_privs, groups and user namespaces (R-C1, R-C3, R-C6, R-C7)."""

import os
import shutil
import struct

import client
import host
import pytest

CAP_NET_RAW = 1 << 13


def file_capability(path, permitted, inheritable):
    os.setxattr(path, "security.capability", struct.pack("<IIIII", 0x02000000, permitted, inheritable, 0, 0))


def test_inheritable_file_capability_gains_nothing(machine):
    """T-C1. The same file with a permitted capability shows that files with capabilities work there."""
    m = machine("hostile-caps", payload=["/probe/hostile", "sleep"])
    for name in ("inheritable", "permitted"):
        shutil.copy(f"{host.TOOLS}/probe", m.path(f"/bin/probe-{name}"))
    file_capability(m.path("/bin/probe-inheritable"), 0, CAP_NET_RAW)
    file_capability(m.path("/bin/probe-permitted"), CAP_NET_RAW, 0)
    for user in ("app", "1000", "4242:4343"):
        fields = client.fields(client.run(m.name, ["/bin/probe-inheritable", "brief"], User=user))
        for part in ("permitted", "effective", "inheritable", "ambient"):
            assert host.caps(fields[f"cap.{part}"]) == 0, f"{user}: {part} {fields[f'cap.{part}']}"
        fields = client.fields(client.run(m.name, ["/bin/probe-permitted", "brief"], User=user))
        assert host.caps(fields["cap.permitted"]) == CAP_NET_RAW
    fields = client.fields(client.run(m.name, ["/bin/probe-inheritable", "brief"]))
    assert host.caps(fields["cap.inheritable"]) == 0 and host.caps(fields["cap.ambient"]) == 0


@pytest.mark.parametrize("options, escalates", [([], True), (["--no-new-privileges=yes"], False)], ids=["free", "nnp"])
def test_setuid_program(machine, options, escalates):
    """T-C3: it works where the container allows it, and only there."""
    m = machine("hostile-suid", options, ["/probe/hostile", "sleep"])
    shutil.copy(f"{host.TOOLS}/probe", m.path("/bin/suid-probe"))
    os.chmod(m.path("/bin/suid-probe"), 0o4755)
    for privileged in (False, True):
        fields = client.fields(client.run(m.name, ["/bin/suid-probe", "brief"], User="app", Privileged=privileged))
        assert fields["id.uid"] == ("1000 0 0" if escalates else "1000 1000 1000")
        assert (host.caps(fields["cap.effective"]) != 0) == escalates


@pytest.mark.parametrize("user", ["app", "app:app", "1000:1000", "1000", "4242:1000"])
def test_negative_group_permission(machine, user):
    """T-C6: a file that the group may not read is not read by way of a group list without the primary group."""
    m = machine("hostile-group", payload=["/probe/hostile", "sleep"])
    path = m.write("/secret", "secret\n", 0o604)
    os.chown(path, 0, 1000)
    outcome = client.run(m.name, ["/bin/cat", "/secret"], User=user)
    assert outcome.ran and outcome.code == 1 and b"secret\n" not in outcome.out, outcome
    # Another user may.
    assert client.output(m.name, ["/bin/cat", "/secret"], User="4242:4343") == "secret\n"
    fields = client.fields(client.run(m.name, ["/probe/probe", "brief"], User=user))
    assert "1000" in fields["id.groups"].split()


@pytest.fixture(scope="module")
def host_network_userns():
    """Private users with the host's network: namespaces that the user namespace does not own."""
    name, root = "hostile-hostnet", "/var/lib/execd-tests/hostile-hostnet"
    shared = f"{host.SHARED}/{name}"
    host.sh(["systemctl", "reset-failed", name], check=False)
    host.sh(f"rm -rf {root} {shared}; {host.MACHINE} make-root {root}; mkdir -p {shared}")
    for tool in ("probe", "hostile"):
        shutil.copy(f"{host.TOOLS}/{tool}", shared)
    host.sh(["systemd-run", "--quiet", f"--unit={name}", "--property=Type=notify", "--slice=machine.slice",
             "--property=Delegate=yes", "--property=KillMode=mixed", "systemd-nspawn", "--quiet", "--keep-unit",
             "--link-journal=no", "--resolv-conf=off", "--timezone=off", f"--machine={name}", f"--directory={root}",
             f"--bind-ro={shared}:/probe", "--private-users=655360:65536", "--private-users-ownership=chown",
             "/probe/hostile", "sleep"])
    yield name
    host.sh(["systemctl", "stop", name])
    host.sh(["systemctl", "reset-failed", name], check=False)
    host.sh(f"rm -rf --one-file-system {root} {shared}")


@pytest.mark.parametrize("user, uid, gid", [("root", 0, 0), ("app", 1000, 1000), ("65535:65535", 65535, 65535)])
def test_user_namespaces(machine, host_network_userns, user, uid, gid):
    """T-C7: joined as a whole, and the user is one of the namespace's."""
    plain = machine("hostile-nouserns", payload=["/probe/hostile", "sleep"])
    owned = machine("hostile-userns", ["--private-users=720896:65536", "--private-users-ownership=chown"],
                    ["/probe/hostile", "sleep"])
    for name in (plain.name, owned.name, host_network_userns):
        fields = client.fields(client.run(name, ["/probe/probe", "brief"], User=user))
        leader = int(host.sh(["machinectl", "show", "-p", "Leader", "--value", name]))
        assert fields["id.uid"] == f"{uid} {uid} {uid}" and fields["id.gid"] == f"{gid} {gid} {gid}", name
        for kind, inode in host.namespaces_of(leader).items():
            assert fields[f"ns.{kind}"] == inode, f"{name}: {kind}"
    assert host.namespaces_of(leader)["net"] == host.namespaces_of(1)["net"]


@pytest.mark.parametrize("user", ["70000", "70000:0", "0:70000", "100000:100000", "4294967294"])
def test_unmapped_user(machine, host_network_userns, user):
    """T-C7: a user that the namespace does not map is refused; it never becomes another."""
    owned = machine("hostile-unmapped", ["--private-users=720896:65536", "--private-users-ownership=chown"],
                    ["/probe/hostile", "sleep"])
    for name in (owned.name, host_network_userns):
        client.assert_refused(client.run(name, ["/probe/probe", "brief"], User=user))


def test_tracer_that_may_not_administrate(machine):
    """R-A2: to load filters without no_new_privs takes a capability that this container's root could then steal, for
    it may trace. That is refused, and said."""
    m = machine("hostile-tracer", ["--drop-capability=CAP_SYS_ADMIN"], ["/probe/hostile", "sleep"])
    client.assert_refused(client.run(m.name, ["/bin/true"]), "filter")
    # With no_new_privs no capability is needed.
    m = machine("hostile-tracer2", ["--drop-capability=CAP_SYS_ADMIN", "--no-new-privileges=yes"],
                ["/probe/hostile", "sleep"])
    assert client.output(m.name, ["/bin/echo", "ok"]) == "ok\n"
