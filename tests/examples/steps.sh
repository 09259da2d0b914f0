# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The steps of tests/examples/run, which sets: TREE, debian, name (of the sandbox), dir (what is built), ansible_root.
# Uses tests/packages/steps.sh.

: "${TREE:?}" "${debian:?}" "${name:?}" "${dir:?}" "${ansible_root:?}"
examples=$TREE/packaging/examples

build_program() {
    # shellcheck disable=SC2016  # the inner shell's
    in_root "$(root_path build "$debian")" "$dir" sh -c 'rm -f run-in-container
        gcc -Wall -Wextra -Werror -o run-in-container /src/packaging/examples/run-in-container.c \
            $(pkg-config --cflags --libs libsystemd)'
}

# said STATUS TEXT COMMAND…: the command, run inside, ends with this status and says this on stdout or stderr.
said() {
    local status=$1 text=$2 output got=0
    shift 2
    output=$(inside "$@" 2>&1) || got=$?
    [ "$got" = "$status" ] || fail "status $got, not $status: $output"
    grep -qF -- "$text" <<<"$output" || fail "'$text' is not in: $output"
}

# check_program PROGRAM [STATUS]: STATUS is what it ends with when the command does not exist.
check_program() {
    said 0 web "$1"
    # shellcheck disable=SC2016  # for the shell in there
    said 3 'two words' "$1" web sh -c 'echo "$1"; exit 3' sh 'two words'
    said 0 uid=0 "$1" web id
    said "$2" 'executable file not found' "$1" web nosuch
    said 1 'No such container: nosuch' "$1" nosuch id
}

check_c_program() {
    check_program "$dir/run-in-container" 127
    said 2 usage: "$dir/run-in-container" web
    # Earlier content of the file stays.
    # shellcheck disable=SC2016  # for the shell in there
    inside sh -c '{ echo first; "$1" web echo second; } >/tmp/both && [ "$(cat /tmp/both)" = "first
second" ]' sh "$dir/run-in-container"
}

check_curl() {
    said 4 'a "b" \c' "$examples/run-in-container.curl" web "echo 'a \"b\" \\c'; exit 4"
    said 1 'No such container: nosuch' "$examples/run-in-container.curl" nosuch id
}

install_postgresql() {
    with_network apt-get -q update
    with_network apt-get install -qy --no-install-recommends postgresql
}

# What README.md shows of it.
check_postgresql() {
    local script
    rm -rf "$dir/readme"
    "$TREE/tests/packages/man-pages" examples "$dir/readme" postgresql
    for script in "$dir"/readme/*.sh; do
        run_example "$script"
    done
}

# Ansible has a root of its own here, while execd serves programs only whose root is the host's. A program of the host
# carries its requests.
carry_socket() {
    inside systemd-run --quiet --collect --unit=execd-tests-carry --property=RuntimeDirectory=execd-tests-carry \
        socat -t 600 UNIX-LISTEN:/run/execd-tests-carry/execd.sock,fork UNIX-CONNECT:/run/execd/execd.sock
    inside timeout 60 sh -c 'until [ -S /run/execd-tests-carry/execd.sock ]; do sleep 0.1; done'
}

# As on a host where it is installed.
ansible() {
    inside systemd-run --quiet --pipe --wait --property=RootDirectory="$ansible_root" --property=MountAPIVFS=yes \
        --property=BindReadOnlyPaths=/run/execd-tests-carry:/run/execd --property=BindReadOnlyPaths="$TREE:/mnt" \
        --property=TemporaryFileSystem=/tmp --property=WorkingDirectory=/mnt/packaging/examples/ansible \
        --setenv=HOME=/tmp --setenv=LANG=C.UTF-8 --setenv=DOCKER_HOST=unix:///run/execd/execd.sock -- "$@"
}

# Two machines with python3, each above the same root.
start_machines() {
    local machine
    for machine in one two; do
        inside /usr/lib/execd-tests/machine start "$machine" -- "--directory=$ansible_root" --volatile=overlay
    done
}

# play CHANGED: on each of the two hosts nothing fails, and so many tasks change something.
play() {
    local output host
    output=$(ansible ansible-playbook --inventory inventory.yml site.yml 2>&1) || fail "$output"
    echo "$output"
    for host in one two; do
        grep -Eq "^$host +: ok=5 +changed=$1 +unreachable=0 +failed=0 " <<<"$output" || return 1
    done
}

check_files() {
    local machine
    for machine in one two; do
        said 0 'Copied by Ansible' docker exec "$machine" cat /srv/site/index.html
        said 0 "This is $machine, with Debian and the user root" docker exec "$machine" cat /srv/site/about.html
        said 0 'about.html: OK' docker exec --workdir /srv/site "$machine" sha256sum --check SUMS
    done
}

# ad_hoc TEXT WORDS…: a module on both hosts; TEXT is said twice.
ad_hoc() {
    local text=$1 output
    shift
    output=$(ansible ansible --inventory inventory.yml containers "$@" 2>&1) || fail "$output"
    [ "$(grep -cF -- "$text" <<<"$output")" = 2 ] || fail "'$text' is not there twice: $output"
}

# Files are copied unchanged, of any size, empty ones too.
check_large_file() {
    ansible sh -euc 'head -c 3000000 /dev/urandom >/tmp/large && : >/tmp/empty && mkdir /tmp/back
        ansible-playbook --inventory inventory.yml /mnt/tests/examples/files.yml
        cmp /tmp/large /tmp/back/large
        cmp /tmp/empty /tmp/back/empty'
}
