# SPDX-License-Identifier: LGPL-2.1-or-later
"""Routes, version prefixes, paths and container lookup (exec-api §1)."""

import re

import pytest

from wire import build

NO_EXEC = "0" * 64
DOCKER_HEADERS = ("Server", "Api-Version", "Ostype", "Docker-Experimental")


def max_version(target):
    return "1.51" if target.is_execd else "1.41"


# Wrong methods are unknown routes: there is no 405.
UNKNOWN = [
    ("GET", "/nosuch"), ("GET", "/"), ("POST", "/_ping"), ("PUT", "/_ping"), ("DELETE", "/_ping"),
    ("GET", "/containers/web/exec"), ("PUT", "/containers/web/exec"), ("PATCH", "/containers/web/exec"),
    ("GET", f"/exec/{NO_EXEC}/start"), ("PUT", f"/exec/{NO_EXEC}/start"), ("GET", f"/exec/{NO_EXEC}/resize"),
    ("POST", f"/exec/{NO_EXEC}/json"), ("DELETE", f"/exec/{NO_EXEC}/json"), ("GET", f"/exec/{NO_EXEC}"),
    ("POST", "/containers/json"), ("POST", "/version"), ("POST", "/info"), ("POST", "/events"),
    ("FROB", "/_ping"), ("get", "/_ping"),
]


@pytest.mark.parametrize("method,path", UNKNOWN, ids=[f"{m} {p[:24]}" for m, p in UNKNOWN])
def test_unknown_route_is_404_json(api, method, path):
    answer = api.call(method, path)
    assert answer.status == 404
    assert answer.head.get("Content-Type") == "application/json"
    assert answer.json()["message"] == "page not found"


@pytest.mark.parametrize("path", ["/_ping/", "/version/", "/containers/web/exec/", f"/exec/{NO_EXEC}/json/"])
def test_trailing_slash_is_404(api, path):
    assert api.get(path).status == 404


@pytest.mark.parametrize("prefix", ["/V1.41", "/v", "/vabc", "/v1.41x", "/1.41", "/api/v1.41"])
def test_no_version_prefix_is_404(api, prefix):
    answer = api.get(prefix + "/_ping")
    assert answer.status == 404
    assert answer.message == "page not found"


@pytest.mark.parametrize("path", ["/_ping", "/version", "/containers/json", f"/exec/{NO_EXEC}/json"])
@pytest.mark.parametrize("version", ["", "/v1.24", "/v1.30", "/v1.33", "/v1.40", "/v1.41"])
def test_version_prefix_is_accepted(api, version, path):
    answer = api.get(version + path)
    assert answer.status == (404 if NO_EXEC in path else 200)
    if NO_EXEC in path:
        assert answer.message == f"No such exec instance: {NO_EXEC}"


@pytest.mark.parametrize("version", ["/v1.041", "/v01.41"])
def test_version_numbers_compare_as_numbers(api, version):
    assert api.get(version + "/_ping").status == 200


def test_version_up_to_the_newest(api, target):
    assert api.get(f"/v{max_version(target)}/_ping").status == 200


@pytest.mark.parametrize("version", ["1.99", "2.0", "1.52", "max.1", "100.0"])
def test_version_too_new(api, target, version):
    version = version.replace("max", max_version(target))
    answer = api.get(f"/v{version}/_ping")
    assert answer.status == 400
    assert answer.head.get("Content-Type") == "application/json"
    assert answer.message == (f"client version {version} is too new. "
                              f"Maximum supported API version is {max_version(target)}")


@pytest.mark.parametrize("version", ["1.11", "1", "0", "1.", ".1", "1..2", "0.99"])
def test_version_too_old(api, target, version, differ):
    answer = api.get(f"/v{version}/_ping")
    assert answer.status == 400
    text = differ(dockerd="1.12", execd="1.24")
    assert answer.message == (f"client version {version} is too old. Minimum supported API version is {text}, "
                              "please upgrade your client to a newer version")
    # Below 1.24 errors were plain text; execd, which serves nothing below, has one form for all of them.
    assert answer.head.get("Content-Type").split(";")[0] == differ(dockerd="text/plain", execd="application/json")


