# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The Debian roots that the tests stand on, made once and kept in the cache under the hash of their recipe:
#   minimal  a small Debian whose PID 1 is systemd; each other root is a copy of one that is made already, and more
#   machine  minimal, for machines inside the sandbox
#   base     the sandbox itself: systemd, D-Bus, polkit, machined, clients
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

# root_parent KIND: the root that this one starts as a copy of.
root_parent() {
    case $1 in
    minimal) ;;
    tools) echo build ;;
    *) echo minimal ;;
    esac
}

# root_packages KIND DEBIAN: what the root has and its parent has not.
root_packages() {
    case $1 in
    minimal)
        echo systemd systemd-sysv dbus procps
        ;;
    base)
        echo polkitd pkexec systemd-container libsystemd0 libselinux1 libcap2 \
            python3 python3-pytest python3-pytest-timeout python3-docker python3-yaml python3-jsonschema curl ca-certificates docker.io podman crun busybox-static procps iproute2 \
            libjson-c5 nodejs strace gdb psmisc util-linux less libasan8 libubsan1 socat \
            openssh-client openssh-server docker-compose haproxy nginx-light zsh fish
        case $2 in
        13) echo docker-cli ;;
        esac
        ;;
    build)
        echo gcc libc6-dev meson ninja-build pkg-config libsystemd-dev libjson-c-dev libselinux1-dev libcap-dev
        # systemd.pc names the unit directory; Debian 13 keeps it in a package of its own.
        case $2 in
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
        echo clang clang-format clang-tidy llvm shellcheck universal-ctags git python3 pyflakes3 man-db
        [ "$2" = 12 ] && echo libclang-rt-14-dev
        [ "$2" = 13 ] && echo libclang-rt-19-dev
        ;;
    esac
    return 0
}

# A script for the root once its packages are there; run by sh with the root as $1.
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
chroot "$1" useradd -m -u 1000 -s /bin/bash app
RECIPE
        ;;
    build)
        cat <<'RECIPE'
set -e
mkdir -p "$1/src" "$1/out"
RECIPE
        ;;
    esac
}

root_recipe() {
    local parent
    parent=$(root_parent "$1")
    [ -z "$parent" ] || root_recipe "$parent" "$2"
    printf '%s\n' "kind $1" "debian $2" "mirror $MIRROR $SECURITY_MIRROR"
    root_packages "$1" "$2" | tr -s ' \n' '\n' | sort -u
    root_customise "$1"
    # The functions that make a root are part of the recipe: their options decide on its content.
    declare -f make_root make_minimal_root add_to_root
}

# root_path KIND DEBIAN: where that root is, whether or not it was made.
root_path() {
    local hash
    hash=$(root_recipe "$1" "$2" | sha256sum)
    echo "$CACHE/root/$1-$2-${hash:0:12}"
}

# make_minimal_root SUITE TARGET PACKAGE…: dpkg is set up to leave the documentation out only once the essential packages
# are unpacked, since mmdebstrap would pass each of them through a filter of its own, which takes longer than all else.
# The lists of packages stay, for the roots made from this one.
make_minimal_root() {
    local suite=$1 target=$2 packages
    shift 2
    packages=$(IFS=, && echo "$*")
    # shellcheck disable=SC2016  # for the hook's shell
    mmdebstrap --variant=minbase --include="$packages" --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io --skip=cleanup/apt/lists \
        --extract-hook='for name in doc locale man; do
            rm -rf "$1/usr/share/$name"/*
            echo "path-exclude=/usr/share/$name/*" >>"$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
        done' "$suite" "$target" \
        "deb $MIRROR $suite main" "deb $MIRROR $suite-updates main" "deb $SECURITY_MIRROR $suite-security main"
}

# add_to_root ROOT COMMAND…: in the root, with the network, and with nothing started by the packages it installs. $root is
# the root and in_root a function.
add_to_root() {
    # shellcheck disable=SC2016  # the inner shell's arguments
    unshare --mount --propagation private --pid --fork --kill-child bash -ec '
        root=$1
        shift
        mount --bind "$root" "$root"
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        cp /etc/resolv.conf /etc/hosts "$root/etc/"
        printf "#!/bin/sh\nexit 101\n" >"$root/usr/sbin/policy-rc.d"
        chmod 755 "$root/usr/sbin/policy-rc.d"
        in_root() {
            env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
                chroot "$root" "$@"
        }
        eval "$1"
        rm -f "$root/etc/resolv.conf" "$root/usr/sbin/policy-rc.d"
    ' add_to_root "$@"
}

# make_root KIND DEBIAN TARGET
make_root() {
    local kind=$1 debian=$2 target=$3 parent packages=()
    parent=$(root_parent "$kind")
    read -r -d '' -a packages < <(root_packages "$kind" "$debian") || :
    if [ -z "$parent" ]; then
        make_minimal_root "$(suite_of "$debian")" "$target" "${packages[@]}"
        return
    fi
    cp -a --reflink=auto "$(root_path "$parent" "$debian")" "$target" || return
    # shellcheck disable=SC2016  # the inner shell's arguments
    add_to_root "$target" '
        recipe=$2
        shift 2
        if [ $# -gt 0 ]; then
            in_root apt-get -q update
            in_root apt-get -qy install --no-install-recommends "$@"
            in_root apt-get clean
        fi
        find "$root/var/lib/apt/lists" -type f -delete
        sh -c "$recipe" customise "$root"' "$(root_customise "$kind")" "${packages[@]}"
}

# Roots of the same kind with another recipe, unless a sandbox stands on them. Those of the last day stay: another tree of this
# host may have that recipe, and the two would take turns in making theirs.
drop_old_roots() {
    local kind=$1 debian=$2 current=$3 old
    for old in "$CACHE/root/$kind-$debian"-*; do
        [ -n "$(find "$old" -maxdepth 0 -cmin +1440)" ] || continue
        if [ "$old" != "$current" ] && ! grep -qsE "^(root|machine_root)=$old\$" "$STATE"/*/state; then
            rm -rf --one-file-system "$old"
        fi
    done
}

# ensure_root KIND DEBIAN: made if it is not there. Safe to call from several runs at once.
ensure_root() {
    local kind=$1 debian=$2 root log lock parent
    root=$(root_path "$kind" "$debian")
    [ -d "$root" ] && return 0
    parent=$(root_parent "$kind")
    [ -z "$parent" ] || ensure_root "$parent" "$debian"
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

# ensure_roots DEBIAN KIND…: side by side, once the root that they all start from is there.
ensure_roots() {
    local debian=$1 kind job jobs=() failed=0
    shift
    for kind in "$@"; do
        [ -d "$(root_path "$kind" "$debian")" ] && continue
        ensure_packages mmdebstrap:mmdebstrap
        ensure_root minimal "$debian"
        ensure_root "$kind" "$debian" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || failed=1
    done
    [ $failed = 0 ] || exit 1
}
