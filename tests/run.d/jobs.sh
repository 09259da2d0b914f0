# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Runs parts, several at once. Each leaves a line 'PASSED FAILED SKIPPED SECONDS CPU-SECONDS LABEL' in $LOGS/verdict-NUMBER.
# Sourced by tests/run.

: "${TREE:?}" "${LOGS:?}" "${PREFIX:?}"

# run_part SUITE VARIANT TARGET: the suite's own output is its stdout.
run_part() {
    local suite=$1 variant=${2#-} program
    export VARIANT=${variant%%[/@+]*} TARGET=$3 ONLY='' EXCEPT='' CONTAINER='' DEBIAN=''
    [[ $variant != *+* ]] || DEBIAN=${variant#*+}
    variant=${variant%+*}
    [[ $variant != *@* ]] || CONTAINER=${variant#*@}
    # Races are repeated on the ordinary build for Debian 12; a sanitizer sees a fault the first time that the code runs.
    case $VARIANT+$DEBIAN in asan+* | plain+13) export SCALE=${SCALE:-0.1} ;; esac
    if [[ $variant == */* ]]; then ONLY=${variant#*/} ONLY=${ONLY//,/ }; else EXCEPT=$(files_of_others "$suite" "$VARIANT"); fi
    cd "$TREE" || return
    if program=$(program_of "$suite"); then
        "$program"
    else
        bash -c '. "$TREE/tests/lib.sh"; run_pytest "$1"' run_pytest "$suite"
    fi
}

label_of() {
    local suite variant target
    read -r suite variant target <<<"$1"
    # Of several files, the first is name enough.
    [[ $variant != *,* ]] || variant=${variant%%,*}..$([[ $variant != *+* ]] || echo "+${variant#*+}")
    [ "$variant" = - ] || suite+=" $variant"
    [ "$target" = execd ] || suite+=" ($target)"
    echo "$suite"
}

# say_verdict LABEL LOG FAILED SKIPPED: the result for the reader, in one piece.
say_verdict() {
    if [ "$3" -gt 0 ]; then
        printf '\n---- %s failed; all it said:\n' "$1"
        cat "$2"
        printf '%s\n\n' "----"
        return
    fi
    if [ "$4" -gt 0 ]; then
        printf 'skipped in %s:\n' "$1"
        grep -E '^SKIPPED|[Ss]kipped' "$2" || echo "  no reason was given"
    fi
    ! grep -q '^NOTED ' "$2" || { printf 'noted in %s:\n' "$1"; grep '^NOTED ' "$2"; }
}

# cpu_seconds TIMES FILE: the output of the shell's builtin 'times' (its second line is about the children), and the
# microseconds that note_cpu() has counted in the sandboxes.
cpu_seconds() {
    { cat "$1"; cat "$2" 2>/dev/null; } | awk '
        NR == 2 {for (i = 1; i <= 2; i++) {split($i, part, "m"); sum += part[1] * 60 + part[2]}}
        NR > 2 {sum += $1 / 1000000}
        END {printf "%d", sum}'
}

# judge_part NUMBER PART
judge_part() {
    local number=$1 part=$2 label log began=$EPOCHSECONDS status=0 p=0 f=1 s=0 turn
    local suite variant target
    read -r suite variant target <<<"$part"
    label=$(label_of "$part")
    log=$LOGS/${label//[ ()\/]/-}.log
    # Short, since a suite's own word comes after it.
    [ -n "${KEEP-}" ] || PREFIX=$PREFIX-$number
    export REPORT=${label//[ ()\/]/-} EXECD_TEST_CPU=$LOGS/cpu-$number
    say "running: $label"
    # The output of making roots and of building is progress, and is shown as it comes.
    run_part "$suite" "$variant" "$target" </dev/null >"$log" 2> >(tee -a "$log.progress" >&2) || status=$?
    if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
    else
        echo "the suite '$label' ended with $status and no count" >>"$log"
    fi
    [ $status -eq 0 ] || [ "$f" -gt 0 ] || f=1
    [ -n "${KEEP-}" ] || end_sandboxes
    times >"$LOGS/times-$number"
    exec {turn}>"$LOGS/turn"
    flock "$turn"
    say_verdict "$label" "$log" "$f" "$s"
    echo "$p $f $s $((EPOCHSECONDS - began)) $(cpu_seconds "$LOGS/times-$number" "$EXECD_TEST_CPU") $label" >"$LOGS/verdict-$number.new"
    mv "$LOGS/verdict-$number.new" "$LOGS/verdict-$number"
    exec {turn}>&-
}

# The sandboxes that have this prefix.
end_sandboxes() {
    local dir
    for dir in "$STATE/$PREFIX"-*/; do
        [ ! -d "$dir" ] || "$TREE/tests/sandbox" down --name "$(basename "$dir")" || :
    done
}

# Each part is a process group of its own: with it ends all that it has started.
end_jobs() {
    local job
    for job in $(jobs -p); do
        kill -TERM -- "-$job" 2>/dev/null || :
    done
    wait
}

# run_parts AT-ONCE PART…: one that must no longer begin (may_begin NUMBER PART says so) has a line in $LOGS/left-NUMBER.
run_parts() {
    local at_once=$1 part running=0 number=0
    shift
    for part; do
        number=$((number + 1))
        # A signal ends the waiting too; then what has ended is counted anew.
        while running=$(jobs -pr | wc -l) && [ "$running" -ge "$at_once" ]; do
            wait -n || :
        done
        if ! may_begin "$number" "$part"; then
            echo "$part" >"$LOGS/left-$number"
            continue
        fi
        set -m
        judge_part "$number" "$part" &
        set +m
    done
    while [ -n "$(jobs -pr)" ]; do
        wait || :
    done
}
