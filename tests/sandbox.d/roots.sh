# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The Debian roots that the tests stand on, made once and kept in the cache under the hash of their recipe:
#   base     the sandbox itself: systemd, D-Bus, polkit, machined, clients
#   machine  a small Debian whose PID 1 is systemd, for machines inside the sandbox
#   build    compiler and libraries: what is installed into the sandbox is built against the sandbox's Debian
#   tools    build, and what the unit tests and the lints need; one version of each tool on every host
#   ansible  the whole of Debian's ansible with a docker command; also what its machines run on, since they need python3
# Nothing writes into a finished root: a sandbox has an overlay above it.

MIRROR=${EXECD_TEST_MIRROR:-http://deb.debian.org/debian}
SECURITY_MIRROR=${EXECD_TEST_SECURITY_MIRROR:-http://deb.debian.org/debian-security}

suite_of() {
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    *) die "no such Debian here: $1 (12 and 13 are)" ;;
    esac
}

# root_packages KIND DEBIAN
root_packages() {
    case $1 in
    base)
        echo systemd systemd-sysv dbus polkitd pkexec systemd-container libsystemd0 libselinux1 libcap2 \
            python3 python3-pytest python3-pytest-timeout python3-docker python3-yaml python3-jsonschema curl ca-certificates docker.io podman crun busybox-static procps iproute2 \
            libjson-c5 nodejs strace gdb psmisc util-linux less libasan8 libubsan1 socat \
            openssh-client openssh-server docker-compose haproxy nginx-light
        case $2 in
        13) echo docker-cli ;;
        esac
        ;;
    machine)
        echo systemd systemd-sysv dbus procps
        ;;
    build)
        echo gcc libc6-dev meson ninja-build pkg-config libsystemd-dev libjson-c-dev libselinux1-dev libcap-dev
        # systemd.pc names the unit directory; Debian 13 keeps it in a package of its own.
        case $2 in
        12) echo systemd ;;
        13) echo systemd-dev ;;
        esac
        ;;
    ansible)
        echo ansible python3-requests
        case $2 in
        12) echo docker.io ;;
        13) echo docker-cli ;;
        esac
        ;;
    tools)
        root_packages build "$2"
        echo clang clang-format clang-tidy llvm shellcheck universal-ctags git python3 pyflakes3 man-db
        [ "$2" = 12 ] && echo libclang-rt-14-dev
        [ "$2" = 13 ] && echo libclang-rt-19-dev
        ;;
    esac
    return 0
}

# What is done in the root once its packages are there; run by sh with the root as $1.
root_customise() {
    case $1 in
    base)
        cat <<'RECIPE'
set -e
# Engines are for the tests that start them; all else that is not needed would only slow the boot.
for unit in ssh.service ssh.socket haproxy.service nginx.service docker.service docker.socket containerd.service podman.service podman.socket podman-restart.service \
            podman-auto-update.service podman-auto-update.timer systemd-networkd.service systemd-resolved.service \
            systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
            e2scrub_reap.service fstrim.timer; do
    chroot "$1" systemctl disable "$unit" >/dev/null 2>&1 || :
done
for unit in systemd-networkd-wait-online.service systemd-firstboot.service systemd-logind.service console-getty.service \
            getty@.service getty.target systemd-modules-load.service systemd-pstore.service; do
    chroot "$1" systemctl mask "$unit" >/dev/null 2>&1
done
: >"$1/etc/machine-id"
echo execd-sandbox >"$1/etc/hostname"
printf '127.0.0.1 localhost execd-sandbox\n::1 localhost\n' >"$1/etc/hosts"
rm -f "$1/etc/resolv.conf"
passwd -R "$1" -d root >/dev/null
mkdir -p "$1/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=256M\n' \
    >"$1/etc/systemd/journald.conf.d/execd-tests.conf"
mkdir -p "$1/var/log/journal" "$1/var/lib/execd-tests/roots/debian" "$1/var/lib/docker" "$1/var/lib/containerd" \
    "$1/opt/node/node_modules"
chroot "$1" useradd -m -u 1000 -s /bin/bash user
chroot "$1" useradd -m -u 1001 -s /bin/bash other
RECIPE
        ;;
    machine)
        cat <<'RECIPE'
