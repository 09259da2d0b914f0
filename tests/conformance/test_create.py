# SPDX-License-Identifier: LGPL-2.1-or-later
"""The body of create: fields, how lenient its JSON is, Content-Type (exec-api §2.1, §2.2)."""

import json
import os
import re
import struct

import pytest

from bad_fields import WRONG_TYPES, body_with
from wire import build, chunked

DEEP = 20000


def post_create(api, body, **kw):
    return api.post(f"/containers/{api.container}/exec", body, **kw)


def created(api, body):
    answer = post_create(api, body)
    assert answer.status == 201, answer
    return answer.json()["Id"]


# The answer.

def test_created_has_an_id(api):
    answer = api.try_create({"Cmd": ["true"]})
    assert answer.status == 201
    assert answer.head.get("Content-Type") == "application/json"
    assert re.fullmatch(r"[0-9a-f]{64}", answer.json()["Id"])
    assert answer.body.endswith(b"}\n")


def test_ids_are_not_reused(api):
    assert len({api.create("true") for _ in range(20)}) == 20


# Cmd.

@pytest.mark.parametrize("body", ["{}", '{"Cmd":null}', '{"Cmd":[]}', "null", '{"cmd":[]}', '{"Cmd":["true"],"Cmd":null}'])
def test_no_command(api, body):
    answer = post_create(api, body)
    assert answer.status == 400
    assert answer.message.startswith("No exec command specified")


@pytest.mark.parametrize("cmd,argv", [(["echo", "a b", "", "c"], b"a b  c\n"), (["echo", None, "x"], b" x\n"),
                                      (["echo", "é€😀"], "é€😀\n".encode()), (["echo", "$HOME"], b"$HOME\n")])
def test_cmd_is_argv(api, cmd, argv):
    assert api.run(*cmd).out == argv


def test_cmd_newline_and_tab(api):
    assert api.run("printf", "%s|", "a\nb", "\t").out == b"a\nb|\t|"


def test_cmd_of_an_empty_string_fails_at_start(api):
    exec_id = api.create("")
    with api.start(exec_id) as c:
        assert b"exec" in c.read_to_eof()
    assert api.inspect(exec_id)["ExitCode"] in (126, 127)


def test_string_cmd(api, target, differ):
    """Docker's reference says 'string or array' and dockerd refuses the string; execd hands it to a shell."""
    answer = post_create(api, {"Cmd": "echo $0 a  b; exit 7", "AttachStdout": True})
    assert answer.status == differ(dockerd=400, execd=201)
    if target.is_execd:
        exec_id = answer.json()["Id"]
        with api.start(exec_id) as c:
            assert c.read_frames() == [(1, b"/bin/sh a b\n")]
        seen = api.inspect(exec_id)
        assert seen["ExitCode"] == 7
        assert seen["ProcessConfig"]["entrypoint"] == "/bin/sh"
        assert seen["ProcessConfig"]["arguments"] == ["-c", "echo $0 a  b; exit 7"]


def test_unicode_escape_nul_in_argument(api, differ):
    """Docker lets it pass and the kernel end the string; execd refuses what cannot be an argument."""
    answer = post_create(api, '{"Cmd":["echo","a\\u0000b"]}')
    assert answer.status == differ(dockerd=201, execd=400)


# Types: nothing is coerced.

@pytest.mark.parametrize("field,value,got,wanted", WRONG_TYPES, ids=[f"{f}={v}" for f, v, _, _ in WRONG_TYPES])
def test_wrong_type(api, target, field, value, got, wanted):
    answer = post_create(api, body_with(field, value))
    assert answer.status == 400
    assert f"cannot unmarshal {got} into Go struct field" in answer.message
    assert field in answer.message
    assert f"of type {wanted}" in answer.message
    assert answer.message.startswith("invalid JSON: json:" if target.is_execd else "json:")


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "true"])
def test_body_of_another_kind(api, body):
    answer = post_create(api, body)
    assert answer.status == 400
    assert "cannot unmarshal" in answer.message


# Keys.

@pytest.mark.parametrize("key", ["cmd", "CMD", "cMd", "Cmd"])
def test_keys_match_in_any_case(api, key):
    assert post_create(api, {key: ["true"]}).status == 201


