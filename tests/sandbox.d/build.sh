# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Builds the tree in one of the cached roots. The tree is read-only there and the build directory is kept in the
# cache, one per tree, Debian and variant, so a build after a small change takes a second.

tree_hash() {
    local hash
    hash=$(readlink -f "$TREE" | sha256sum)
    echo "${hash:0:12}"
}

# work_dir DEBIAN VARIANT: holds build/ (meson's).
work_dir() {
    echo "$CACHE/build/$(tree_hash)/$1-$2"
}

# Remembers the owners of the build directories, and drops directories of trees that are gone. Other runs do so at the same
# time: a note is complete from the beginning.
note_tree() {
    local note mine gone
    mine=$CACHE/build/$(tree_hash)
    if [ ! -e "$mine/tree" ]; then
        mkdir -p "$mine"
        note=$(mktemp "$mine/.tree-XXXXXX")
        readlink -f "$TREE" >"$note"
        mv "$note" "$mine/tree"
    fi
    for note in "$CACHE"/build/*/tree; do
        gone=$(cat "$note" 2>/dev/null) || continue
        [ -d "$gone" ] || rm -rf --one-file-system "${note%/tree}"
    done
}

# in_root ROOT WORKDIR CMD…: CMD with the tree at /src (read-only), WORKDIR at /out, a /tmp of its own.
# Nothing else of ROOT can be written, and the mounts go with the command.
in_root() {
    local root=$1 work=$2
    shift 2
    mkdir -p "$work"
    # shellcheck disable=SC2016  # the inner shell's arguments
    unshare --mount --propagation private --pid --fork --kill-child bash -c '
        set -e
        root=$1 tree=$2 work=$3
        shift 3
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        mount -t tmpfs tmpfs "$root/run"
        mount --bind "$tree" "$root/src"
        mount -o remount,bind,ro "$root/src"
        mount --bind "$work" "$root/out"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 TERM="${TERM:-dumb}" \
            chroot "$root" /bin/sh -c "cd /out && exec \"\$@\"" sh "$@"
    ' in_root "$root" "$(readlink -f "$TREE")" "$work" "$@"
}

# build_product DEBIAN plain|asan|coverage STAGE: builds, and installs below the work directory's STAGE.
build_product() {
    local debian=$1 variant=$2 stage=$3 work root lock log options=()
    work=$(work_dir "$debian" "$variant")
    root=$(root_path build "$debian")
    log=$work/log
    mkdir -p "$work"
    take_lock "build-$(tree_hash)-$debian-$variant" lock
    case $variant in
    asan) options+=("-Db_sanitize=address,undefined" -Doptimization=1) ;;
    # A child of the spawner must not write the counters of its parent to a file before it executes a program.
    coverage) options+=(-Db_coverage=true -Doptimization=0 "-Dc_args=-fprofile-update=atomic -fno-builtin-execve") ;;
    esac
    # Another root is another compiler and other libraries: nothing of the old build holds.
    [ "$(cat "$work/root" 2>/dev/null)" = "$root" ] || rm -rf --one-file-system "$work/build"
    echo "$root" >"$work/root"
    note_tree
    # shellcheck disable=SC2016  # the inner shell's arguments
    if ! with_progress "$log" in_root "$root" "$work" sh -e -c '
            stage=$1
            shift
            [ -e build/build.ninja ] || { rm -rf build; meson setup build /src --prefix=/usr -Dtests=false "$@"; }
            ninja -C build
            rm -rf "$stage"
            meson install -C build --no-rebuild --quiet --destdir "/out/$stage"' sh "$stage" "${options[@]}" {lock}>&-; then
        grep -E -A5 'error:|ERROR|FAILED' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
        die "the build failed; all of it is in $log"
    fi
    drop_lock "$lock"
}

# build_counted DEBIAN STAGE: execd and execd-spawner that count the lines they run, and the other programs as they are: those
# run where no count can be written, or have their stderr looked at.
build_counted() {
    local program
    build_product "$1" plain "$2"
    build_product "$1" coverage "$2"
    for program in lib/execd/execd-runner bin/execctl; do
        cp "$(work_dir "$1" plain)/$2/usr/$program" "$(work_dir "$1" coverage)/$2/usr/$program"
    done
    rm -r "$(work_dir "$1" plain)/${2:?}"
}
