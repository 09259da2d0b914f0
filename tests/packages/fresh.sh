# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The package on a Debian that has systemd and hardly more: apt-get has to bring all that is needed. Uses steps.sh.

: "${TREE:?}" "${debian:?}" "${name:?}" "${dir:?}"

with_network() {
    "$TREE/tests/sandbox" exec --name "$name" --with-network -- env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

install_with_dependencies() {
    with_network apt-get -q update
    with_network apt-get install -y "$(echo "$dir"/new/execd_*.deb)"
    inside test -x /usr/bin/systemd-nspawn || fail "systemd-container, which is recommended, was not installed"
}

# A machine to exec into, made as anybody would who has systemd-nspawn.
start_machine() {
    with_network apt-get install -y --no-install-recommends busybox-static
    inside "$TREE/tests/sandbox.d/inside/usr/lib/execd-tests/machine" make-root /srv/web
    inside systemd-run --quiet --collect --unit=web --slice=machine.slice --property=Delegate=yes \
        --property=KillMode=mixed --service-type=notify -- systemd-nspawn --quiet --keep-unit --link-journal=no \
        --private-network --machine=web --directory=/srv/web --as-pid2 /bin/sleep infinity
}

# Where SELinux is off, as here: the module goes into the policy that its package brings, and out of it. What it does
# where SELinux is on, tests/selinux sees.
check_policy_package() {
    # The policy recommends programs to develop one with, which need hundreds of packages.
    with_network apt-get install -y --no-install-recommends "$(echo "$dir"/new/execd-selinux_*.deb)"
    [ "$(inside semodule -s default -l | grep -c '^execd')" = 2 ] || fail "$(inside semodule -s default -l | grep execd)"
    check_docker_exec
    with_network apt-get purge -y execd-selinux
    ! inside semodule -s default -l | grep '^execd' || fail "the modules are still there"
}

purge_all() {
    local left
    with_network apt-get purge -y execd
    check_nothing_runs
    left=$(inside find /etc /usr /var/lib /run -xdev -iname '*execd*' ! -iname '*execd-tests*' \
        ! -path '/var/lib/dpkg/*')
    [ -z "$left" ] || fail "left: $left"
    ! inside getent passwd execd || fail "the user is left"
    ! inside getent group execd || fail "the group is left"
}

run_fresh() {
    local base
    ensure_roots "$debian" base
    base=$(root_path base "$debian")
    # The client is the one that the other variants have; what it needs besides is on every system.
    # shellcheck disable=SC2034  # used in steps.sh
    DOCKER=$base/usr/bin/docker
    step "built" unless_seen new build_new
    "$TREE/tests/sandbox" up --fresh --debian "$debian" --name "$name" --bind "$dir" --bind "$base/usr/bin" \
        --bind "$TREE" || finish 1
    step "apt-get install brings what execd needs" install_with_dependencies
    step "its sockets listen, and nothing runs" check_listening
    step "a machine starts" start_machine
    step "docker exec works, nothing else done" check_docker_exec
    step "D-Bus answers" check_version "$(tree_version)"
    step "polkit, D-Bus and the journal's catalog know execd" check_registered_without_pages
    step "the package with the SELinux policy goes in, and out again" check_policy_package
    step "purge leaves nothing" purge_all
    finish 0
}