def test_keys_of_docker_py(api):
    """docker-py spells detachKeys so, and sends Container."""
    exec_id = created(api, {"Container": "web", "User": "", "Privileged": False, "Tty": False, "AttachStdin": False,
                            "AttachStdout": True, "AttachStderr": True, "Cmd": ["true"], "Env": None,
                            "detachKeys": "ctrl-x"})
    assert api.inspect(exec_id)["DetachKeys"] == "GA=="


def test_body_of_the_cli(api):
    exec_id = created(api, '{"User":"","Privileged":false,"Tty":false,"AttachStdin":false,"AttachStderr":true,'
                           '"AttachStdout":true,"Detach":false,"DetachKeys":"","Env":null,"WorkingDir":"",'
                           '"Cmd":["true"]}\n')
    assert api.inspect(exec_id)["OpenStdout"] is True


def test_unknown_keys_are_ignored(api):
    assert post_create(api, {"Cmd": ["true"], "Foo": {"a": [1, 2]}, "hijack": True}).status == 201


@pytest.mark.parametrize("field", ["Tty", "Privileged", "AttachStdin", "AttachStdout", "AttachStderr", "User",
                                   "WorkingDir", "DetachKeys", "Env", "ConsoleSize"])
def test_null_is_the_default(api, field):
    assert post_create(api, '{"Cmd":["true"],"%s":null}' % field).status == 201


def test_last_of_duplicate_keys_wins(api):
    exec_id = created(api, '{"Cmd":["false"],"cmd":["true","x"],"Tty":true,"TTY":false,"User":"a","User":"root"}')
    config = api.inspect(exec_id)["ProcessConfig"]
    assert (config["entrypoint"], config["arguments"], config["tty"], config["user"]) == ("true", ["x"], False, "root")


def test_later_null_leaves_a_scalar(api):
    exec_id = created(api, '{"Cmd":["true"],"Tty":true,"Tty":null}')
    assert api.inspect(exec_id)["ProcessConfig"]["tty"] is True


