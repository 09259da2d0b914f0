# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The disk that the VM boots: a Debian 13 with an SELinux policy, execd, machines with labels of their own, and the
# tests. Made in three layers, each kept in the cache under the hash of what it is made from: the packages, the
# policy with our modules linked in, the image. Sourced after tests/lib.sh.

SELINUX_TREE=${TREE:?}/tests/selinux
# The paths of the policy's file contexts are below ROOT; the machines' files have labels that no pattern gives.
MACHINES=/var/lib/machines
# Files that the tests in the VM share with others.
SHARED_TOOLS=("$TREE"/tests/confinement/{client.py,host.py,parity.py,parity-differences.txt} "$TREE/tests/shared/exchange.py"
    "$TREE/tests/sandbox.d/inside/usr/lib/execd-tests/machine")

vm_packages() {
    echo polkitd systemd-container libjson-c5 libcap2 libselinux1 python3 python3-pytest \
        python3-pytest-timeout busybox-static util-linux kmod selinux-policy-default selinux-policy-dev \
        policycoreutils semodule-utils checkpolicy setools make m4 user-mode-linux
}

# Run in the root by sh, once its packages are there: removes parts that would only slow the boot.
vm_units() {
    cat <<'RECIPE'
set -e
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
            fstrim.timer systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
            systemd-timesyncd.service systemd-pstore.service; do
    systemctl disable "$unit" >/dev/null 2>&1 || :
done
for unit in systemd-networkd-wait-online.service systemd-firstboot.service systemd-logind.service console-getty.service \
            getty@.service getty.target serial-getty@.service systemd-modules-load.service systemd-udevd.service \
            systemd-udev-trigger.service systemd-udev-settle.service systemd-udevd-control.socket \
            systemd-udevd-kernel.socket systemd-random-seed.service systemd-remount-fs.service \
            systemd-hwdb-update.service ldconfig.service systemd-update-utmp.service selinux-autorelabel-mark.service \
            systemd-journal-catalog-update.service tmp.mount dev-hugepages.mount dev-mqueue.mount; do
    systemctl mask "$unit" >/dev/null 2>&1
done
RECIPE
}

vm_customise() {
    vm_units
    cat <<'RECIPE'
# Without a daemon of the audit system, what SELinux denies is in the journal only where this socket is.
systemctl enable systemd-journald-audit.socket >/dev/null 2>&1 || :
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
echo execd-selinux >/etc/hostname
printf '127.0.0.1 localhost execd-selinux\n' >/etc/hosts
: >/etc/fstab
passwd -d root >/dev/null
useradd -m -u 1000 -s /bin/bash user
useradd -m -u 1001 -s /bin/bash other
sed -i 's/^SELINUX=.*/SELINUX=enforcing/; s/^SELINUXTYPE=.*/SELINUXTYPE=default/' /etc/selinux/config
mkdir -p /src /out /results /var/log/journal /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nAudit=yes\n' \
    >/etc/systemd/journald.conf.d/execd-tests.conf
printf 'kernel.printk_ratelimit = 0\n' >/etc/sysctl.d/execd-tests.conf
RECIPE
}

vm_root_path() {
    local hash
    hash=$({
        vm_packages
        vm_customise
        declare -f make_vm_root
        root_recipe minimal 13
    } | sha256sum)
    echo "$CACHE/root/selinux-13-${hash:0:12}"
}

# make_vm_root TARGET
make_vm_root() {
    local target=$1 packages=()
    read -r -d '' -a packages < <(vm_packages) || :
    cp -a --reflink=auto "$(root_path minimal 13)" "$target" || return
    # shellcheck disable=SC2016  # for the shell that add_to_root starts
    add_to_root "$target" '
        recipe=$2
        shift 2
        echo "path-exclude=/usr/lib/uml/*" >>"$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
        in_root apt-get -q update
        in_root apt-get -qy install --no-install-recommends "$@"
        in_root apt-get clean
        find "$root/var/lib/apt/lists" -type f -delete
        in_root sh -c "$recipe"' "$(vm_customise)" "${packages[@]}"
}