@pytest.mark.parametrize("method,path", [("POST", "/containers/web/exec"), ("POST", f"/exec/{NO_EXEC}/start"),
                                         ("POST", f"/exec/{NO_EXEC}/resize?h=1&w=1"), ("GET", "/containers/json"),
                                         ("GET", "/events"), ("GET", "/version")])
def test_version_is_checked_on_every_route(api, method, path):
    assert "is too new" in api.call(method, "/v1.99" + path).message


def test_version_is_not_checked_on_unknown_routes(api):
    answer = api.get("/v1.99/nosuch")
    assert answer.status == 404
    assert answer.message == "page not found"


def test_version_check_comes_before_the_body(api):
    answer = api.post("/v1.99/containers/web/exec", b"{", content_type="text/plain")
    assert "is too new" in answer.message


def test_minimum_version_is_old_enough_for_clients(api):
    """Clients of today talk down to 1.44, the oldest that are around begin at 1.24."""
    assert api.get("/v1.24/containers/json").status == 200


@pytest.mark.parametrize("path", ["/_ping", "/version", "/info", "/containers/json", f"/exec/{NO_EXEC}/json"])
def test_headers_of_every_routed_answer(api, target, path):
    head = api.get(path).head
    assert head.get("Api-Version") == max_version(target)
    assert head.get("Ostype") == "linux"
    assert head.get("Docker-Experimental") == "false"
    assert re.fullmatch(r"(Docker|execd)/\S+ \(linux\)", head.get("Server"))
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", head.get("Date"))


def test_errors_are_one_line_of_json(api):
    answer = api.get(f"/exec/{NO_EXEC}/json")
    assert answer.head.get("Content-Type") == "application/json"
    assert answer.body.endswith(b"}\n") and answer.body.count(b"\n") == 1
    assert int(answer.head.get("Content-Length")) == len(answer.body)


def test_options_on_any_path(api):
    for path in ("/_ping", "/containers/web/exec", "/nosuch"):
        answer = api.call("OPTIONS", path)
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/version", "/containers/json", f"/exec/{NO_EXEC}/json", "/nosuch"])
def test_head_on_get_routes_is_404(api, path):
    with api.conn() as c:
        c.send(build("HEAD", path, headers={"Connection": "close"}))
        assert c.read_head().status == 404
        assert c.read_to_eof() == b""


# Paths are cleaned as Go's servers do it: a client that follows is led to the right place, no other is served.
REDIRECTS = [("//_ping", "/_ping"), ("/containers//json", "/containers/json"), ("/x/../_ping", "/_ping"),
             ("/./_ping", "/_ping"), ("/containers/web/../json", "/containers/json"), ("/v1.41//_ping", "/v1.41/_ping")]


@pytest.mark.parametrize("path,clean", REDIRECTS, ids=[p for p, _ in REDIRECTS])
def test_unclean_path_is_redirected(api, path, clean):
    answer = api.get(path)
    assert answer.status == 301
    assert answer.head.get("Location") == clean


@pytest.mark.parametrize("path,clean", [("/containers//exec", "/containers/exec"), ("/exec//start", "/exec/start"),
                                        ("/containers/%2Fweb/exec", "/containers/web/exec")])
def test_unclean_path_is_redirected_for_post(api, path, clean):
    answer = api.post(path, {"Cmd": ["true"]})
    assert answer.status == 301
    assert answer.head.get("Location") == clean


def test_redirect_keeps_the_query(api):
    assert api.get("//containers/json?all=1&limit=3").head.get("Location") == "/containers/json?all=1&limit=3"


def test_query_with_bad_escape(api, target):
    answer = api.post(f"/containers/{api.container}/exec?x=%zz", {"Cmd": ["true"]})
    assert answer.status == 400
    assert answer.message == 'invalid URL escape "%zz"'


def test_query_with_bad_escape_on_resize_and_start(api):
    for route in ("start", "resize"):
        answer = api.post(f"/exec/{NO_EXEC}/{route}?h=1&w=1&x=%zz", {})
        assert (answer.status, answer.message) == (400, 'invalid URL escape "%zz"')


