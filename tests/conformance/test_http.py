# SPDX-License-Identifier: LGPL-2.1-or-later
"""The requests that the HTTP parser accepts, and the life of connections (exec-api §1, security R-H1)."""

import json
import resource
import time

import pytest

from wire import build, chunked

PING = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def create_request(api, body=None, **kw):
    body = json.dumps({"Cmd": ["true"]}).encode() if body is None else body
    return build("POST", f"/containers/{api.container}/exec", body, **kw)


def framed(api, framing, body):
    """A create request with the framing headers as given."""
    head = (f"POST /containers/{api.container}/exec HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    return head.encode() + framing + b"\r\n" + body


BODY = b'{"Cmd":["true"]}'


# Connections.

def test_keep_alive(api):
    with api.conn() as c:
        for _ in range(5):
            c.send(build("GET", "/_ping"))
            answer = c.read_response()
            assert (answer.status, answer.body) == (200, b"OK")
        assert c.quiet(0.2)


def test_connection_close_is_honoured(api):
    with api.conn() as c:
        c.send(PING)
        assert c.read_response().status == 200
        assert c.ends_within(30)


def test_keep_alive_after_an_error(api):
    with api.conn() as c:
        c.send(build("GET", "/exec/nosuch/json"))
        assert c.read_response().status == 404
        c.send(build("GET", "/_ping"))
        assert c.read_response().status == 200


def test_keep_alive_after_an_unread_body(api):
    """The body of a request that was refused early is skipped, never taken for the next request."""
    with api.conn() as c:
        c.send(build("POST", "/containers/nosuch/exec", BODY, content_type="text/plain"))
        assert c.read_response().status == 400
        c.send(build("GET", "/_ping"))
        assert c.read_response().body == b"OK"


def test_pipelining(api):
    with api.conn() as c:
        c.send(build("GET", "/_ping") + create_request(api) + build("GET", "/exec/nosuch/json") + build("GET", "/_ping"))
        assert [c.read_response().status for _ in range(4)] == [200, 201, 404, 200]


def test_http_10(api):
    with api.conn() as c:
        c.send(b"GET /_ping HTTP/1.0\r\n\r\n")
        answer = c.read_response()
        assert (answer.head.version, answer.status, answer.body) == ("HTTP/1.0", 200, b"OK")
        assert c.ends_within(30)


def test_http_10_start_is_answered_with_11(api):
    exec_id = api.create("echo", "hi")
    with api.conn() as c:
        c.send(build("POST", f"/exec/{exec_id}/start", b"{}", version="HTTP/1.0"))
        head = c.read_head()
        assert (head.version, head.status) == ("HTTP/1.1", 200)
        assert c.read_frames() == [(1, b"hi\n")]


def test_slow_sender(api):
    request = create_request(api)
    with api.conn() as c:
        c.send(*[request[i:i + 1] for i in range(len(request))], gap=0.002)
        assert c.read_response().status == 201


def test_head_and_body_in_segments(api):
    head, body = create_request(api).split(b"\r\n\r\n")
    for cut in ([head + b"\r\n\r\n", body], [head + b"\r", b"\n\r", b"\n" + body[:5], body[5:]]):
        assert api.raw(*cut).status == 201


def test_short_request_then_eof(api):
    """Half a request and the end: no answer that could be taken for success."""
    with api.conn() as c:
        c.send(create_request(api)[:-4])
        c.half_close()
        data = c.read_to_eof()
        assert not data or data.startswith(b"HTTP/1.1 400")


def test_half_request_and_silence_holds_up_nobody(api):
    with api.conn() as slow:
        slow.send(create_request(api)[:60])
        assert api.get("/_ping").status == 200
        assert slow.quiet(0.01), "served while the other still waits"


# Bodies.

def test_chunked_body(api):
    assert api.raw(framed(api, b"Transfer-Encoding: chunked\r\n", chunked(BODY[:5], BODY[5:]))).status == 201


def test_chunked_body_in_segments(api):
    data = framed(api, b"Transfer-Encoding: chunked\r\n", chunked(BODY[:5], BODY[5:]))
    assert api.raw(*[data[i:i + 7] for i in range(0, len(data), 7)], gap=0.002).status == 201


def test_chunk_extension_and_trailer(api):
    data = b"5;a=b\r\n" + BODY[:5] + b"\r\n" + chunked(BODY[5:], trailer=b"X-Trailer: 1\r\n")
    with api.conn() as c:
        c.send(framed(api, b"Transfer-Encoding: chunked\r\n", data) + build("GET", "/_ping"))
        assert c.read_response().status == 201
        assert c.read_response().body == b"OK"


def test_expect_100(api):
    head, body = create_request(api, headers={"Expect": "100-continue"}).split(b"\r\n\r\n")
    with api.conn() as c:
        c.send(head + b"\r\n\r\n")
        assert c.read_head().status == 100
        c.send(body)
        assert c.read_response().status == 201


def test_expect_100_with_the_body_at_once(api):
    with api.conn() as c:
        c.send(create_request(api, headers={"Expect": "100-continue"}))
        answer = c.read_response()
        if answer.status == 100:
            answer = c.read_response()
        assert answer.status == 201


def test_get_with_a_body(api):
    with api.conn() as c:
        c.send(build("GET", "/_ping", b"hello") + build("GET", "/_ping"))
        assert [c.read_response().status for _ in range(2)] == [200, 200]


# Accepted requests.

def test_bare_lf_line_ends(api):
    assert api.raw(b"GET /_ping HTTP/1.1\nHost: x\nConnection: close\n\n").status == 200


def test_absolute_form_target(api):
    assert api.raw(b"GET http://docker/_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200


@pytest.mark.parametrize("host", ["", "docker", "localhost:2375", "%2Frun%2Fdocker.sock", "[::1]", "api.moby.localhost"])
def test_host_values(api, host):
    assert api.raw(b"GET /_ping HTTP/1.1\r\nHost: " + host.encode() + b"\r\nConnection: close\r\n\r\n").status == 200


def test_header_names_in_any_case(api):
    assert api.raw(b"POST /containers/%s/exec HTTP/1.1\r\nhOST: x\r\ncONTENT-tYPE: application/json\r\n"
                   b"content-LENGTH: %d\r\n\r\n%s" % (api.container.encode(), len(BODY), BODY)).status == 201


def test_blanks_around_header_values(api):
    assert api.raw(framed(api, b"Content-Length: \t %d  \t\r\n" % len(BODY), BODY)).status == 201


def test_equal_content_lengths(api):
    assert api.raw(framed(api, b"Content-Length: %d\r\n" % len(BODY) * 2, BODY)).status == 201


# Requests that both refuse.

REFUSED = {
    "no host": (b"GET /_ping HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "host with slash": (b"GET /_ping HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "space before colon": (b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Y : 1\r\n\r\n", 400),
    "no colon": (b"GET /_ping HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "folded first header": (b"GET /_ping HTTP/1.1\r\n X: 1\r\nHost: x\r\n\r\n", 400),
    "not http": (b"hello\r\n\r\n", 400),
    "no version": (b"GET /_ping\r\nHost: x\r\n\r\n", 400),
    "bad version": (b"GET /_ping HTTP/x.y\r\nHost: x\r\n\r\n", 400),
    "http 3": (b"GET /_ping HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    "space in target": (b"GET /_ping x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "relative target": (b"GET _ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bad escape in path": (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bad method": (b"G(T /_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "NUL in value": (b"GET /_ping HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    "NUL in name": (b"GET /_ping HTTP/1.1\r\nHost: x\r\nX\0: ab\r\n\r\n", 400),
    "NUL in target": (b"GET /_p\0ing HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "negative length": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    "signed length": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n12345", 400),
    "hex length": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\n12345", 400),
    "list of lengths": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\n12345", 400),
    "huge length": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
    "two lengths": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456", 400),
    "other coding": (b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "list of codings": (b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_closed(api, case):
    """Refused with a status, and nothing after it is read as a request."""
    request, status = REFUSED[case]
    with api.conn() as c:
        c.send(request + PING)
        assert c.read_response().status == status
        rest = b""
        try:
            rest = c.read_to_eof()
        except ConnectionResetError:
            pass
        assert b"HTTP/1.1 200" not in rest


# Requests for which execd is stricter or more bounded than Go's server.

def test_folded_header(api, differ):
    answer = api.raw(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Y: 1\r\n 2\r\nConnection: close\r\n\r\n")
    assert answer.status == differ(dockerd=200, execd=400)


def test_length_and_chunked(api, differ):
    """Two framings: Go takes the chunks, execd takes neither."""
    data = framed(api, b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunked(BODY))
    assert api.raw(data).status == differ(dockerd=201, execd=400)


def test_header_without_a_name(api, differ):
    answer = api.raw(b"GET /_ping HTTP/1.1\r\nHost: x\r\n: 1\r\nConnection: close\r\n\r\n")
    assert answer.status == differ(dockerd=200, execd=400)


def test_bare_cr(api):
    answer = api.raw(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Y: a\rb\r\nConnection: close\r\n\r\n")
    assert answer.status == 400


def test_chunked_with_http_10(api):
    data = framed(api, b"Transfer-Encoding: chunked\r\n", chunked(BODY)).replace(b"HTTP/1.1", b"HTTP/1.0")
    with api.conn() as c:
        c.send(data)
        c.half_close()
        assert c.read_response().status == 400


def big_header(size):
    return b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Big: " + b"a" * size + b"\r\n\r\n"


def test_header_of_15_kib(api):
    assert api.raw(big_header(15 * 1024)).status == 200


@pytest.mark.parametrize("kib", [17, 64, 512])
def test_header_beyond_16_kib(api, kib, differ):
    assert api.raw(big_header(kib * 1024)).status == differ(dockerd=200, execd=431)


def test_header_of_2_mib_is_431(api):
    with api.conn() as c:
        try:
            c.send(big_header(2 * 1024 * 1024))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert c.read_head().status == 431


def test_body_of_just_under_4_mib(api):
    """Only unknown keys, so that no limit of the fields is met."""
    body = json.dumps({"Cmd": ["true"], "Ignored": "x" * (4 * 1024 * 1024 - 100)}).encode()
    assert api.raw(create_request(api, body)).status == 201


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_of_8_mib(api, framing, differ):
    body = json.dumps({"Cmd": ["true"], "Ignored": "x" * (8 * 1024 * 1024)}).encode()
    if framing == "length":
        request = create_request(api, body)
    else:
        request = framed(api, b"Transfer-Encoding: chunked\r\n",
                         chunked(*[body[i:i + 65536] for i in range(0, len(body), 65536)]))
    with api.conn() as c:
        try:
            c.send(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = c.read_response()
        assert answer.status == differ(dockerd=201, execd=413)


def test_announced_body_beyond_the_limit_is_refused_at_once(api, differ):
    """execd does not wait for bytes that it will not take, and sends no 100 for them."""
    head = create_request(api, b"", headers={"Content-Length": str(1 << 30), "Expect": "100-continue"})
    assert api.raw(head).status == differ(dockerd=100, execd=413)


def test_body_shorter_than_announced(api, target, differ):
    """The JSON is whole and then the client ends: dockerd makes do with it, execd waits for what was announced."""
    with api.conn() as c:
        c.send(framed(api, b"Content-Length: 100\r\n", BODY))
        c.half_close()
        data = c.read_to_eof()
    assert data.startswith(b"HTTP/1.1 201") is differ(dockerd=True, execd=False)


@pytest.mark.slow
@pytest.mark.execd_only
def test_head_that_does_not_come_to_its_end(api):
    """Ten seconds for a head, however slowly it drips."""
    began = time.monotonic()
    with api.conn() as c:
        c.send(b"GET /_ping HTTP/1.1\r\n")
        while time.monotonic() - began < 60:
            try:
                c.send(b"X: y\r\n")
            except (BrokenPipeError, ConnectionResetError):
                break
            if not c.quiet(0.5):
                break
        assert 8 < time.monotonic() - began < 60
        data = c.read_to_eof()
        assert not data or data.startswith(b"HTTP/1.1 408")


@pytest.mark.slow
def test_2000_silent_connections_hold_up_nobody(api):
    """Half requests from all sides: others are served while those still wait, and when they go nothing is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    slow = []
    try:
        for _ in range(2000):
            try:
                slow.append(api.conn())
                slow[-1].send(b"POST /containers/web/exec HTTP/1.1\r\nHost: x\r\n")
            except (BrokenPipeError, ConnectionResetError, ConnectionRefusedError, BlockingIOError):
                # Closed at once for being too many is an answer too.
                pass
        waits = []
        for _ in range(5):
            slow.append(api.conn())
            slow[-1].send(b"POST /containers/web/exec HTTP/1.1\r\nHost: x\r\n")
            assert api.get("/_ping").status == 200
            waits.append(slow[-1].quiet(0))
        # After a pause of the host that is longer than the time for a head, some of them end first.
        assert any(waits)
    finally:
        for c in slow:
            c.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert api.get("/_ping").status == 200
