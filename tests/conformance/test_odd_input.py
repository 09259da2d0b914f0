# SPDX-License-Identifier: LGPL-2.1-or-later
"""Input that no client should send: the answer says what is wrong with it, and is never 500 nor an empty success."""

import pytest

pytestmark = pytest.mark.execd_only

NO_EXEC = "0" * 64
NAMES = ["%ff%fe", "%ED%A0%80", "%C3", "a%ffb", "x" * 300, "%20", "%C3%A9", "%F0%9F%90%8B", "a%00b", "%0a"]
ON_CONTAINER = ["GET /containers/{}/json", "GET /containers/{}/top", "POST /containers/{}/exec"]
ON_EXEC = ["GET /exec/{}/json", "POST /exec/{}/start", "POST /exec/{}/resize?h=1&w=1", "POST /exec/{}/kill", "POST /exec/{}/wait",
           "POST /exec/{}/attach", "GET /exec/{}/logs", "GET /exec/{}/recording"]


def call(api, line):
    method, target = line.split(" ", 1)
    body = {"Cmd": ["true"]} if target.endswith("/exec") else {} if target.endswith("/start") else None
    answer = api.call(method, target, body)
    answer.json()  # valid UTF-8, and JSON
    return answer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", ON_CONTAINER + ON_EXEC)
def test_names(api, line, name):
    answer = call(api, line.format(name))
    assert answer.status in (400, 404) and answer.message


@pytest.mark.parametrize("query", [
    "limit=%ff", "limit=1e3", "limit=99999999999999999999", "limit=x", "filters=%ff", "filters=%zz", "%zz",
    "filters=%7B%22name%22%3A%5B%22(%22%5D%7D", "filters=%7B%22name%22%3A%5B%22a%5Cu0000b%22%5D%7D",
    "filters=%7B%22label%22%3A%7B%22a%5Cu0000b%22%3Atrue%7D%7D", "filters=%7B%22name%22%3A%5B%22%5B%22%5D%7D",
    "filters=%7B%22name%22%3A%5B%22%5C%5C1%22%5D%7D", "filters=%7B%22name%22%3A%5B%22a%7B9%7D%22%5D%7D",
    "filters=%7B%22since%22%3A%5B%22%22%5D%7D", "filters=%7B%22label%22%3A%5B%22%ff%22%5D%7D",
])
def test_lists(api, query):
    answer = call(api, f"GET /containers/json?{query}")
    assert answer.status in (400, 404) and answer.message


@pytest.mark.parametrize("args", ["-frob", "%ff", "-o", "-o%20pid,nosuch", "-o%20comm", "--help", "-p%201", "l"])
def test_top(api, args):
    answer = call(api, f"GET /containers/{api.container}/top?ps_args={args}")
    assert answer.status == 400 and "ps" in answer.message


@pytest.mark.parametrize("line", [f"POST /exec/{NO_EXEC}/kill?signal=%ff", f"POST /exec/{NO_EXEC}/resize?h=%ff&w=1",
                                  "GET /events?until=%ff", "GET /events?since=%ff"])
def test_values_are_quoted_as_text(api, line):
    answer = call(api, line)
    assert answer.status == 400 and "\ufffd" in answer.message


@pytest.mark.parametrize("query", ["until=0", "since=0&until=0", "since=1&until=1"])
def test_events_that_are_over(api, query):
    """0 is a time."""
    answer = api.call("GET", f"/events?{query}")
    assert answer.status == 200 and answer.body == b""


@pytest.mark.parametrize("path", ["/libpod/_ping", "/v4.3.1/libpod/_ping", "/v5.0.0/libpod/containers/json", "/libpod/info"])
def test_podmans_own_api(api, path):
    answer = call(api, f"GET {path}")
    assert answer.status == 501 and "DOCKER_HOST" in answer.message and "execctl" in answer.message
    assert api.call("HEAD", path).status == 501
