# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Shared by tests/sandbox, tests/run and packaging/quickstart: directories, and the report of progress.
# Sourced; the caller has set TREE to the top of the source tree.

CACHE=${EXECD_TEST_CACHE:-/var/cache/execd-tests}
# shellcheck disable=SC2034  # used by the scripts that source this file
STATE=${EXECD_TEST_STATE:-/run/execd-tests}
BEGAN=${EXECD_TEST_BEGAN:-$EPOCHSECONDS}
# Scripts that call each other count time from the first one's start.
export EXECD_TEST_BEGAN=$BEGAN

# One line per step, with the time since the start. To stderr: stdout belongs to results.
say() {
    printf '[%4d s] %s\n' $((EPOCHSECONDS - BEGAN)) "$*" >&2
}

# with_progress LOG COMMAND…: runs the command with its output in LOG, and says every ten seconds how far it is.
with_progress() {
    local log=$1 monitor status=0
    shift
    : >"$log"
    # The wait is a builtin: a child would keep the caller's files open after the monitor has been killed.
    while read -rt 10 _ || :; do
        say "... $(tail -c 2000 "$log" | tr -d '\r' | grep -v '^ *$' | tail -n 1 | cut -c 1-90)"
    done <> <(:) &
    monitor=$!
    "$@" >"$log" 2>&1 </dev/null || status=$?
    kill "$monitor"
    wait "$monitor" 2>/dev/null || :
    return $status
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need_argument OPTION COUNT WHAT: the option is the first of COUNT words.
need_argument() {
    [ "$2" -ge 2 ] || die "$1: $3 is expected"
}

need_root() {
    [ "$(id -u)" = 0 ] || die "must be run as root"
}

# missing_of COMMAND:PACKAGE…: a line for each package whose command is missing.
missing_of() {
    local pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done
}

# ensure_packages COMMAND:PACKAGE… installs the Debian packages whose command is missing; suites that run at once want the
# same ones, and apt-get has no patience with another apt-get.
ensure_packages() {
    [ -n "$(missing_of "$@")" ] || return 0
    command -v apt-get >/dev/null || die "needed and not installed: $(missing_of "$@" | paste -sd ' ')"
    local lock missing
    take_lock apt lock
    hash -r
    mapfile -t missing < <(missing_of "$@")
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    drop_lock "$lock"
}

install_packages() {
    say "installing on this host: $*"
    mkdir -p "$CACHE/log"
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y \
               --no-install-recommends "$@"; } >"$CACHE/log/apt" 2>&1 </dev/null; then
        tail -n 30 "$CACHE/log/apt" >&2
        die "apt-get could not install $*"
    fi
}

# take_lock NAME FDVAR: an exclusive lock, held until the fd in FDVAR is closed. A file that its last holder
# removed meanwhile does not count: whoever comes next would make another one.
take_lock() {
    local file=$CACHE/lock/$1 fd
    mkdir -p "$CACHE/lock"
    while :; do
        exec {fd}>"$file"
        if ! flock -n "$fd"; then
            say "waiting for another run that holds $file"
            flock "$fd"
        fi
        [ "$file" -ef "/proc/self/fd/$fd" ] && break
        exec {fd}>&-
    done
    printf -v "$2" %s "$fd"
}

drop_lock() {
    local fd=$1
    exec {fd}>&-
}
