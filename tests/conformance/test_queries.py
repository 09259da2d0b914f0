# SPDX-License-Identifier: LGPL-2.1-or-later
"""The query of each route: names that are unknown, doubled or empty, values of every kind. A model of a few lines says which
status is right; it is never 500."""

import json
import random
import re
import string

import pytest

import wire

pytestmark = pytest.mark.execd_only

NO_EXEC = "0" * 64
CONTAINER_FILTERS = {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "kind", "label", "name",
                     "network", "publish", "since", "status", "volume"}
EVENT_FILTERS = {"config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
                 "service", "type", "volume"}
EXEC_FILTERS = {"container", "status", "label"}


class Bad(ValueError):
    """The escape of a query."""


def unescaped(text):
    """The bytes of one name or value, each as a character."""
    out, at = "", 0
    while at < len(text):
        if text[at] != "%":
            out += " " if text[at] == "+" else text[at]
            at += 1
            continue
        if not re.fullmatch("[0-9A-Fa-f]{2}", text[at + 1:at + 3]) or text[at + 1:at + 3] == "00":
            raise Bad
        out += chr(int(text[at + 1:at + 3], 16))
        at += 3
    return out


def parameters(query):
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if piece:
            yield unescaped(name), unescaped(value)


def is_number(text):
    return not text or bool(re.fullmatch("[+-]?[0-9]+", text)) and abs(int(text)) < 2**63


def is_size(text):
    return bool(re.fullmatch(r"\+?[0-9]+", text)) and int(text) < 2**32


def is_time(text):
    return not text or bool(re.fullmatch(r"[0-9]{1,12}(\.[0-9]*)?", text))


def is_signal(text):
    if text[:1].isdigit():
        return bool(re.fullmatch("[0-9]+", text)) and 1 <= int(text) <= 64
    return text.upper().removeprefix("SIG") in ("", "TERM", "KILL", "HUP") and text.upper() != "SIG"


def anything(_):
    return True


def filters_of(known):
    def is_filter(text):
        if text in ("", "null"):
            return True
        try:
            value = json.loads(text.encode("latin-1").decode())
        except ValueError:
            return False
        return isinstance(value, dict) and all(
            k in known and (isinstance(v, dict) or isinstance(v, list) and all(isinstance(s, str) for s in v))
            for k, v in value.items())
    is_filter.known = known
    return is_filter


# (the request, its status when nothing is wrong, what its query always has, what it reads)
ROUTES = [
    ("GET /_ping", 200, "", {}),
    ("GET /version", 200, "", {}),
    ("GET /info", 200, "", {}),
    ("GET /containers/json", 200, "", {"filters": filters_of(CONTAINER_FILTERS), "limit": is_number}),
    ("GET /containers/{name}/json", 200, "", {}),
    ("GET /containers/{name}/top", 200, "", {"ps_args": lambda text: re.fullmatch("-[Aef]*|[aefuwx]*", text)}),
    ("GET /containers/{name}/stats", 200, "stream=0", {"stream": anything, "one-shot": anything}),
    ("GET /events", 200, "until=1", {"filters": filters_of(EVENT_FILTERS), "until": is_time, "since": is_time}),
    ("GET /exec/json", 200, "", {"filters": filters_of(EXEC_FILTERS)}),
    ("GET /exec/{exec}/json", 404, "", {}),
    ("GET /exec/{exec}/logs", 404, "", {"stdout": anything, "stderr": anything}),
    ("GET /exec/{exec}/recording", 404, "", {}),
    ("POST /containers/nosuch/exec", 404, "", {}),
    ("POST /exec/{exec}/start", 404, "", {}),
    ("POST /exec/{exec}/resize", 404, "h=1&w=1", {"h": is_size, "w": is_size}),
    ("POST /exec/{exec}/attach", 404, "", {"stdin": anything, "stdout": anything, "stderr": anything, "logs": anything}),
    ("POST /exec/{exec}/kill", 404, "", {"signal": is_signal, "all": anything}),
    ("POST /exec/{exec}/wait", 404, "", {}),
]