def test_inspect_ignores_the_query(api):
    assert api.get(f"/exec/{NO_EXEC}/json?x=%zz").message == f"No such exec instance: {NO_EXEC}"


def test_unknown_query_parameters_are_ignored(api):
    assert api.post(f"/containers/{api.container}/exec?foo=bar", {"Cmd": ["true"]}).status == 201


# Exec ids.

def test_exec_id_may_contain_slashes(api):
    assert api.get("/exec/a/b/json").message == "No such exec instance: a/b"


def test_exec_id_is_decoded(api):
    assert api.get("/exec/a%2Fb/json").message == "No such exec instance: a/b"
    assert api.get("/exec/a%20b/json").message == "No such exec instance: a b"


def test_newline_in_a_name_is_no_route(api):
    answer = api.get("/exec/a%0Ab/json")
    assert answer.status == 404
    assert answer.message == "page not found"


def test_exec_id_needs_all_its_digits(api):
    exec_id = api.create("true")
    for wrong in (exec_id[:63], exec_id[:12], exec_id + "0", exec_id.upper() if exec_id.upper() != exec_id else "x"):
        answer = api.get(f"/exec/{wrong}/json")
        assert (answer.status, answer.message) == (404, f"No such exec instance: {wrong}")
    assert api.get(f"/exec/{exec_id}/json").status == 200


# Containers.

def test_create_by_name(api):
    assert api.try_create({"Cmd": ["true"]}).status == 201


def test_create_by_full_id(api, container_id):
    assert re.fullmatch(r"[0-9a-f]{64}", container_id)
    exec_id = api.create("true", container=container_id)
    assert api.inspect(exec_id)["ContainerID"] == container_id


def test_create_by_id_prefix(api, container_id):
    others = [c["Id"] for c in api.list_containers("?all=1") if c["Id"] != container_id]
    shortest = next(n for n in range(1, 65) if not any(o.startswith(container_id[:n]) for o in others))
    for length in {shortest, 12, 32, 63}:
        exec_id = api.create("true", container=container_id[:length])
        assert api.inspect(exec_id)["ContainerID"] == container_id


@pytest.mark.parametrize("name", ["nosuch", "WEB", "we", "webx", "a/b", "web ", "*", ".x", "-", "web.service", "é"])
def test_no_such_container(api, name):
    answer = api.try_create({"Cmd": ["true"]}, container=name)
    assert answer.status == 404
    assert answer.message == f"No such container: {name}"


def test_no_such_container_anywhere(api):
    for path in ("/containers/nosuch/json", "/containers/nosuch/top", "/containers/nosuch/stats?stream=0"):
        answer = api.get(path)
        assert (answer.status, answer.message) == (404, "No such container: nosuch")


def test_upper_case_id_is_no_id(api, container_id):
    upper = container_id.upper()
    if upper != container_id:
        assert api.try_create({"Cmd": ["true"]}, container=upper).status == 404


def test_routes_execd_does_not_serve(api, target, differ):
    """Requests for a container engine: dockerd serves them, and execd says what it is."""
    answer = api.post("/containers/create", {"Image": "nosuch-image"})
    assert answer.status == differ(dockerd=404, execd=501)
    if target.is_execd:
        assert "execd" in answer.message and "engine" in answer.message


UNSERVED = ["GET /images/json", "POST /build", "POST /containers/web/stop", "DELETE /containers/web", "GET /networks",
            "GET /volumes", "POST /containers/web/kill", "GET /containers/web/logs", "GET /containers/web/changes",
            "GET /containers/web/archive?path=/", "PUT /containers/web/archive?path=/", "POST /commit"]


@pytest.mark.execd_only
@pytest.mark.parametrize("request_line", UNSERVED)
def test_engine_routes_are_501(api, request_line):
    method, path = request_line.split()
    answer = api.call(method, path)
    assert answer.status == 501
    assert "execd" in answer.json()["message"]
    assert answer.json()["error"]["code"] == "NOT_IMPLEMENTED"