# Bad JSON. (body, what the message must say)
BAD_JSON = {
    "truncated": ('{"Cmd":["true"]', "unexpected EOF"),
    "truncated string": ('{"Cmd":["tr', "unexpected EOF"),
    "word": ("hello", "invalid character 'h' looking for beginning of value"),
    "trailing comma": ('{"Cmd":["true"],}', "invalid character '}'"),
    "comma in array": ('{"Cmd":["true",]}', "invalid character ']'"),
    "comment": ('{/*x*/"Cmd":["true"]}', "invalid character '/'"),
    "single quotes": ("{'Cmd':['true']}", "invalid character '\\''"),
    "no colon": ('{"Cmd" ["true"]}', "invalid character '['"),
    "control character": ('{"Cmd":["a\x01b"]}', "invalid character"),
    "newline in string": ('{"Cmd":["a\nb"]}', "invalid character"),
    "bad escape": ('{"Cmd":["\\x"]}', "invalid character 'x'"),
    "bad number": ('{"Cmd":["true"],"x":01}', "invalid character '1'"),
    "bom": ("\ufeff" + '{"Cmd":["true"]}', "invalid character"),
    "NaN": ('{"Cmd":["true"],"x":NaN}', "invalid character 'N'"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json(api, target, case):
    body, text = BAD_JSON[case]
    answer = post_create(api, body)
    assert answer.status == 400
    assert text in answer.message
    if target.is_execd:
        assert answer.message.startswith("invalid JSON: ")


def test_nesting_too_deep(api):
    body = '{"Cmd":["true"],"x":' + "[" * DEEP + "]" * DEEP + "}"
    answer = post_create(api, body)
    assert answer.status == 400
    assert "depth" in answer.message


def test_nesting_of_100_levels(api, differ):
    body = '{"Cmd":["true"],"x":' + "[" * 100 + "]" * 100 + "}"
    assert post_create(api, body).status == differ(dockerd=201, execd=400)


@pytest.mark.parametrize("tail", ["x", "{}", '{"Cmd":["false"]}', "]", "null"])
def test_content_after_the_value(api, target, tail, differ):
    answer = post_create(api, '{"Cmd":["true"]}' + tail)
    assert answer.status == differ(dockerd=201, execd=400)
    if target.is_execd:
        assert "unexpected content after JSON" in answer.message


@pytest.mark.parametrize("tail", ["\n", "  \r\n\t", " "])
def test_blanks_after_the_value(api, tail):
    assert post_create(api, '{"Cmd":["true"]}' + tail).status == 201


def test_pretty_printed(api):
    assert post_create(api, json.dumps({"Cmd": ["true"], "Env": ["A=1"]}, indent=2)).status == 201


@pytest.mark.parametrize("body", ['{"Cmd":["true","\\ud800"]}', b'{"Cmd":["true","\xff\xfe"]}'],
                         ids=["lone surrogate", "invalid UTF-8"])
def test_text_that_is_not_unicode(api, body):
    exec_id = created(api, body)
    assert "\ufffd" in api.inspect(exec_id)["ProcessConfig"]["arguments"][0]


def test_surrogate_pair(api):
    exec_id = created(api, '{"Cmd":["true","\\ud83d\\ude00"]}')
    assert api.inspect(exec_id)["ProcessConfig"]["arguments"] == ["😀"]


@pytest.mark.parametrize("body", [None, b""], ids=["no length", "length 0"])
def test_no_body(api, body, differ):
    answer = post_create(api, body)
    assert answer.status == 400
    text = differ(dockerd="got EOF while reading request body", execd="No exec command specified")
    assert answer.message.startswith(text)


@pytest.mark.parametrize("kind", ["blanks", "empty chunked"])
def test_empty_body(api, target, kind):
    if kind == "blanks":
        answer = post_create(api, "  \n")
    else:
        head = build("POST", f"/containers/{api.container}/exec", None,
                     {"Content-Length": None, "Transfer-Encoding": "chunked", "Content-Type": "application/json"})
        answer = api.raw(head + chunked())
    assert answer.status == 400
    assert answer.message == ("invalid JSON: " if target.is_execd else "") + "got EOF while reading request body"


# Content-Type.

@pytest.mark.parametrize("value", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
                                   "application/json;x=y"])
def test_content_type_accepted(api, value):
    assert post_create(api, {"Cmd": ["true"]}, content_type=value).status == 201


@pytest.mark.parametrize("value", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", None])
def test_content_type_refused(api, value, differ):
    answer = post_create(api, {"Cmd": ["true"]}, content_type=value)
    assert answer.status == 400
    assert answer.message == differ(
        dockerd=f"Content-Type specified ({value or ''}) must be 'application/json'",
        execd=f"unsupported Content-Type header ({value or ''}): must be 'application/json'")


def test_content_type_is_not_needed_without_a_body(api):
    assert "Content-Type" not in post_create(api, None, content_type="text/plain").message


# The order of the checks.

def test_content_type_comes_before_json(api):
    assert "Content-Type" in post_create(api, "{", content_type="text/plain").message


def test_json_comes_before_the_container(api):
    assert api.post("/containers/nosuch/exec", "{").status == 400


def test_cmd_comes_before_the_container(api):
    assert api.post("/containers/nosuch/exec", {}).message.startswith("No exec command specified")


def test_container_comes_before_the_detach_keys(api, differ):
    """execd checks all of a request before it asks anybody about the container."""
    answer = api.post("/containers/nosuch/exec", {"Cmd": ["true"], "DetachKeys": "abc"})
    assert answer.status == differ(dockerd=404, execd=400)


# Fields as inspect shows them.

@pytest.mark.parametrize("field", ["AttachStdin", "AttachStdout", "AttachStderr"])
def test_attach_flags(api, field):
    exec_id = created(api, {"Cmd": ["true"], field: True})
    seen = api.inspect(exec_id)
    assert {k: seen[k] for k in ("OpenStdin", "OpenStdout", "OpenStderr")} == {
        "OpenStdin": field == "AttachStdin", "OpenStdout": field == "AttachStdout",
        "OpenStderr": field == "AttachStderr"}


def window_size(result):
    """busybox leaves 0x0 out."""
    assert b"speed" in result.out
    found = re.search(rb"rows (\d+); columns (\d+)", result.out)
    return tuple(int(n) for n in found.groups()) if found else (0, 0)


@pytest.mark.parametrize("size", [[24, 80], [50, 132]])
def test_console_size(api, size, differ):
    seen = window_size(api.sh("stty -a", Tty=True, ConsoleSize=size))
    assert seen == differ(dockerd=(0, 0), execd=tuple(size))


@pytest.mark.parametrize("fields", [{}, {"ConsoleSize": [0, 0]}, {"ConsoleSize": None}])
def test_no_console_size(api, fields):
    """0x0 is what the CLI sends when there is no terminal."""
    assert window_size(api.sh("stty -a", Tty=True, **fields)) == (0, 0)


def test_console_size_of_start_wins(api, differ):
    seen = window_size(api.sh("stty -a", Tty=True, ConsoleSize=[24, 80], start={"ConsoleSize": [30, 90]}))
    assert seen == differ(dockerd=(0, 0), execd=(30, 90))


def test_console_size_is_ignored_below_142(api):
    old = type(api)(api.path, api.container, "/v1.41")
    assert window_size(old.sh("stty -a", Tty=True, ConsoleSize=[24, 80])) == (0, 0)


def test_console_size_is_ignored_without_a_tty(api):
    assert api.run("echo", "hi", ConsoleSize=[24, 80]).out == b"hi\n"


# Privileged.

SHOW = "cat /proc/self/status"


def every_capability():
    with open("/proc/sys/kernel/cap_last_cap") as f:
        return (1 << int(f.read()) + 1) - 1


def all_that_there_is(api):
    """Capabilities that the host's root lacks cannot be given; a container with a user namespace of its own has all."""
    init = api.get(f"/containers/{api.container}/json").json()["State"]["Pid"]
    if os.readlink(f"/proc/{init}/ns/user") != os.readlink("/proc/self/ns/user"):
        return every_capability()
    with open("/proc/self/status") as f:
        return int(re.search(r"CapBnd:\s*([0-9a-f]+)", f.read())[1], 16)


def capabilities(result):
    return {k: int(v, 16) for k, v in re.findall(r"(Cap\w+):\s*([0-9a-f]+)", result.out.decode())}


def privileged(api, target, script):
    """runc asks for every capability and fails where the host's root has not all of them: None then."""
    result = api.sh(script, Privileged=True)
    if target.is_execd or all_that_there_is(api) == every_capability():
        return result
    assert b"unable to apply caps" in result.out
    return None


def test_privileged_raises_capabilities(api, target):
    plain, raised = capabilities(api.sh(SHOW)), privileged(api, target, SHOW)
    if raised:
        raised = capabilities(raised)
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            assert plain[kind] != raised[kind]
            assert raised[kind] == all_that_there_is(api)


def test_privileged_changes_nothing_else(api, target):
    def others(result):
        return re.findall(rb"(?:NoNewPrivs|Seccomp|Uid|Gid|Groups):.*", result.out)
    raised = privileged(api, target, SHOW)
    if raised:
        assert others(api.sh(SHOW)) == others(raised)


def test_privileged_is_shown(api):
    for value in (True, False):
        assert api.inspect(api.create("true", Privileged=value))["ProcessConfig"]["privileged"] is value


# Limits.

def test_one_argument_of_128_kib_is_too_long_for_the_kernel(api):
    """The kernel's limit, met only at execve: the start itself succeeds or tells."""
    result = api.run("echo", "x" * 131072)
    assert result.code != 0
    assert b"rgument list too long" in result.out + result.err


def test_argument_of_just_under_128_kib(api):
    assert len(api.run("echo", "x" * 131000).out) == 131001


@pytest.mark.parametrize("size,count", [(1000, 900), (100000, 15), (5, 20000), (1, 65000)])
def test_as_many_arguments_as_tools_send(api, size, count):
    """xargs sends as much as the kernel takes."""
    result = api.run("sh", "-c", "echo $#", "sh", *["y" * size] * count)
    assert (result.out, result.code) == (b"%d\n" % count, 0)


def test_more_than_4096_variables(api, differ):
    answer = post_create(api, {"Cmd": ["true"], "Env": ["a=b"] * 4100})
    assert answer.status == differ(dockerd=201, execd=413)


@pytest.mark.parametrize("field", ["User", "WorkingDir"])
def test_string_of_8_kib(api, field, differ):
    answer = post_create(api, {"Cmd": ["true"], field: "/" + "a" * 8192})
    assert answer.status == differ(dockerd=201, execd=413)


def test_frame_header_of_the_kernel_limit_is_sane(api):
    """No frame claims more than was announced to clients as the most (exec-api §4.2)."""
    exec_id = api.create("head", "-c", "1000000", "/dev/zero")
    with api.start(exec_id) as c:
        data = c.read_to_eof()
    total = 0
    while data:
        kind, size = data[0], struct.unpack(">I", data[4:8])[0]
        assert kind == 1 and 0 < size <= 1024 * 1024
        total, data = total + size, data[8 + size:]
    assert total == 1000000