NAMES = ["nosuch", "FILTERS", "filter", "filters[]", "filters%5Blabel%5D", "label", "container", "name", "status", "Limit", "",
         "%6cimit", "h[]", "%ff", "%F0%9F%90%8B", "x" * 2000, "_", "a+b", "version", "%00", "%zz", "%"]
VALUES = ["", "0", "1", "-1", "+1", "1e3", "0x10", "007", "%201", "1%20", "1.5", "99999999999", "9" * 30, "true", "no", "NONE",
          "TERM", "sigkill", "SIG", "65", "64", "%ff", "%C3%A9", "%F0%9F%90%8B", "%0a", "%00", "%zz", "%4", "a=b", "a?b", "x" * 8000,
          "aux", "-ef", "null", "{}", "[]", "%7B%22", "%7B%22label%22:[%22a%22]%7D", "%7B%22status%22:[]%7D",
          "%7B%22nosuch%22:[]%7D", "%7B%22label%22:%7B%22a%22:true%7D%7D", "%7B%22label%22:%22a%22%7D", "%7B%22label%22:[1]%7D"]


def refused(parsed, known):
    """Whether a filter is in a form that would be ignored."""
    values = [v for n, v in parsed if n == "filters" and v]
    others = [n for n, v in parsed if v and (n == "filter" or n.startswith("filters[") or n in known)]
    return len(values) > 1 or bool(others)


def expected(line, status, reads, query):
    try:
        parsed = list(parameters(query))
    except Bad:
        return 400 if reads or line.startswith("POST") else status
    first = {}
    for name, value in parsed:
        first.setdefault(name, value)
    if "filters" in reads and refused(parsed, reads["filters"].known):
        return 400
    if not all(reads[name](value) for name, value in first.items() if name in reads):
        return 400
    since, until = (first.get(n, "") for n in ("since", "until"))
    if "since" in reads and since and float(since) > float(until):
        return 400
    return status


def queries_of(line, fixed, reads):
    """Those with one thing odd, and some with several, the same in every run."""
    chance = random.Random(line)
    own = sorted(reads)
    for name in NAMES + own:
        yield f"{fixed}&{name}=1"
        yield f"{fixed}&{name}"
    for name in own:
        for value in VALUES:
            yield "&".join([*(p for p in fixed.split("&") if not p.startswith(f"{name}=")), f"{name}={value}"])
            yield f"{fixed}&{name}={value}&{name}=0"
    for _ in range(40):
        pieces = [f"{chance.choice(NAMES + own)}={chance.choice(VALUES)}" for _ in range(chance.randint(2, 5))]
        pieces.append("".join(chance.choice(string.punctuation.replace("#", "")) for _ in range(chance.randint(0, 12))))
        yield f"{fixed}&" + "&".join(pieces).replace("#", "")


def is_endless(line, query):
    """Routes whose answer lasts as long as a client reads."""
    try:
        first = {}
        for name, value in parameters(query):
            first.setdefault(name, value)
    except Bad:
        return False
    if line.endswith("/events"):
        return not first.get("until") or not is_time(first["until"]) or float(first["until"]) > 1e9
    return line.endswith("/stats")


@pytest.mark.parametrize("line, status, fixed, reads", ROUTES, ids=[line for line, *_ in ROUTES])
def test_queries(api, line, status, fixed, reads):
    method, path = line.format(name=api.container, exec=NO_EXEC).split(" ")
    body = b'{"Cmd":["true"]}' if path.endswith("nosuch/exec") else b"{}" if path.endswith("/start") else None
    wrong, asked = [], 0
    with api.conn() as c:
        for query in dict.fromkeys(queries_of(line, fixed, reads)):
            if is_endless(line, query) or len(query) > 15000:  # test_http.py is about long ones
                continue
            c.send(wire.build(method, f"{path}?{query}", body))
            answer = c.read_response(method)
            asked += 1
            wanted = expected(line, status, reads, query)
            if answer.status != wanted or (answer.status >= 400 and not answer.message):
                wrong.append((query[:200], wanted, answer))
    assert asked > 50 or "stats" in line, asked
    assert not wrong, "\n".join(map(str, wrong[:20]))
