# SPDX-License-Identifier: LGPL-2.1-or-later
"""packaging/openapi.yaml and the daemon say the same: every operation is asked, every error that can be provoked is,
and an answer with a status, a media type, a header or a key that the file does not have is a failure.

What is sent is checked too: a request that is accepted has to fit the file. A case names the operation and the status
that it is about; test_everything_is_exercised counts them.
"""

import copy
import json
import os
import re
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qsl, quote, unquote

import pytest

import target as targets
import wire
from wire import build, unique_name

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.join(HERE, "../..")
NO_EXEC = "5" * 64
OTHER_UID = 1001  # in no group that the rules know

pytestmark = pytest.mark.openapi

# The answers that no test can cause from outside, and why.
UNPROVOKED = {
    ("createExec", "501"): "takes another configuration, or a kernel that cannot tell a container's confinement",
    ("listContainers", "501"): "takes a container of Podman",
    ("startExec", "501"): "takes a kernel that cannot tell a container's confinement",
    ("getExecLogs", "503"): "takes a journal that cannot be read",
    ("getExecRecording", "503"): "takes a disk that does not answer",
    ("inspectContainer", "409"): "a container is starting for a moment only",
    ("topContainer", "409"): "a container is starting for a moment only",
    ("statsContainer", "409"): "a container is starting for a moment only",
    ("any", "403"): "takes a caller in a container",
    ("any", "500"): "takes a fault of execd's",
    ("any", "503"): "takes a host without memory",
}


