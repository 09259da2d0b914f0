# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where execd means to answer otherwise than dockerd 20.10 (API 1.41), and why.

The keys are tests (file::test, a * stands for anything). A listed test asserts what each target does; one that expects
different things without being listed fails, as does an entry here that is no test.
"""

from typing import NamedTuple

NEWER = "newer API"          # what later Docker versions do, up to API 1.51
CONTRACT = "own contract"    # what execd's own contract promises
STRICT = "strict HTTP"       # leniency that has been used to smuggle requests
LIMIT = "limit"              # input is bounded
BETTER = "Docker's bug"      # known bugs that are not copied
EXTRA = "execd's own"        # what Docker does not have
ENGINE = "not an engine"     # execd runs commands and manages no containers


class Difference(NamedTuple):
    kind: str
    reason: str


DIFFERENCES = {
    "test_routing.py::test_version_too_old*": Difference(
        NEWER, "the oldest version served is 1.24, as since moby 25; execd's errors are JSON in all cases"),
    "test_routing.py::test_routes_execd_does_not_serve": Difference(ENGINE, "501 that says what execd is"),
    "test_routing.py::test_engine_routes_are_501*": Difference(ENGINE, "501 that says what execd is"),

    "test_http.py::test_folded_header": Difference(STRICT, "a folded line is two readings of one header"),
    "test_http.py::test_length_and_chunked": Difference(STRICT, "one framing header only"),
    "test_http.py::test_header_without_a_name": Difference(STRICT, "a name is a token"),
    "test_http.py::test_bare_cr": Difference(STRICT, "some parsers end a line there"),
    "test_http.py::test_chunked_with_http_10": Difference(STRICT, "HTTP/1.0 has no chunks"),
    "test_http.py::test_header_beyond_16_kib*": Difference(LIMIT, "16 KiB of headers"),
    "test_http.py::test_body_of_2_mib*": Difference(LIMIT, "1 MiB of body"),
    "test_http.py::test_announced_body_beyond_the_limit_is_refused_at_once": Difference(LIMIT, "1 MiB of body"),
}
