# SPDX-License-Identifier: LGPL-2.1-or-later
"""The intended differences between execd and dockerd 20.10 (API 1.41), and their reasons.

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
    "test_http.py::test_header_beyond_16_kib*": Difference(LIMIT, "16 KiB of headers"),
    "test_http.py::test_body_of_8_mib*": Difference(LIMIT, "4 MiB of body"),
    "test_http.py::test_announced_body_beyond_the_limit_is_refused_at_once": Difference(LIMIT, "4 MiB of body"),

    "test_http.py::test_body_shorter_than_announced": Difference(STRICT, "a body is what was announced"),
    "test_http.py::test_head_that_does_not_come_to_its_end": Difference(LIMIT, "10 seconds for a head, Go's is 5 minutes"),
    "test_create.py::test_string_cmd": Difference(CONTRACT, "Cmd may be a string, which a shell runs"),
    "test_create.py::test_unicode_escape_nul_in_argument": Difference(STRICT, "no argument can hold a NUL"),
    "test_create.py::test_nesting_of_100_levels": Difference(LIMIT, "16 levels of JSON"),
    "test_create.py::test_content_after_the_value*": Difference(NEWER, "refused since moby 23"),
    "test_create.py::test_no_body*": Difference(NEWER, "no body is {} since moby 23"),
    "test_create.py::test_content_type_refused*": Difference(NEWER, "the text since moby 23"),
    "test_create.py::test_container_comes_before_the_detach_keys": Difference(
        CONTRACT, "a wrong field is a validation error, whatever the container"),
    "test_create.py::test_console_size[*": Difference(NEWER, "ConsoleSize came with API 1.42"),
    "test_create.py::test_console_size_of_start_wins": Difference(NEWER, "ConsoleSize came with API 1.42"),
    "test_create.py::test_more_than_4096_variables": Difference(LIMIT, "4096 entries of Env"),
    "test_create.py::test_string_of_8_kib*": Difference(LIMIT, "4096 bytes of User, WorkingDir"),
    "test_env.py::test_empty_name_fails_at_start": Difference(
        CONTRACT, "what can never start is a validation error at create"),
    "test_env.py::test_nul_in_value": Difference(STRICT, "no environment value can hold a NUL"),
    "test_user.py::test_unknown_user*": Difference(NEWER, "since moby 28.2 the user is looked up at create"),
    "test_user.py::test_number_out_of_range*": Difference(NEWER, "since moby 28.2 the user is checked at create"),
    "test_user.py::test_user_that_can_be_none*": Difference(STRICT, "nothing that only looks like a name or a number"),
    "test_process.py::test_missing_directory*": Difference(NEWER, "127 since moby 28.0"),
    "test_detach_keys.py::test_invalid*": Difference(CONTRACT, "a wrong field is a validation error"),
    "test_detach_keys.py::test_comma": Difference(CONTRACT, "ctrl-, is promised"),
    "test_detach_keys.py::test_detach[*": Difference(BETTER, "server-side detach works as documented"),
    "test_detach_keys.py::test_detach_event": Difference(BETTER, "server-side detach works as documented"),
    "test_detach_keys.py::test_nothing_after_the_keys_is_delivered": Difference(
        BETTER, "server-side detach works as documented"),
    "test_errors.py::test_start_without_a_body": Difference(NEWER, "no body is {} since moby 23"),
    "test_errors.py::test_start_content_after_the_value": Difference(NEWER, "refused since moby 23"),
    "test_errors.py::test_already_*": Difference(NEWER, "the text since moby 28.2"),
    "test_errors.py::test_cannot_start_code*": Difference(NEWER, "127 since moby 28.0"),
    "test_errors.py::test_fails_late[*": Difference(NEWER, "255 since runc 1.2"),
    "test_errors.py::test_create_in_a_stopped_container": Difference(
        ENGINE, "execd knows what runs; a machine that does not run is none"),
    "test_stream.py::test_media_type_since_142*": Difference(NEWER, "multiplexed-stream came with API 1.42"),
    "test_stream.py::test_stdin_in_the_segment_of_the_request*": Difference(BETTER, "nothing typed is lost"),
    "test_stream.py::test_stdin_behind_a_chunked_body": Difference(BETTER, "nothing typed is lost"),
    "test_stream.py::test_a_request_behind_a_start_is_stdin": Difference(BETTER, "nothing typed is lost"),
    "test_stream.py::test_2_mib_behind_the_request": Difference(BETTER, "nothing typed is lost"),
    "test_stream.py::test_stdin_alone_is_attached": Difference(BETTER, "the stream ends with the command"),
    "test_stream.py::test_client_goes_away_with_stdin_keeps_the_true_code": Difference(NEWER, "kept since moby 28"),
    "test_resize.py::test_bad_parameters[*": Difference(NEWER, "the text since moby 28"),
    "test_resize.py::test_out_of_range*": Difference(NEWER, "refused since moby 28"),
    "test_resize.py::test_after_a_failed_start": Difference(NEWER, "since moby 24"),
    "test_system.py::test_version_is_one_of_docker": Difference(ENGINE, "the engine is named as the one whose API it is"),
    "test_system.py::test_ping_of_newer_versions": Difference(NEWER, "since moby 23"),
    "test_system.py::test_filter_that_is_no_json*": Difference(NEWER, "400 in current moby"),
    "test_system.py::test_limit_that_is_no_number": Difference(NEWER, "400 in current moby"),
    "test_events.py::test_bad_time*": Difference(NEWER, "400 in current moby"),
    "test_events.py::test_unknown_filter": Difference(BETTER, "what is not understood would otherwise show everything"),
    "test_system.py::test_top_needs_a_pid_column": Difference(BETTER, "a wrong parameter is no fault of the daemon"),
    "test_system.py::test_top_with_a_bad_option*": Difference(BETTER, "a wrong parameter is no fault of the daemon"),
    "test_system.py::test_filter_that_is_no_expression": Difference(BETTER, "what cannot match says so"),
    "test_system.py::test_list": Difference(ENGINE, "what no engine says of a container is left out"),
    "test_system.py::test_inspect": Difference(ENGINE, "what no engine says of a container is left out"),
    "test_events.py::test_bad_filters": Difference(NEWER, "400 in current moby"),
    "test_contract.py::*": Difference(CONTRACT, "bodies for two contracts, string Cmd, ctrl-,"),
    "test_odd_input.py::*": Difference(BETTER, "an answer that says what is wrong"),
    "test_queries.py::*": Difference(BETTER, "a filter that is not understood is refused, and so is what is no number"),
    "test_side_by_side.py::*": Difference(EXTRA, "asks both daemons about one container itself"),
    "test_extras.py::*": Difference(EXTRA, "execs as objects (EXTRAS.md)"),
    "test_errors.py::test_container_is_restarting": Difference(ENGINE, "no machine is ever restarting by itself"),
}
