# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Patches whose tests need SELinux: one VM of tests/selinux for all of a variant. It runs the tests as the tree is, and then with
# each mutant in the place of what is installed. Sourced by run.

: "${TREE:?}" "${LOGS:?}" "${QUEUE:?}"

# test_verdict REPORT TEST: passed, failed or missing, of a report in JUnit's format.
test_verdict() {
    python3 - "$1" "$2" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

try:
    cases = tree.parse(sys.argv[1]).getroot().iter("testcase")
    found = [case for case in cases if case.get("name").split("[")[0] == sys.argv[2].split("::")[1]]
except (OSError, tree.ParseError):
    found = []
bad = [case for case in found if case.find("failure") is not None or case.find("error") is not None]
good = [case for case in found if case not in bad and case.find("skipped") is None]
print("failed" if bad else "passed" if good else "missing")
PYTHON
}

# vm_tests_of FILE VARIANT: FILE::TEST of each test in that VM.
vm_tests_of() {
    tests_of "$1" | sed -n "s,^selinux/$2/,,p"
}

# prepare_vm_mutant FILE NAME VARIANT DIR: DIR/tree has what is to be installed, and DIR/tests the names.
prepare_vm_mutant() {
    begin_mutant "$1" && build_mutant vm 13 || return
    mkdir -p "$4/tree"
    stage_mutant vm "$4/tree"
    vm_tests_of "$1" "$3" >"$4/tests"
    end_mutant
}

# judge_vm_mutant FILE VARIANT OUT NAME: leaves why it fails in $why.
judge_vm_mutant() {
    local test
    while IFS= read -r test; do
        why="  selinux/$2/$test fails without a patch"
        [ "$(test_verdict "$3/junit.xml" "$test")" = passed ] || return 1
        why="  selinux/$2/$test does not fail"
        [ "$(test_verdict "$3/mutants/$4/junit.xml" "$test")" = failed ] || return 1
    done < <(vm_tests_of "$1" "$2")
}

# judge_in_vm VARIANT FILE…
judge_in_vm() {
    local variant=$1 in out file name names why built=() began=$EPOCHSECONDS
    shift
    in=$MUTANTS/vm-$variant out=$LOGS/vm/selinux-$variant
    mkdir -p "$LOGS/vm" "$in"
    for file; do
        name=$(basename "$file" .patch)
        if prepare_vm_mutant "$file" "$name" "$variant" "$in/mutants/$name" >"$LOGS/$name" 2>&1; then
            built+=("$file")
        else
            say_verdict "$name" 0 "  does not apply or build:"$'\n'"$(tail -n 12 "$LOGS/$name")"
        fi
    done
    [ ${#built[@]} -gt 0 ] || return 0
    names=$(for file in "${built[@]}"; do vm_tests_of "$file" "$variant"; done | sort -u | sed 's/.*:://' | paste -sd'|')
    LOGS=$LOGS/vm EXECD_TEST_VM_IN=$in "$TREE/tests/selinux/run" "$variant" -k "${names//|/ or }" \
        </dev/null >"$LOGS/vm-$variant" 2>&1 || :
    for file in "${built[@]}"; do
        name=$(basename "$file" .patch)
        if judge_vm_mutant "$file" "$variant" "$out" "$name"; then why=''; fi
        say_verdict "$name" $((EPOCHSECONDS - began)) "$why"
    done
}

judge_in_vms() {
    local variant files
    # shellcheck disable=SC2034  # of mutants.sh
    LANE=vm
    unset SELECT
    ensure_roots 13 build
    add_product vm 13 plain
    for variant in enforcing old-kernel no-module no-selinux; do
        mapfile -t files < <(while IFS= read -r file; do
            [ -z "$(vm_tests_of "$file" "$variant")" ] || echo "$file"
        done <"$QUEUE/patches-selinux")
        [ ${#files[@]} -eq 0 ] || judge_in_vm "$variant" "${files[@]}"
    done
}
