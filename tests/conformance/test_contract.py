# SPDX-License-Identifier: LGPL-2.1-or-later
"""The product's own contract, in the same bytes as Docker's (DESIGN §6)."""

import datetime
import re

import pytest

from bad_fields import NAMED, body_with
from wire import Api, Conn, build

pytestmark = pytest.mark.execd_only
NO_EXEC = "3" * 64


def test_created(api):
    answer = Api(api.path, api.container, "/v1.33").try_create({"Cmd": ["true"], "AttachStdout": True})
    assert answer.status == 201
    body = answer.json()
    assert set(body) == {"Id", "success", "data"}
    assert body["success"] is True
    assert set(body["data"]) == {"id", "created_at"}
    assert body["data"]["id"] == body["Id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["data"]["created_at"])
    made = datetime.datetime.fromisoformat(body["data"]["created_at"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - made).total_seconds()) < 30


def test_the_promised_request(api):
    """All the promised fields in one request, with the promised headers."""
    body = {"Cmd": "echo $A; id -un; tty", "Env": ["A=1"], "Tty": True, "User": "app:app", "DetachKeys": "ctrl-,",
            "Privileged": False, "AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
    answer = api.post(f"/v1.33/containers/{api.container}/exec", body, headers={"accept": "application/json"})
    assert answer.status == 201
    with api.start(answer.json()["data"]["id"], tty=True) as c:
        assert re.fullmatch(rb"1\r\napp\r\n/dev/pts/\d+\r\n", c.read_to_eof())


ERRORS = [
    ("bad json", "POST", "/containers/web/exec", b"{", 400, "VALIDATION_ERROR"),
    ("bad type", "POST", "/containers/web/exec", b'{"Cmd":5}', 400, "VALIDATION_ERROR"),
    ("no cmd", "POST", "/containers/web/exec", b"{}", 400, "VALIDATION_ERROR"),
    ("no container", "POST", "/containers/nosuch/exec", b'{"Cmd":["x"]}', 404, "NOT_FOUND"),
    ("no exec", "GET", f"/exec/{NO_EXEC}/json", None, 404, "NOT_FOUND"),
    ("no route", "GET", "/nosuch", None, 404, "NOT_FOUND"),
    ("too old", "GET", "/v1.2/_ping", None, 400, "VALIDATION_ERROR"),
    ("too new", "GET", "/v1.99/_ping", None, 400, "VALIDATION_ERROR"),
    ("resize", "POST", f"/exec/{NO_EXEC}/resize?h=x&w=1", None, 400, "VALIDATION_ERROR"),
    ("too large", "POST", "/containers/web/exec", b'{"Cmd":["' + b"x" * 4400000 + b'"]}', 413, "PAYLOAD_TOO_LARGE"),
    ("filters", "GET", "/containers/json?filters=%7B", None, 400, "VALIDATION_ERROR"),
    ("not served", "POST", "/containers/create", b"{}", 501, "NOT_IMPLEMENTED"),
]


@pytest.mark.parametrize("method,path,body,status,code", [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_every_error_has_both_forms(api, method, path, body, status, code):
    answer = api.call(method, path.replace("/web/", f"/{api.container}/"), body)
    assert answer.status == status
    assert answer.head.get("Content-Type") == "application/json"
    seen = answer.json()
    assert set(seen) == {"message", "success", "error"}
    assert seen["success"] is False
    assert seen["error"] == {"code": code, "message": seen["message"]}
    assert seen["message"]


@pytest.mark.parametrize("raw,status", [(b"nonsense\r\n\r\n", 400), (b"GET /_ping HTTP/1.1\r\n\r\n", 400),
                                        (b"GET /_ping HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431)])
def test_errors_of_the_parser_too(api, raw, status):
    answer = api.raw(raw)
    assert answer.status == status
    assert answer.json()["error"]["message"] == answer.json()["message"]
    assert answer.head.get("Connection") == "close"


def test_conflict(api):
    exec_id = api.run("true").id
    assert api.start_detached(exec_id).json()["error"]["code"] == "CONFLICT"


@pytest.mark.parametrize("field,value,named", NAMED, ids=[f"{f}={v}" for f, v, _ in NAMED])
def test_bad_field_is_named(api, field, value, named):
    answer = api.post(f"/containers/{api.container}/exec", body_with(field, value))
    seen = answer.json()
    assert answer.status == 400
    assert seen["success"] is False
    assert seen["error"] == {"code": "VALIDATION_ERROR", "message": seen["message"]}
    assert named in answer.message


@pytest.mark.parametrize("cmd,out", [("echo a  b", b"a b\n"), ("echo \"$0\"", b"/bin/sh\n"), ("exit 3", b""),
                                     ("echo a | tr a b && false || echo c", b"b\nc\n"), ("printf 'é'", "é".encode())])
def test_string_cmd_is_a_shell_command(api, cmd, out):
    answer = api.try_create({"Cmd": cmd, "AttachStdout": True, "AttachStderr": True})
    with api.start(answer.json()["Id"]) as c:
        assert b"".join(data for _, data in c.read_frames()) == out


def test_detach_by_ctrl_comma(api, running):
    exec_id, c = running("sh", "-c", "echo ready; sleep 30", Tty=True, AttachStdin=True, DetachKeys="ctrl-,")
    c.read_until(b"ready\r\n")
    c.send(b"\x0c")
    assert c.read_to_eof() == b""
    assert api.inspect(exec_id)["Running"] is True


def test_a_version_error_closes_nothing(api):
    """Errors with a whole, well-formed request keep the connection."""
    with Conn(api.path) as c:
        c.send(build("GET", "/v1.99/_ping"))
        assert c.read_response().status == 400
        c.send(build("GET", "/_ping"))
        assert c.read_response().status == 200


def test_api_version_is_new_enough_for_current_clients(api):
    assert api.get("/_ping").head.get("Api-Version") == "1.51"
    assert api.get("/version").json()["ApiVersion"] == "1.51"
    assert api.get("/version").json()["MinAPIVersion"] == "1.24"