ensure_vm_root() {
    local root lock old
    root=$(vm_root_path)
    [ ! -d "$root" ] || return 0
    ensure_roots 13 minimal
    mkdir -p "$CACHE/root" "$CACHE/log"
    take_lock root-selinux-13 lock
    if [ ! -d "$root" ]; then
        say "making the Debian 13 root with SELinux (once; log in $CACHE/log/root-selinux-13)"
        rm -rf --one-file-system "$root.new"
        if ! make_vm_root "$root.new" >"$CACHE/log/root-selinux-13" 2>&1 </dev/null {lock}>&-; then
            tail -n 30 "$CACHE/log/root-selinux-13" >&2
            rm -rf --one-file-system "$root.new"
            die "could not make the Debian 13 root with SELinux"
        fi
        for old in "$CACHE"/root/selinux-13-*; do
            # As in drop_old_roots().
            [ "$old" = "$root.new" ] || [ -z "$(find "$old" -maxdepth 0 -cmin +1440)" ] || rm -rf --one-file-system "$old"
        done
        mv "$root.new" "$root"
    fi
    drop_lock "$lock"
}

# linked_policy WITH: the directory with the policy once our modules (WITH is 1) and the modules of the tests are in: the
# store, the linked policy and the file contexts. Made if it does not exist.
linked_policy() {
    local with=$1 root hash target work lock script=()
    root=$(vm_root_path)
    hash=$({
        echo "$root $with"
        cat "$SELINUX_TREE"/policy/*.cil "$SELINUX_TREE/link-policy"
        [ -z "$with" ] || cat "$TREE"/packaging/selinux/*
    } | sha256sum)
    target=$CACHE/selinux/policy-${hash:0:12}
    if [ ! -d "$target" ]; then
        mkdir -p "$CACHE/selinux"
        take_lock "selinux-policy-${hash:0:12}" lock
        if [ ! -d "$target" ]; then
            say "linking the policy${with:+ with that of execd}"
            work=$(mktemp -d "$CACHE/selinux/link-XXXXXX")
            script=(sh /src/tests/selinux/link-policy "$with")
            if ! in_root "$root" "$work" "${script[@]}" >"$CACHE/log/selinux-policy" 2>&1 </dev/null {lock}>&-; then
                grep -vE '^/usr/share/selinux/devel|Compiling|^$' "$CACHE/log/selinux-policy" | tail -n 60 >&2
                rm -rf --one-file-system "$work"
                die "the policy does not link; all of it is in $CACHE/log/selinux-policy"
            fi
            mv "$work/done" "$target"
            rm -rf --one-file-system "$work"
            find "$CACHE/selinux" -maxdepth 1 -name 'policy-*' -mmin +2880 -exec rm -rf --one-file-system {} +
        fi
        drop_lock "$lock"
    fi
    echo "$target"
}

# add_tests TREE STAGE PROBE: STAGE is what execd installs.
add_tests() {
    mkdir -p "$1$MACHINES" "$1/usr/lib/execd-tests/selinux"
    # To where /lib leads.
    tar -C "$2" -c . | tar -C "$1" -x --no-same-owner --keep-directory-symlink || return
    cp -a --no-preserve=ownership "$SELINUX_TREE/inside/." "$1/usr/lib/execd-tests/selinux/"
    cp -a --no-preserve=ownership "${SHARED_TOOLS[@]}" "$3" "$1/usr/lib/execd-tests/selinux/"
}

# make_image IMAGE STAGE POLICY PROBE: POLICY is what linked_policy() says.
make_image() {
    local image=$1 stage=$2 policy=$3 root tree
    root=$(vm_root_path)
    tree=$(mktemp -d "$CACHE/selinux/tree-XXXXXX")
    cp -a "$root/." "$tree/"
    rm -rf "$tree/etc/selinux/default" "$tree/var/lib/selinux" "$tree/usr/share/selinux/devel" "$tree/var/cache/apt" \
        "$tree/usr/bin/linux.uml"
    cp -a "$policy/default" "$tree/etc/selinux/default"
    cp -a "$policy/store" "$tree/var/lib/selinux"
    # There are no modules: the kernels have all that is needed built in.
    add_tests "$tree" "$stage" "$4" || return
    "$SELINUX_TREE/finish-tree" "$tree" "$MACHINES" || return
    truncate -s 1536M "$image.new"
    mke2fs -q -F -t ext4 -O ^has_journal -E nodiscard,lazy_itable_init=1 -L root -d "$tree" "$image.new"
    rm -rf --one-file-system "$tree"
    mv "$image.new" "$image"
}

# make_sandbox_image IMAGE STAGE ROOT PROBE
make_sandbox_image() {
    local image=$1 tree
    tree=$(mktemp -d "$CACHE/selinux/tree-XXXXXX")
    cp -a "$3/." "$tree/"
    mkdir "$tree/results"
    chroot "$tree" /bin/sh -c "$(vm_units)"
    add_tests "$tree" "$2" "$4" || return
    "$SELINUX_TREE/finish-tree" "$tree" "$MACHINES" || return
    truncate -s 2560M "$image.new"
    mke2fs -q -F -t ext4 -O ^has_journal -E nodiscard,lazy_itable_init=1 -L root -d "$tree" "$image.new"
    rm -rf --one-file-system "$tree"
    mv "$image.new" "$image"
}

# Images of this tree that a new one replaces, and images of trees that are gone: note_tree() has removed all else of
# these.
drop_old_images() {
    local image tree
    for image in "$CACHE"/selinux/image-*; do
        tree=${image#"$CACHE"/selinux/image-*-}
        tree=${tree%-*}
        case ${image##*/} in
        "image-$1-$(tree_hash)"-*) rm -f "$image" ;;
        *) [ -d "$CACHE/build/$tree" ] || rm -f "$image" ;;
        esac
    done
}

