# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For the suites. tests/run starts a suite with the tree's top as working directory and in its environment:
#   TREE, LOGS (a directory for logs), VARIANT (one of the suite's, or empty), TARGET (execd or dockerd),
#   CONTAINER (what the tests of conformance run commands in: empty, a machine of the sandbox, or docker for one of Docker's),
#   DEBIAN (12 or 13: the Debian of the sandbox; empty is 12),
#   ONLY and EXCEPT (words X of files test_X.py of a pytest suite: only these, or all but these),
#   QUICK (1 or empty), SELECT (an expression for pytest -k, or empty), REPEAT (how often to run the tests),
#   REPORT (the name of its report, $LOGS/$REPORT-1.xml in JUnit's format), PREFIX (of the names of its sandboxes)
# A suite prints what it finds and, as its last line, 'N passed, N failed, N skipped'. Lines that begin with NOTED are shown
# to the reader although nothing has failed.

TREE=${TREE:-$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/..")}
for part in common roots build; do
    # shellcheck source=/dev/null
    . "$TREE/tests/sandbox.d/$part.sh"
done

# The Debian whose tools judge the tree, so that a verdict does not depend on the host.
TOOLS_DEBIAN=12

# in_tools NAME CMD…: CMD in the tools root, working directory kept between runs under NAME, the tree at /src.
in_tools() {
    local name=$1 lock status=0
    shift
    ensure_roots "$TOOLS_DEBIAN" tools
    note_tree
    take_lock "tools-$(tree_hash)-$name" lock
    in_root "$(root_path tools "$TOOLS_DEBIAN")" "$(work_dir "$TOOLS_DEBIAN" "$name")" "$@" {lock}>&- || status=$?
    drop_lock "$lock"
    return $status
}

# The sandbox that a variant of a suite runs in.
sandbox_name() {
    echo "${PREFIX:-tests}-${1:-plain}"
}

# junit_counts FILE: 'passed failed skipped' of a junit report.
junit_counts() {
    python3 - "$1" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

total = failed = skipped = 0
for suite in tree.parse(sys.argv[1]).getroot().iter("testsuite"):
    total += int(suite.get("tests"))
    failed += int(suite.get("failures")) + int(suite.get("errors"))
    skipped += int(suite.get("skipped"))
print(max(0, total - failed - skipped), failed, skipped)
PYTHON
}

# journal_problems SANDBOX SINCE: messages of our services since then that no test may cause.
# (Tests kill them with SIGKILL, or with a watchdog of one second.)
journal_problems() {
    "$TREE/tests/sandbox" exec --name "$1" -- journalctl --no-pager --output=cat --since="@$2" \
        _COMM=execd + _COMM=execd-spawner + _COMM=execd-runner + UNIT=execd.service + UNIT=execd-spawner.service |
        awk '/Watchdog timeout \(limit 1s\)/ {expected = 1}
             expected && /code=(killed|dumped), status=6/ {expected = 0; next} {print}' |
        grep -E -A25 'AddressSanitizer|LeakSanitizer|runtime error:|code=dumped|code=killed, status=[^9]|Assertion' | head -n 120
}

# pytest_in SANDBOX NAME REPORT ARGUMENT…: one run of pytest for the suite NAME; writes its report to REPORT, and the result of
# junit_counts() to $counts. A run without counts is a failure.
pytest_in() {
    local sandbox=$1 name=$2 report=$3 status=0 passed failed skipped container=()
    local inside=/tmp/report-$name.xml
    shift 3
    case ${CONTAINER-} in
    '') ;;
    docker) container=(EXECD_TEST_ENGINE=docker) ;;
    *) container=("EXECD_TEST_CONTAINER=$CONTAINER") ;;
    esac
    "$TREE/tests/sandbox" exec --name "$sandbox" -- rm -f "$inside"
    "$TREE/tests/sandbox" exec --name "$sandbox" -- env "EXECD_TEST_TARGET=${TARGET:-execd}" \
        "EXECD_TEST_VARIANT=${VARIANT:-plain}" "EXECD_TEST_SCALE=${SCALE:-1}" "${container[@]}" python3 -m pytest -p no:cacheprovider --timeout=120 -ra --tb=short \
        --durations=5 -o 'markers=slow: left out by --quick' -o junit_family=xunit2 --junitxml="$inside" \
        "$@" </dev/null || status=$?
    "$TREE/tests/sandbox" exec --name "$sandbox" -- cat "$inside" >"$report" 2>/dev/null
    if ! counts=$(junit_counts "$report"); then
        echo "pytest ended with $status and left no report"
        counts='0 1 0'
    fi
    read -r passed failed skipped <<<"$counts"
    # 0: all passed; 1: some failed; 5: none was selected.
    case $status in
    0 | 1 | 5) ;;
    *) [ "$failed" -gt 0 ] || counts="$passed 1 $skipped" ;;
    esac
}

# note_failures REPORT: a reference that fails some tests is worth a note and no failure.
note_failures() {
    python3 - "$1" "$TARGET" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    for wrong in case.findall("failure") + case.findall("error"):
        print(f"NOTED {sys.argv[2]} fails {case.get('classname')}::{case.get('name')}: "
              f"{(wrong.get('message') or '').splitlines()[:1]}")
PYTHON
}

# run_pytest NAME [ARGUMENT…]: tests/NAME by pytest inside the sandbox, with the tree read-only at its own path.
run_pytest() {
    local name=$1 sandbox counts passed=0 failed=0 skipped=0 p f s problems began words=() turn file
    local report=$LOGS/${REPORT:-$1-${VARIANT:-plain}}
    shift
    sandbox=$(sandbox_name "${VARIANT-}")${DEBIAN:+-$DEBIAN}
    "$TREE/tests/sandbox" up --name "$sandbox" --debian "${DEBIAN:-12}" "--${VARIANT:-plain}" --bind "$TREE" </dev/null || {
        echo "0 passed, 1 failed, 0 skipped"
        return 1
    }
    [ -z "${SELECT-}" ] || words+=(-k "$SELECT")
    [ -z "${QUICK-}" ] || words+=(-m 'not slow')
    for file in ${EXCEPT-}; do
        words+=("--ignore=tests/$name/test_$file.py")
    done
    for file in ${ONLY-}; do
        words+=("tests/$name/test_$file.py")
    done
    [ -n "${ONLY-}" ] || words+=("tests/$name")
    began=$EPOCHSECONDS
    for ((turn = 1; turn <= ${REPEAT:-1}; turn++)); do
        pytest_in "$sandbox" "$name" "$report-$turn.xml" "${words[@]}" "$@"
        read -r p f s <<<"$counts"
        if [ "$f" -gt 0 ] && [ "${TARGET-}" = dockerd ] && [ "$p" -gt 0 ] && note_failures "$report-$turn.xml"; then
            f=0
        fi
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    # Stopped, so that a leak is reported too.
    "$TREE/tests/sandbox" exec --name "$sandbox" -- systemctl stop execd.service execd-spawner.service </dev/null
    problems=$(journal_problems "$sandbox" "$began") || :
    if [ -n "$problems" ]; then
        printf 'FAILED: in the journal of our services:\n%s\n' "$problems"
        failed=$((failed + 1))
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