def tree_file(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as f:
        return f.read()


def closed(schema):
    """A schema of an answer: an object has the keys that are named, and no others."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    result = {k: closed(v) for k, v in schema.items()}
    kinds = schema.get("type")
    is_object = kinds == "object" or isinstance(kinds, list) and "object" in kinds
    if is_object and isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        result["additionalProperties"] = False
    return result


class Contract:
    """The file, and what it says of a request and its answer."""

    def __init__(self):
        import jsonschema
        import yaml
        self.spec = yaml.safe_load(tree_file("packaging/openapi.yaml"))
        self.strict = closed(copy.deepcopy(self.spec))
        self.validator = jsonschema.Draft202012Validator
        self.resolver = jsonschema.RefResolver

    def resolve(self, node, spec=None):
        while isinstance(node, dict) and "$ref" in node:
            target = spec or self.spec
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def operations(self):
        for path, item in self.spec["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield path, method.upper(), operation, item.get("parameters", [])

    def find(self, method, target):
        """(operation, its parameters) of a request; literal paths come before those with an {id}."""
        path = re.sub(r"^/v[0-9.]+(?=/)", "", unquote(target.split("?")[0]))
        for template, m, operation, shared in sorted(self.operations(), key=lambda o: "{" in o[0]):
            pattern = "(.+)".join(map(re.escape, re.split(r"\{[a-z]+\}", template)))
            if m == method and re.fullmatch(pattern, path):
                return operation, [self.resolve(p) for p in shared + operation.get("parameters", [])]
        raise AssertionError(f"{method} {target} is not in openapi.yaml")

    def errors(self, schema, value, spec):
        found = self.validator(schema, resolver=self.resolver("", spec)).iter_errors(value)
        return [f"{'/'.join(map(str, e.absolute_path)) or 'it'}: {e.message[:300]}" for e in found]

    def check_request(self, method, target, body):
        """Of one that was accepted."""
        operation, parameters = self.find(method, target)
        known = {p["name"]: p for p in parameters if p["in"] == "query"}
        sent = dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
        assert not set(sent) - set(known), f"not documented: {set(sent) - set(known)}"
        assert not [n for n, p in known.items() if p.get("required") and n not in sent]
        for name, text in sent.items():
            media = known[name].get("content", {}).get("application/json")
            value = json.loads(text) if media else text
            schema = media["schema"] if media else known[name]["schema"]
            if self.resolve(schema).get("type") == "integer":
                value = int(text)
            assert not self.errors(schema, value, self.spec), f"?{name}={text}"
        if body:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert not self.errors(schema, json.loads(body), self.spec), body

    def check_answer(self, method, target, answer):
        operation, _ = self.find(method, target)
        response = self.strict_response(operation["operationId"], operation["responses"], answer)
        self.check_response(response, answer, method == "HEAD")

    def check_any(self, answer, method="GET"):
        """Of a request that no operation has got."""
        response = self.strict_response("x-any-request", self.spec["x-any-request"], answer)
        self.check_response(response, answer, method == "HEAD")

    def strict_response(self, what, responses, answer):
        node = responses.get(str(answer.status))
        assert node is not None, f"{what}: status {answer.status} is not documented; {answer}"
        return closed(self.resolve(node)) if "$ref" not in node else self.resolve(node, self.strict)

    def check_response(self, response, answer, head_only):
        for name, schema in self.spec["x-headers"].items():
            assert not self.errors(schema, answer.head.get(name), self.spec), f"{name}: {answer.head.get(name)}"
        for name, header in response.get("headers", {}).items():
            value = answer.head.get(name)
            assert value is not None or not header.get("required"), f"no header {name}"
            assert not self.errors(header["schema"], value, self.spec), f"{name}: {value}"
        media_type = (answer.head.get("Content-Type") or "").split(";")[0]
        content = response.get("content", {})
        if not media_type:
            assert answer.body == b"" and (not content or response.get("x-may-be-empty")), answer
            return
        if head_only:
            assert answer.body == b""
            return
        assert media_type in content, f"media type {media_type} is not documented"
        schema = content[media_type].get("schema")
        if schema is None:
            return
        values = [answer.body.decode()]
        if media_type == "application/json":
            lines = answer.body.decode().splitlines() if content[media_type].get("x-sequence") else values
            values = [json.loads(line) for line in lines]
        for value in values:
            assert not (problems := self.errors(schema, value, self.strict)), f"{problems} in {str(value)[:1500]}"


# Sends its stdin and prints the answer, so that it can be run as another user.
CLIENT = """
import socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
threading.Thread(target=s.sendall, args=(sys.stdin.buffer.read(),), daemon=True).start()
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
"""


def answers_of(data):
    """The answers that a connection got, all with a Content-Length."""
    answers = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        head = wire.Head(head)
        size = int(head.get("Content-Length"))
        answers.append(wire.Response(head, data[:size]))
        data = data[size:]
    return answers


class Caller:
    """Sends requests; every answer is held against the contract."""

    def __init__(self, api, contract, request):
        self.api, self.contract, self.request = api, contract, request

    def __call__(self, method, target, body=None, *, upgrade=False, by_other=False, timeout=20, check_request=True):
        if isinstance(body, dict):
            body = json.dumps(body)
        data = body.encode() if body is not None else None
        headers = None if upgrade else {"Connection": "close"}
        request = build(method, target, data, headers, upgrade=upgrade)
        if by_other:
            answer, = self.by_other(request)
            # A refusal because polkit could not be asked would hide that all are refused.
            assert answer.status != 403 or "did not answer" not in answer.message, answer
        else:
            answer = self.api.raw(request, method=method, timeout=timeout)
        self.contract.check_answer(method, target, answer)
        if answer.status < 300 and check_request:
            self.contract.check_request(method, target, body)
        return answer

    def by_other(self, request):
        """As a user who may connect and whom polkit allows nothing."""
        import grp
        done = subprocess.run([sys.executable, "-c", CLIENT, self.api.path], input=request, capture_output=True,
                              timeout=100, user=OTHER_UID, group=OTHER_UID, check=True,
                              extra_groups=[grp.getgrnam("execd").gr_gid])
        return answers_of(done.stdout)

    def create(self, *cmd, container=None, **fields):
        answer = self("POST", f"/containers/{container or self.api.container}/exec", {"Cmd": list(cmd), **fields})
        assert answer.status == 201, answer
        return answer.json()["Id"]

    def detached(self, *cmd, **fields):
        """A running exec, which ends by itself."""
        exec_id = self.create(*(cmd or ("sleep", "20")), **fields)
        answer = self("POST", f"/exec/{exec_id}/start", {"Detach": True})
        assert answer.status == 200, answer
        return exec_id

    def ended(self, *cmd):
        exec_id = self.create(*(cmd or ("true",)), AttachStdout=True)
        assert self("POST", f"/exec/{exec_id}/start", {}).status == 200
        return exec_id

    def inspect(self, exec_id):
        return self("GET", f"/exec/{exec_id}/json").json()

    def victim(self):
        v = self.request.getfixturevalue("victim")
        targets.wait_until(lambda: self("GET", f"/containers/{v.name}/json").status == 200, what="the container")
        return v

    def paused(self):
        v = self.victim()
        v.pause()
        return v


class Case:
    def __init__(self, operation, status, function):
        self.operation, self.status, self.function = operation, str(status), function


CASES = []


def case(operation, status):
    """The function returns the answer, or several, that must have that status."""
    def register(function):
        CASES.append(Case(operation, status, function))
        return function
    return register


def simple(operation, status, *requests, **options):
    """Cases of one request each: 'METHOD TARGET', perhaps with a body after a blank."""
    for request in requests:
        method, target, body = (request.split(" ", 2) + [None])[:3]

        def go(call, method=method, target=target, body=body):
            return call(method, target.replace("WEB", call.api.container), body, **options)
        CASES.append(Case(operation, status, go))


def on_exec(operation, status, made, *requests, **options):
    """Of an exec that made(call) makes; ID stands for its id."""
    for request in requests:
        method, target, body = (request.split(" ", 2) + [None])[:3]

        def go(call, method=method, target=target, body=body):
            return call(method, target.replace("ID", made(call)), body, **options)
        CASES.append(Case(operation, status, go))


def created(call):
    return call.create("true", AttachStdout=True)


def created_tty(call):
    return call.create("true", AttachStdout=True, Tty=True)


def running(call):
    return call.detached()


def ended(call):
    return call.ended()


def failed(call):
    return call.ended("nosuch")


EXEC_GET = {"json": "inspectExec", "logs": "getExecLogs", "recording": "getExecRecording"}
EXEC_POST = {"start": "startExec", "resize?h=1&w=1": "resizeExec", "attach": "attachExec", "kill": "killExec",
             "wait": "waitExec"}

# Versions that are not served, of every operation.
for _target, _operation in {"/_ping": "ping", "/version": "getVersion", "/info": "getInfo", "/events": "getEvents",
                            "/containers/json": "listContainers", "/containers/WEB/json": "inspectContainer",
                            "/containers/WEB/top": "topContainer", "/containers/WEB/stats": "statsContainer", "/exec/json": "listExecs",
                            **{f"/exec/{NO_EXEC}/{verb}": name for verb, name in EXEC_GET.items()}}.items():
    simple(_operation, 400, f"GET /v1.52{_target}", f"GET /v1.23{_target}")
simple("pingHead", 400, "HEAD /v1.52/_ping")
simple("createExec", 400, "POST /v1.52/containers/WEB/exec")
for _verb, _operation in EXEC_POST.items():
    simple(_operation, 400, f"POST /v1.23/exec/{NO_EXEC}/{_verb}")
    simple(_operation, 404, f"POST /exec/{NO_EXEC}/{_verb}", "POST /exec/short/" + _verb)
    simple(_operation, 400, f"POST /exec/{NO_EXEC}/{_verb.split('?')[0]}?x=%zz")
    on_exec(_operation, 403, running, f"POST /exec/ID/{_verb}", by_other=True)
for _verb, _operation in EXEC_GET.items():
    simple(_operation, 404, f"GET /exec/{NO_EXEC}/{_verb}")
    on_exec(_operation, 403, running, f"GET /exec/ID/{_verb}", by_other=True)

# System.
simple("ping", 200, "GET /_ping", "GET /v1.24/_ping")
simple("pingHead", 200, "HEAD /_ping")
simple("getVersion", 200, "GET /version", "GET /v1.51/version")
simple("getInfo", 200, "GET /info")
simple("getEvents", 400, "GET /events?since=yesterday", "GET /events?since=9&until=8", "GET /events?filters=%7B")
simple("getEvents", 403, "GET /events", by_other=True)


@case("getEvents", 200)
def events(call):
    """One of each kind has to be among them."""
    began = time.time()
    victim = call.victim()
    call.ended("sh", "-c", "exit 3")
    # It ends after the client has left.
    exec_id = call.create("sh", "-c", "stty -echo; echo ready; sleep 3", Tty=True, AttachStdin=True, AttachStdout=True)
    with call.api.start(exec_id, tty=True) as c:
        c.read_until(b"ready\r\n")
        c.send(b"\x10\x11")
        assert c.ends_within(30)
    with call.api.events() as stream:
        victim.remove()
        stream.until(lambda e: e["Action"] == "die" and e["Actor"]["Attributes"]["name"] == victim.name)
    answer = call("GET", f"/events?since={began:.3f}&until={time.time():.6f}")
    kinds = {json.loads(line)["Action"].split(":")[0] for line in answer.body.splitlines()}
    assert kinds >= {"exec_create", "exec_start", "exec_die", "exec_detach", "die"}
    filters = quote('{"event":["exec_die"],"container":{"%s":true},"type":["container"]}' % call.api.container)
    return [answer, call("GET", f"/events?since={began:.3f}&until={time.time():.6f}&filters={filters}")]


# Containers.
simple("listContainers", 200, "GET /containers/json", "GET /containers/json?all=1&size=0&limit=1",
       "GET /containers/json?filters=" + quote('{"name":["web"],"status":{"running":true},"label":["x"]}'))
simple("listContainers", 400, "GET /containers/json?filters=%7B", "GET /containers/json?limit=x",
       "GET /containers/json?filters=" + quote('{"bogus":["x"]}'))
simple("listContainers", 404, "GET /containers/json?filters=%7B%22before%22%3A%5B%22nobody%22%5D%7D")
simple("listContainers", 403, "GET /containers/json", by_other=True)
simple("inspectContainer", 403, "GET /containers/WEB/json", by_other=True)
simple("inspectContainer", 404, "GET /containers/nosuch/json")
simple("topContainer", 200, "GET /containers/WEB/top", "GET /containers/WEB/top?ps_args=aux",
       "GET /containers/WEB/top?ps_args=-o+pid%2Ccomm")
simple("topContainer", 400, "GET /containers/WEB/top?ps_args=%zz")
simple("topContainer", 403, "GET /containers/WEB/top", by_other=True)
simple("topContainer", 404, "GET /containers/nosuch/top")
simple("statsContainer", 200, "GET /containers/WEB/stats?stream=0&one-shot=1", "GET /containers/WEB/stats?stream=false")
simple("statsContainer", 400, "GET /containers/WEB/stats?stream=%zz", "GET /containers/WEB/stats?one-shot=1")
simple("statsContainer", 403, "GET /containers/WEB/stats?stream=0", by_other=True)
simple("statsContainer", 404, "GET /containers/nosuch/stats")
simple("topContainer", 400, "GET /containers/WEB/top?ps_args=-o+comm", "GET /containers/WEB/top?ps_args=-Z")


@case("listContainers", 200)
def a_paused_container_in_the_list(call):
    victim = call.paused()
    answer = call("GET", "/containers/json")
    assert [c["State"] for c in answer.json() if c["Names"] == [f"/{victim.name}"]] == ["paused"]
    return answer


@case("inspectContainer", 200)
def a_container_with_execs(call):
    exec_id = call.detached()
    answer = call("GET", f"/containers/{call.api.container}/json")
    assert exec_id in answer.json()["ExecIDs"]
    return answer


@case("inspectContainer", 200)
def a_container_without_execs(call):
    answer = call("GET", f"/containers/{call.paused().name}/json")
    assert answer.json()["ExecIDs"] is None and answer.json()["State"]["Paused"] is True
    return answer


# Create.
simple("createExec", 201, *(f"POST /containers/WEB/exec {body}" for body in (
    '{"Cmd":["true"]}', '{"Cmd":"exit 1"}', '{"Cmd":["true",null],"Env":null,"User":null,"Labels":null}',
    '{"Cmd":["true"],"Properties":["TasksMax=9","RuntimeMaxSec=2s"]}',
    '{"Cmd":["true"],"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":true,"Privileged":true,'
    '"Env":["A=1","B",""],"User":"app:wheel","WorkingDir":"/tmp","DetachKeys":"ctrl-a,b,ctrl-,,DEL",'
    '"ConsoleSize":[5,6],"Labels":{"a":"b","c":null},"OnDisconnect":"hangup","Record":true,'
    '"Properties":{"MemoryMax":"50%","TasksMax":20}}')))
simple("createExec", 400, *(f"POST /containers/WEB/exec {body}" for body in (
    "{", "[]", "{}", '{"Cmd":[]}', '{"Cmd":1}', '{"Cmd":["a"]} x', '{"Cmd":["a"],"Tty":"yes"}',
    '{"Cmd":["a"],"DetachKeys":"ctrl-1"}', '{"Cmd":["a"],"OnDisconnect":"panic"}', '{"Cmd":["a"],"User":"nosuch"}',
    '{"Cmd":["a"],"Labels":{"":"x"}}', '{"Cmd":["a"],"Record":"yes"}', '{"Cmd":["a"],"ConsoleSize":[1]}', '{"Cmd":["a"],"Env":["=x"]}',
    '{"Cmd":["a"],"Properties":{"Slice":"x"}}', '{"Cmd":["a"],"Properties":["TasksMax"]}')))
simple("createExec", 403, 'POST /containers/WEB/exec {"Cmd":["true"]}',
       'POST /containers/WEB/exec {"Cmd":["true"],"Privileged":true}', by_other=True)
simple("createExec", 404, 'POST /containers/nosuch/exec {"Cmd":["true"]}')
for _body in ({"Cmd": ["a"] * 300000}, {"Cmd": ["a"], "User": "u" * 5000}, {"Cmd": ["a"], "WorkingDir": "/" * 5000},
              {"Cmd": ["a"], "Labels": {f"l{n}": "" for n in range(65)}}):
    simple("createExec", 413, "POST /containers/WEB/exec " + json.dumps(_body, separators=(",", ":")))

PROPERTIES = {
    "MemoryMin": ["1M", 0], "MemoryLow": ["1.5G", "1%"], "MemoryHigh": ["64M", "infinity"],
    "MemoryMax": ["64M", 67108864], "MemorySwapMax": ["0", "10%"],
    "TasksMax": [10, "50%"], "CPUQuota": ["20%", "150%"], "CPUWeight": [1, "idle"],
    "IOWeight": [10000, "5"], "AllowedCPUs": ["0-1", 0], "AllowedMemoryNodes": ["0", 0],
    "RuntimeMaxSec": [2.5, "1min 30s"], "OOMPolicy": ["continue", "kill"],
}


@case("createExec", 201)
def every_property(call):
    create = f"/containers/{call.api.container}/exec"
    known = call.contract.spec["components"]["schemas"]["ScopeProperties"]["properties"]
    assert set(PROPERTIES) == set(known)
    answers = []
    for values in zip(*PROPERTIES.values()):
        properties = dict(zip(PROPERTIES, values))
        answers.append(call("POST", create, {"Cmd": ["true"], "Properties": properties}))
        seen = call.inspect(answers[-1].json()["Id"])["Properties"]
        assert seen == {name: str(value) for name, value in properties.items()}
    return answers


@case("createExec", 400)
def properties_that_do_not_fit_the_file(call):
    """The daemon refuses what the file refuses."""
    answers, create = [], f"/containers/{call.api.container}/exec"
    schema = call.contract.spec["components"]["schemas"]["ScopeProperties"]
    for name, value in (("TasksMax", 0), ("CPUQuota", "20"), ("CPUWeight", 10001), ("IOWeight", 0), ("MemoryMax", True),
                        ("RuntimeMaxSec", 0), ("OOMPolicy", "panic"), ("AllowedCPUs", ["0"]), ("Bogus", "1")):
        assert call.contract.errors(schema, {name: value}, call.contract.spec)
        answers.append(call("POST", create, {"Cmd": ["a"], "Properties": {name: value}}))
        assert f"Properties.{name}" in answers[-1].message
    return answers


@case("createExec", 409)
def create_in_a_paused_container(call):
    return call("POST", f"/containers/{call.paused().name}/exec", {"Cmd": ["true"]})


@case("createExec", 429)
def more_execs_than_one_caller_may_have(call):
    """In a container of its own, with which they go; by a user who is not needed by other tests."""
    victim = call.victim()
    rule = "/etc/polkit-1/rules.d/00-openapi.rules"
    with open(rule, "w", encoding="utf-8") as f:
        f.write('polkit.addRule(function(action, subject) {\n'
                '    if (action.id == "org.execd1.exec" && subject.user == "other") return polkit.Result.YES;\n});\n')
    try:
        targets.run("systemctl", "restart", "polkit.service")
        target = f"/containers/{victim.name}/exec"
        one = build("POST", target, b'{"Cmd":["true"]}')
        last = build("POST", target, b'{"Cmd":["true"]}', {"Connection": "close"})
        answers, created, end = [], 0, time.monotonic() + 100
        # On a busy host polkit may be late with an answer: then the request is made again.
        while not answers or answers[-1].status != 429 and time.monotonic() < end:
            answers = call.by_other(one * (1024 - created) + last)
            created += sum(a.status == 201 for a in answers)
            for answer in answers:
                call.contract.check_answer("POST", target, answer)
            assert {a.status for a in answers} <= {201, 429, 503}, [a for a in answers if a.status != 201][:3]
    finally:
        os.unlink(rule)
        targets.run("systemctl", "restart", "polkit.service")
    assert created == 1024 and [a.status for a in answers].count(429) == 1, answers[-3:]
    return answers[-1]


# List and inspect.
simple("listExecs", 200, "GET /exec/json", "GET /exec/json?filters=" + quote('{"status":["exited","failed"]}'),
       "GET /exec/json?filters=" + quote('{"container":{"web":true},"label":["a","b=c"]}'))
simple("listExecs", 200, "GET /exec/json", by_other=True)
simple("listExecs", 400, "GET /exec/json?filters=%7B", "GET /exec/json?filters=" + quote('{"bogus":[]}'),
       "GET /exec/json?filters=%zz")


@case("inspectExec", 200)
def every_state(call):
    states = {"created": created(call), "running": running(call), "exited": ended(call), "failed": failed(call)}
    answers = [call("GET", f"/exec/{exec_id}/json") for exec_id in states.values()]
    assert [a.json()["State"] for a in answers] == list(states)
    return answers


@case("inspectExec", 200)
def every_result(call):
    execs = {"success": call.ended(), "exit-code": call.ended("false"), "failed": call.ended("nosuch"),
             "signal": call.ended("sh", "-c", "kill $$"),
             "timeout": call.detached("sleep", "9", Properties={"RuntimeMaxSec": 1})}
    answers = []
    for result, exec_id in execs.items():
        waited = call("POST", f"/exec/{exec_id}/wait").json()
        answers.append(call("GET", f"/exec/{exec_id}/json"))
        assert (waited["Result"], answers[-1].json()["Result"]) == (result, result)
        assert waited["StatusCode"] == answers[-1].json()["ExitCode"]
        assert (waited["Error"] is not None) == (result == "failed")
    return answers


@case("inspectExec", 200)
def everything_that_was_asked_for(call):
    exec_id = call.create("true", User="app", WorkingDir="/tmp", Tty=True, AttachStdin=True, DetachKeys="ctrl-a",
                          Labels={"a": "b"}, OnDisconnect="kill", Record=True)
    answer = call("GET", f"/exec/{exec_id}/json")
    seen = answer.json()
    assert (seen["ProcessConfig"]["user"], seen["DetachKeys"], seen["OnDisconnect"]) == ("app", "AQ==", "kill")
    assert (seen["Record"], seen["RecordingPath"]) == (True, None)
    return answer


# Start.
on_exec("startExec", 101, created, "POST /exec/ID/start", 'POST /v1.41/exec/ID/start {"Detach":false,"Tty":true}',
        upgrade=True)
on_exec("startExec", 101, created_tty, 'POST /exec/ID/start {"Tty":true,"ConsoleSize":[3,4]}', upgrade=True)
on_exec("startExec", 101, ended, "POST /exec/ID/start {}", upgrade=True)
on_exec("startExec", 200, created, "POST /exec/ID/start", 'POST /exec/ID/start {"Detach":true}')
on_exec("startExec", 200, ended, "POST /exec/ID/start {}")
on_exec("startExec", 400, created, "POST /exec/ID/start {", 'POST /exec/ID/start {"Detach":1}')
on_exec("startExec", 400, lambda call: call.create("nosuch"), 'POST /exec/ID/start {"Detach":true}')
on_exec("startExec", 409, ended, 'POST /exec/ID/start {"Detach":true}')
on_exec("startExec", 409, running, 'POST /exec/ID/start {"Detach":true}')


def in_a_paused_container(call):
    victim = call.victim()
    exec_id = call.create("true", container=victim.name)
    victim.pause()
    return exec_id


on_exec("startExec", 409, in_a_paused_container, "POST /exec/ID/start {}", 'POST /exec/ID/start {"Detach":true}')

# Resize.
on_exec("resizeExec", 200, running, "POST /exec/ID/resize?h=24&w=80", "POST /exec/ID/resize?h=70000&w=0")
on_exec("resizeExec", 400, running, "POST /exec/ID/resize", "POST /exec/ID/resize?h=1", "POST /exec/ID/resize?h=a&w=1",
        "POST /exec/ID/resize?h=-1&w=1", "POST /exec/ID/resize?h=1&w=4294967296")
on_exec("resizeExec", 400, failed, "POST /exec/ID/resize?h=1&w=1")
on_exec("resizeExec", 404, ended, "POST /exec/ID/resize?h=1&w=1")
on_exec("resizeExec", 409, in_a_paused_container, "POST /exec/ID/resize?h=1&w=1")
on_exec("resizeExec", 500, created_tty, "POST /exec/ID/resize?h=1&w=1")


# Attach, logs.
def running_tty(call):
    return call.detached("sleep", "20", Tty=True)


on_exec("attachExec", 101, running, "POST /exec/ID/attach", "POST /exec/ID/attach?stdin=0&stdout=1&stderr=false&logs=0",
        "POST /v1.41/exec/ID/attach", upgrade=True)
on_exec("attachExec", 101, running_tty, "POST /exec/ID/attach", upgrade=True)
on_exec("attachExec", 409, ended, "POST /exec/ID/attach", upgrade=True)
on_exec("attachExec", 409, created, "POST /exec/ID/attach")


@case("attachExec", 200)
def attach_without_an_upgrade(call):
    return call("POST", f"/exec/{call.detached('sh', '-c', 'echo hi; sleep 3')}/attach")  # it is attached to while it runs


@case("attachExec", 409)
def attach_as_a_second_writer(call):
    exec_id = call.create("cat", AttachStdin=True, AttachStdout=True)
    with call.api.start(exec_id) as c:
        c.send(b"x\n")
        c.frames_until(b"x\n")
        return call("POST", f"/exec/{exec_id}/attach?stdin=1")


on_exec("getExecLogs", 200, running, "GET /exec/ID/logs", "GET /exec/ID/logs?stdout=0&stderr=1",
        "GET /v1.41/exec/ID/logs")
on_exec("getExecLogs", 200, running_tty, "GET /exec/ID/logs")
on_exec("getExecLogs", 400, running, "GET /exec/ID/logs?stdout=%zz")
on_exec("getExecLogs", 409, ended, "GET /exec/ID/logs")
on_exec("getExecLogs", 409, created, "GET /exec/ID/logs")
# Its recording is read while it runs.
on_exec("getExecRecording", 200, lambda call: call.detached("sh", "-c", "echo hi; sleep 9", Record=True),
        "GET /exec/ID/recording")
on_exec("getExecRecording", 404, ended, "GET /exec/ID/recording")
on_exec("getExecRecording", 404, lambda call: call.create("true", Record=True), "GET /exec/ID/recording")

# Kill, wait.
on_exec("killExec", 204, running, "POST /exec/ID/kill", "POST /exec/ID/kill?signal=9",
        "POST /exec/ID/kill?signal=sigterm", "POST /exec/ID/kill?signal=&all=1")
on_exec("killExec", 400, running, "POST /exec/ID/kill?signal=NOSUCH", "POST /exec/ID/kill?signal=65")
on_exec("killExec", 409, ended, "POST /exec/ID/kill")
on_exec("killExec", 409, created, "POST /exec/ID/kill")
on_exec("waitExec", 200, ended, "POST /exec/ID/wait")
on_exec("waitExec", 200, failed, "POST /exec/ID/wait")
on_exec("waitExec", 200, lambda call: call.detached("sleep", "0.5"), "POST /exec/ID/wait")


@case("waitExec", 404)
def wait_for_what_never_runs(call):
    victim = call.victim()
    exec_id = call.create("true", container=victim.name)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(call("POST", f"/exec/{exec_id}/wait", timeout=30)))
    waiter.start()
    time.sleep(0.3)  # nothing shows that the request was read
    victim.remove()
    waiter.join(30)
    assert len(answers) == 1
    return answers


# Without the spawner: its socket is out of sight, and it leaves.
WITHOUT_SPAWNER = {
    ("createExec", 'POST /containers/WEB/exec {"Cmd":["true"]}'),
    ("startExec", 'POST /exec/CREATED/start {"Detach":true}'),
    ("resizeExec", "POST /exec/RUNNING/resize?h=1&w=1"), ("killExec", "POST /exec/RUNNING/kill"),
    ("listContainers", "GET /containers/json"), ("inspectContainer", "GET /containers/WEB/json"),
    ("topContainer", "GET /containers/WEB/top"), ("statsContainer", "GET /containers/WEB/stats?stream=0"),
    ("getInfo", "GET /info"),
}


SPAWNER_SOCKET = "/run/execd/spawner.sock"


def without_spawner(call, request):
    method, target, body = (request.split(" ", 2) + [None])[:3]
    target = target.replace("WEB", call.api.container)
    if "CREATED" in target:
        target = target.replace("CREATED", call.create("true", AttachStdout=True))
    if "RUNNING" in target:
        target = target.replace("RUNNING", call.detached())
    # A connection that is not accepted yet would start the spawner again; one that has had an answer is accepted.
    assert call.api.get("/containers/json").status == 200
    os.rename(SPAWNER_SOCKET, SPAWNER_SOCKET + ".away")
    try:
        targets.run("systemctl", "stop", "execd-spawner.service")
        return call(method, target, body)
    finally:
        os.rename(SPAWNER_SOCKET + ".away", SPAWNER_SOCKET)


for _operation, _request in sorted(WITHOUT_SPAWNER):
    CASES.append(Case(_operation, 503, lambda call, request=_request: without_spawner(call, request)))


@pytest.fixture(scope="module")
def contract():
    return Contract()


@pytest.fixture
def call(api, contract, request):
    return Caller(api, contract, request)


# These wait for ten seconds to pass.
SLOW = {("resizeExec", "500"), ("any", "408")}


def parameters(cases):
    """Of (operation, status, values)."""
    return [pytest.param(*values, id=f"{operation}-{status}",
                         marks=[pytest.mark.slow] if (operation, status) in SLOW else [])
            for operation, status, values in cases]


@pytest.mark.parametrize("c", parameters((c.operation, c.status, [c]) for c in CASES))
def test_case(call, c):
    answers = c.function(call)
    for answer in answers if isinstance(answers, list) else [answers]:
        assert str(answer.status) == c.status, answer


# The answers that any request can get: the bytes of a request, and its answer.
ANY = [
    ("301", build("GET", "//_ping")),
    ("301", build("GET", "/containers/../version?x=1")),
    ("400", b"GET\r\n\r\n"),
    ("400", b"GET /_ping HTTP/1.1\r\n\r\n"),
    ("400", build("GET", "/_ping%00")),
    ("404", build("GET", "/nosuch")),
    ("404", build("PUT", "/_ping")),
    ("404", build("DELETE", f"/exec/{NO_EXEC}/json")),
    ("408", b"GET /_ping HTT"),
    ("413", build("POST", "/containers/web/exec", headers={"Content-Length": str(8 << 20)})),
    ("417", build("POST", "/containers/web/exec", b"{}", {"Expect": "coffee"})),
    ("431", build("GET", "/_ping", headers={"X": "x" * 17000})),
    ("431", build("GET", "/_ping", headers={f"X{n}": "x" for n in range(70)})),
    ("501", build("POST", "/containers/create", b"{}")),
    ("501", build("GET", "/images/json")),
    ("501", build("POST", "/containers/web/exec", headers={"Transfer-Encoding": "gzip", "Content-Length": None})),
    ("505", build("GET", "/_ping", version="HTTP/2.0")),
]


@pytest.mark.parametrize("status,data", parameters(("any", s, [s, data]) for s, data in ANY))
def test_any_request(api, contract, status, data):
    answer = api.raw(data, timeout=20)
    assert str(answer.status) == status, answer
    contract.check_any(answer)


def test_everything_is_exercised(contract):
    documented = {(o["operationId"], s) for _, _, o, _ in contract.operations() for s in o["responses"]}
    documented |= {("any", s) for s in contract.spec["x-any-request"]}
    exercised = {(c.operation, c.status) for c in CASES} | {("any", s) for s, _ in ANY}
    assert not exercised - documented
    assert not set(UNPROVOKED) & exercised and not set(UNPROVOKED) - documented
    assert not documented - exercised - set(UNPROVOKED)


def test_the_file_itself(contract):
    operations = list(contract.operations())
    names = [o["operationId"] for _, _, o, _ in operations]
    assert len(names) == len(set(names))
    for path, _, operation, shared in operations:
        parameters = [contract.resolve(p) for p in shared + operation.get("parameters", [])]
        assert {p["name"] for p in parameters if p["in"] == "path"} == set(re.findall(r"\{([a-z]+)\}", path))
    for schema in contract.spec["components"]["schemas"].values():
        contract.validator.check_schema(schema)
    references = re.findall(r"'\$ref': '#/([^']+)'", str(contract.spec))
    assert references
    for reference in references:
        contract.resolve({"$ref": "#/" + reference})
    for kind, known in contract.spec["components"].items():
        for name in known:
            assert f"components/{kind}/{name}" in references, f"{kind}/{name} is used nowhere"


def test_routes_are_those_of_the_daemon(contract):
    table = re.search(r"routes\[\] = \{\n(.*?)\n\};", tree_file("daemon/api/http-route.c"), re.S).group(1)
    served = {(m, p.replace("*", "{id}")) for m, p in re.findall(r'\{"([A-Z]+)", "([^"]+)", http_', table)}
    assert served and served == {(method, path) for path, method, _, _ in contract.operations()}


def test_fields_are_those_of_the_daemon(contract):
    source, schemas = tree_file("daemon/wire/exec-request-json.c"), contract.spec["components"]["schemas"]
    for rules, schema in (("create_rules", "ExecCreate"), ("start_rules", "ExecStart")):
        table = re.search(rf"{rules}\[\] = \{{\n(.*?)\n\}};", source, re.S).group(1)
        assert set(re.findall(r'\{"([A-Za-z]+)",', table)) == set(schemas[schema]["properties"])
    table = re.search(r"rules\[\] = \{\n(.*?)\n\};", tree_file("daemon/wire/scope-property.c"), re.S).group(1)
    assert set(re.findall(r'\{"([A-Za-z]+)", "', table)) == set(schemas["ScopeProperties"]["properties"])


@pytest.mark.parametrize("spoil", [
    lambda a: wire.Response(a.head, a.body.replace(b'"Os":', b'"Extra":1,"Os":')),
    lambda a: wire.Response(a.head, a.body.replace(b'"Os":', b'"os":')),
    lambda a: wire.Response(a.head, a.body.replace(b'"1.51"', b"1.51")),
    lambda a: wire.Response(wire.Head(a.head.raw.replace(b"200 OK", b"202 OK")), a.body),
    lambda a: wire.Response(wire.Head(a.head.raw.replace(b"application/json", b"text/plain")), a.body),
    lambda a: wire.Response(wire.Head(a.head.raw.replace(b"Api-Version: 1.51", b"Api-Version: 1.50")), a.body),
], ids=["a key more", "a key less", "another type", "another status", "another media type", "another header"])
def test_a_difference_is_noticed(call, spoil):
    answer = call("GET", "/version")
    with pytest.raises(AssertionError):
        call.contract.check_answer("GET", "/version", spoil(answer))


@pytest.mark.parametrize("body", ['{"message":"m","success":false,"error":{"code":"CONFLICT","message":"m"}}',
                                  '{"message":"m","success":false,"error":{"code":"NOT_FOUND","message":"m","x":1}}',
                                  '{"message":"m"}'], ids=["another code", "a key more", "Docker's alone"])
def test_a_difference_of_an_error_is_noticed(call, body):
    target = f"/exec/{unique_name('x')}/json"
    answer = call("GET", target)
    assert answer.status == 404
    with pytest.raises(AssertionError):
        call.contract.check_answer("GET", target, wire.Response(answer.head, body.encode()))