# build_probe DEBIAN WORK
build_probe() {
    # shellcheck disable=SC2016  # the inner shell's arguments
    in_root "$(root_path build "$1")" "$2" sh -c 'gcc -static -O1 -std=gnu17 -D_GNU_SOURCE -o probe /src/tests/confinement/probe/*.c'
}

# hash_image WORK STAGE WORD: of what goes into an image; WORD stands for the rest.
hash_image() {
    {
        echo "$3"
        (cd "$1/$2" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
        (cd "$SELINUX_TREE" && find inside finish-tree image.sh -type f -print0 | sort -z | xargs -0 sha256sum)
        cat "${SHARED_TOOLS[@]}" "$1/probe" | sha256sum
    } | sha256sum | cut -c-12
}

# keep_image KIND IMAGE COMMAND…: makes it where it is not. The caller has the lock.
keep_image() {
    local kind=$1 image=$2
    shift 2
    [ ! -e "$image" ] || return 0
    say "making the image of the VM"
    drop_old_images "$kind"
    "$@" >&2 {lock}>&- || die "could not make the image of the VM"
}

# ensure_image WITH: prints the image with our policy (WITH is 1) or without. It has the build of the sandboxes with Debian 13.
ensure_image() {
    local with=$1 policy work image lock
    ensure_vm_root
    ensure_roots 13 build
    ensure_packages mke2fs:e2fsprogs debugfs:e2fsprogs
    policy=$(linked_policy "$with") || exit 1
    work=$(work_dir 13 plain)
    take_lock "selinux-image-$(tree_hash)" lock
    say "building execd for Debian 13"
    build_product 13 plain stage-selinux
    build_probe 13 "$work" || exit 1
    image=$CACHE/selinux/image-${with:-0}-$(tree_hash)-$(hash_image "$work" stage-selinux "$policy")
    keep_image "${with:-0}" "$image" make_image "$image" "$work/stage-selinux" "$policy" "$work/probe"
    drop_lock "$lock"
    echo "$image"
}

# ensure_sandbox_image DEBIAN: prints the image of the root that the sandbox has, with its engines and without SELinux.
ensure_sandbox_image() {
    local debian=$1 root work image lock
    ensure_roots "$debian" base build
    ensure_packages mke2fs:e2fsprogs debugfs:e2fsprogs
    root=$(root_path base "$debian")
    work=$(work_dir "$debian" plain)
    take_lock "selinux-image-$(tree_hash)" lock
    say "building execd for Debian $debian"
    build_product "$debian" plain stage-selinux
    build_probe "$debian" "$work" || exit 1
    image=$CACHE/selinux/image-$debian-$(tree_hash)-$(hash_image "$work" stage-selinux "$root")
    keep_image "$debian" "$image" make_sandbox_image "$image" "$work/stage-selinux" "$root" "$work/probe"
    drop_lock "$lock"
    echo "$image"
}
