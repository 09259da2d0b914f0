# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Which parts of tests/parts a run has, and in which order. Sourced by tests/run, which has read its options.
# A part is 'SUITE VARIANT TARGET'.

: "${TREE:?}"
declare -A part_level=() part_seconds=() part_changes=()
part_names=()

has_pytest() {
    compgen -G "$TREE/tests/$1/test_*.py" >/dev/null
}

# The suite's own program, if it has one.
program_of() {
    [ -x "$TREE/tests/$1/run" ] && echo "$TREE/tests/$1/run"
}

# Suites that know -k.
can_select() {
    has_pytest "$1" || [ "$1" = unit ] || [ "$1" = mutation ] || [ "$1" = selinux ]
}

read_parts() {
    local suite variant target level seconds changes part
    while read -r suite variant target level seconds changes; do
        [[ $suite =~ ^[^#] ]] || continue
        part="$suite $variant $target"
        program_of "$suite" >/dev/null || has_pytest "$suite" || die "tests/parts names the suite '$suite', which is not there"
        [[ $level =~ ^(quick|default|all)$ && $seconds =~ ^[0-9]+$ ]] || die "tests/parts: not a level and seconds: $part"
        part_names+=("$part")
        part_level[$part]=$level part_seconds[$part]=$seconds part_changes[$part]=$changes
    done <"$TREE/tests/parts"
}

# A suite that no line names would never run.
check_suites() {
    local file suite all
    all=$(printf '%s\n' "${part_names[@]}")
    for file in "$TREE"/tests/*/run "$TREE"/tests/*/test_*.py; do
        suite=${file#"$TREE/tests/"}
        suite=${suite%%/*}
        [[ $'\n'$all == *$'\n'"$suite "* ]] || die "tests/parts has no line for the suite '$suite'"
    done
}

# has_level PART LEVEL: whether a run of that level has the part.
has_level() {
    case ${part_level[$1]} in
    quick) return 0 ;;
    default) [ "$2" != quick ] ;;
    all) [ "$2" = all ] ;;
    esac
}

# files_of_others SUITE VARIANT: the files that other parts have, 'VARIANT/FILE,FILE…'.
files_of_others() {
    local part files found=()
    for part in "${part_names[@]}"; do
        [[ $part == "$1 $2/"* ]] || continue
        part=${part#*/}
        IFS=, read -ra files <<<"${part%%[ +]*}"
        found+=("${files[@]}")
    done
    [ ${#found[@]} -eq 0 ] || printf '%s\n' "${found[@]}" | sort -u | paste -sd ' '
}

# fits PART TARGET ASAN: whether the options --target and --asan leave it in.
fits() {
    local suite variant target
    read -r suite variant target <<<"$1"
    [ -z "$2" ] || [ "$target" = "$2" ] || return 1
    case $3/${variant%%[/@+]*} in
    no/asan | no/sanitized | only/plain | only/gcc | only/clang) return 1 ;;
    esac
}

# parts_of SUITE LEVEL TARGET ASAN NAMED: the parts of the level; if a named suite has none of it, all parts.
parts_of() {
    local part found=()
    for part in "${part_names[@]}"; do
        [ "${part%% *}" != "$1" ] || ! has_level "$part" "$2" || ! fits "$part" "$3" "$4" || found+=("$part")
    done
    if [ ${#found[@]} -eq 0 ] && [ -n "$5" ]; then
        for part in "${part_names[@]}"; do
            [ "${part%% *}" != "$1" ] || ! fits "$part" "$3" "$4" || found+=("$part")
        done
    fi
    [ ${#found[@]} -eq 0 ] || printf '%s\n' "${found[@]}"
}

# The longest first, because a long one that begins late runs alone in the end.
by_length() {
    local part
    while IFS= read -r part; do
        [ -z "$part" ] || echo "${part_seconds[$part]} $part"
    done | sort -s -k1,1nr | cut -d' ' -f2-
}

# The files changed since EXECD_TEST_SINCE, or since main if this is a branch of it, or in the last commit.
changed_files() {
    local since=${EXECD_TEST_SINCE-} base git=(git -c "safe.directory=$TREE" -C "$TREE")
    base=$("${git[@]}" merge-base HEAD origin/main 2>/dev/null) || base=''
    [ -n "$since" ] || [ "$base" = "$("${git[@]}" rev-parse HEAD 2>/dev/null)" ] || since=$base
    "${git[@]}" diff --name-only "${since:-HEAD~1}" 2>/dev/null || :
}

# is_touched PART FILE…
is_touched() {
    local prefixes=${part_changes[$1]} prefix file
    shift
    for prefix in $prefixes; do
        for file; do
            [[ $file != "$prefix"* ]] || return 0
        done
    done
    return 1
}

# turned DAY: the lines, beginning with another one each day.
turned() {
    local lines day=$1
    mapfile -t lines
    [ ${#lines[@]} -gt 0 ] || return 0
    day=$((day % ${#lines[@]}))
    printf '%s\n' "${lines[@]:day}" "${lines[@]:0:day}" | sed '/^$/d'
}

# The parts of 'all' alone: those that a change touches, then the others, beginning where the day says.
rest_in_order() {
    local part touched=() others=() files
    mapfile -t files < <(changed_files)
    for part in "${part_names[@]}"; do
        [ "${part_level[$part]}" = all ] || continue
        if is_touched "$part" "${files[@]}"; then touched+=("$part"); else others+=("$part"); fi
    done
    [ ${#touched[@]} -eq 0 ] || printf '%s\n' "${touched[@]}"
    local day=$((EPOCHSECONDS / 86400))
    [ ${#others[@]} -eq 0 ] || printf '%s\n' "${others[@]}" | turned $((day * 5))
}