set -e
: >"$1/etc/machine-id"
rm -f "$1/etc/resolv.conf"
echo booted >"$1/etc/hostname"
passwd -R "$1" -d root >/dev/null
# The same users as in the busybox machines; Debian's gid 10 has another name.
chroot "$1" groupmod -n wheel uucp
chroot "$1" useradd -m -u 1000 -U -s /bin/bash -G wheel app
for unit in systemd-networkd.service systemd-resolved.service systemd-timesyncd.service apt-daily.timer \
            apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
    chroot "$1" systemctl disable "$unit" >/dev/null 2>&1 || :
done
for unit in systemd-firstboot.service console-getty.service getty@.service getty.target systemd-modules-load.service; do
    chroot "$1" systemctl mask "$unit" >/dev/null 2>&1
done
RECIPE
        ;;
    ansible)
        cat <<'RECIPE'
set -e
rm -f "$1/etc/resolv.conf"
chroot "$1" useradd -m -u 1000 -s /bin/bash app
RECIPE
        ;;
    build | tools)
        cat <<'RECIPE'
set -e
mkdir -p "$1/src" "$1/out"
RECIPE
        ;;
    esac
}

root_recipe() {
    printf '%s\n' "kind $1" "debian $2" "mirror $MIRROR $SECURITY_MIRROR"
    root_packages "$1" "$2" | tr -s ' \n' '\n' | sort -u
    root_customise "$1"
    # make_root is part of the recipe: the options it gives decide what is in a root.
    declare -f make_root
}

# root_path KIND DEBIAN: where that root is, whether or not it was made.
root_path() {
    local hash
    hash=$(root_recipe "$1" "$2" | sha256sum)
    echo "$CACHE/root/$1-$2-${hash:0:12}"
}

# make_root KIND DEBIAN TARGET
make_root() {
    local kind=$1 debian=$2 target=$3 suite packages hook
    suite=$(suite_of "$debian")
    packages=$(root_packages "$kind" "$debian" | tr -s ' \n' ',')
    hook=$(mktemp "$CACHE/hook-XXXXXX")
    { echo '#!/bin/sh'; root_customise "$kind"; } >"$hook"
    chmod 755 "$hook"
    mmdebstrap --variant=minbase --include="${packages%,}" --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --customize-hook="$hook \"\$1\"" "$suite" "$target" \
        "deb $MIRROR $suite main" "deb $MIRROR $suite-updates main" "deb $SECURITY_MIRROR $suite-security main"
    local status=$?
    rm -f "$hook"
    return $status
}

# Roots of the same kind with another recipe, unless a sandbox stands on them.
drop_old_roots() {
    local kind=$1 debian=$2 current=$3 old
    for old in "$CACHE/root/$kind-$debian"-*; do
        if [ "$old" != "$current" ] && ! grep -qsE "^(root|machine_root)=$old\$" "$STATE"/*/state; then
            rm -rf --one-file-system "$old"
        fi
    done
}

# ensure_root KIND DEBIAN: made if it is not there. Safe to call from several runs at once.
ensure_root() {
    local kind=$1 debian=$2 root log lock
    root=$(root_path "$kind" "$debian")
    [ -d "$root" ] && return 0
    mkdir -p "$CACHE/root" "$CACHE/log"
    take_lock "root-$kind-$debian" lock
    if [ ! -d "$root" ]; then
        log=$CACHE/log/root-$kind-$debian
        say "making the Debian $debian root '$kind' (once; log in $log)"
        rm -rf --one-file-system "$root.new"
        if ! make_root "$kind" "$debian" "$root.new" >"$log" 2>&1 </dev/null {lock}>&-; then
            tail -n 30 "$log" >&2
            rm -rf --one-file-system "$root.new"
            die "could not make the Debian $debian root '$kind'"
        fi
        mv "$root.new" "$root"
        drop_old_roots "$kind" "$debian" "$root"
        say "root '$kind' made: $(du -sh "$root" | cut -f1)"
    fi
    drop_lock "$lock"
}

# ensure_roots DEBIAN KIND…: side by side, since each mostly waits for the network or for dpkg.
ensure_roots() {
    local debian=$1 kind job jobs=() failed=0
    shift
    for kind in "$@"; do
        [ -d "$(root_path "$kind" "$debian")" ] && continue
        ensure_packages mmdebstrap:mmdebstrap
        ensure_root "$kind" "$debian" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || failed=1
    done
    [ $failed = 0 ] || exit 1
}
