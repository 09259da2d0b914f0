# SPDX-License-Identifier: LGPL-2.1-or-later
"""The environment of a command (exec-api §2.3)."""

import pytest

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(api, *extra, **fields):
    """The output of `env`, as a list of pairs in order."""
    result = api.run("/usr/bin/env", Env=list(extra) or None, **fields)
    assert result.code == 0, result
    return [tuple(line.split("=", 1)) for line in result.out.decode().replace("\r\n", "\n").splitlines()]


@pytest.fixture(scope="module")
def plain(api):
    return environment(api)


def test_base(api, plain):
    env = dict(plain)
    assert plain[0] == ("PATH", DEFAULT_PATH)
    assert plain[1][0] == "HOSTNAME"
    assert env["HOME"] == "/root"
    assert "TERM" not in env


def test_hostname_is_the_containers(api, plain):
    assert api.run("hostname").out.decode().strip() == dict(plain)["HOSTNAME"]


def test_nothing_of_the_daemon_leaks(plain):
    assert {k for k, _ in plain} <= {"PATH", "HOSTNAME", "HOME", "container"}


def test_no_login_variables(plain):
    assert not {"USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL"} & {k for k, _ in plain}


def test_term_with_a_tty(api):
    assert ("TERM", "xterm") in environment(api, Tty=True)


def test_term_depends_on_create(api):
    exec_id = api.create("/usr/bin/env", Tty=True)
    with api.start(exec_id, tty=False) as c:
        assert b"TERM=xterm" in c.read_to_eof()


def test_term_can_be_set(api):
    env = environment(api, "TERM=vt100", Tty=True)
    assert [v for k, v in env if k == "TERM"] == ["vt100"]


def test_replaced_in_place(api):
    env = environment(api, "PATH=/bin:/usr/bin")
    assert env[0] == ("PATH", "/bin:/usr/bin")


def test_appended_in_order(api):
    names = [k for k, _ in environment(api, "B=1", "A=2", "C=3")]
    assert [n for n in names if n in "ABC"] == ["B", "A", "C"]


def test_last_of_repeated_keys_wins(api):
    assert [v for k, v in environment(api, "A=1", "B=x", "A=2") if k == "A"] == ["2"]


@pytest.mark.parametrize("home", ["HOME=", "HOME"])
def test_home_cannot_be_removed(api, home):
    assert dict(environment(api, home))["HOME"] == "/root"


def test_home_can_be_set(api):
    assert dict(environment(api, "HOME=/tmp"))["HOME"] == "/tmp"


@pytest.mark.parametrize("user,home", [("app", "/home/app"), ("4242", "/"), ("root", "/root"), ("1000", "/home/app")])
def test_home_of_the_user(api, user, home):
    assert dict(environment(api, User=user))["HOME"] == home


def test_bare_name_removes_from_the_base(api):
    assert "HOSTNAME" not in dict(environment(api, "HOSTNAME"))


def test_bare_name_of_nothing(api):
    assert "NOSUCH" not in dict(environment(api, "NOSUCH"))


def test_bare_name_does_not_undo_the_same_request(api):
    assert dict(environment(api, "A=1", "A"))["A"] == "1"


def test_path_can_be_removed(api):
    assert "PATH" not in dict(environment(api, "PATH"))


def test_empty_entry_is_ignored(api):
    assert dict(environment(api, "", "A=1"))["A"] == "1"


@pytest.mark.parametrize("name,value", [("A", ""), ("A", "a b  c"), ("A", "x=y=z"), ("1A", "1"), ("a.b-c", "1"),
                                        ("é", "ü€"), ("A B", "1"), ("A", "'\"\\$`"), ("x" * 300, "y" * 3000)])
def test_passed_unchanged(api, name, value):
    assert dict(environment(api, f"{name}={value}"))[name] == value


def test_value_with_newlines(api):
    assert api.run("sh", "-c", 'printf "%s" "$A"', Env=["A=1\n2\n\n3"]).out == b"1\n2\n\n3"


def test_empty_name_fails_at_start(api, target, differ):
    """execd refuses at create what can never start."""
    answer = api.try_create({"Cmd": ["true"], "Env": ["=x"], "AttachStdout": True})
    assert answer.status == differ(dockerd=201, execd=400)
    text = answer.message if target.is_execd else None
    if text is None:
        exec_id = answer.json()["Id"]
        with api.start(exec_id) as c:
            text = c.read_to_eof().decode(errors="replace")
        assert api.inspect(exec_id)["ExitCode"] == 126
    assert "environment variable name can't be empty" in text


def test_nul_in_value(api, target, differ):
    answer = api.post(f"/containers/{api.container}/exec", '{"Cmd":["true"],"Env":["A=a\\u0000b"]}')
    assert answer.status == differ(dockerd=201, execd=400)
    if target.is_execd:
        assert "Env" in answer.message


# The command is looked up in the exec's own PATH, within the container.

def test_command_is_found_in_path(api):
    assert api.run("id", "-u").out == b"0\n"


@pytest.mark.parametrize("path", ["PATH", "PATH=", "PATH=/nonexistent"])
def test_command_is_not_found(api, path):
    result = api.run("id", Env=[path])
    assert b'exec: "id": executable file not found in $PATH' in result.out


def test_path_of_the_request_is_used(api):
    api.sh("mkdir -p /tmp/own && ln -sf /bin/echo /tmp/own/mine 2>/dev/null; printf '#!/bin/sh\\necho own\\n'"
           " > /tmp/own/own && chmod 755 /tmp/own/own")
    assert api.run("own", Env=["PATH=/tmp/own:/bin"]).out == b"own\n"


def test_relative_path_entry_is_refused(api, differ):
    """Go's rule is newer than 20.10's runc: a program that is found by "." in PATH is not run."""
    api.sh("printf '#!/bin/sh\\necho dot\\n' > /tmp/dot && chmod 755 /tmp/dot")
    result = api.run("dot", Env=["PATH=."], WorkingDir="/tmp")
    assert b"cannot run executable found relative to current directory" in result.out


def test_name_with_slash_is_relative_to_the_directory(api):
    api.sh("printf '#!/bin/sh\\necho here\\n' > /tmp/here && chmod 755 /tmp/here")
    assert api.run("./here", WorkingDir="/tmp").out == b"here\n"


def test_no_profile_is_read(api):
    assert api.sh("echo $0").out == b"/bin/sh\n"
