# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A mutant is the tree with one patch, and what is built from it. It is an overlay above the tree as it was when the run
# began and above what was built from that tree: only what the patch changes is built, and nothing has to be taken back.
# All mutants are in memory, in a mount namespace of the run's own, and go with it.
# Sourced by run, after tests/lib.sh.

MUTANTS=$CACHE/mutants

# The lower layers of the mutants: tree, and a KIND with the directory build of meson for each build.
begin_mutants() {
    mkdir -p "$MUTANTS"
    mount -t tmpfs -o mode=700 mutants "$MUTANTS"
    mkdir "$MUTANTS/tree"
    (cd "$TREE" && find . \( -path ./.git -o -path './build*' -o -name __pycache__ \) -prune -o ! -type d -print0) |
        tar -C "$TREE" --null -T - -c | tar -C "$MUTANTS/tree" --no-same-owner -x
}

# add_product KIND DEBIAN VARIANT: the result of build_product(), with stage, its installed files, and a list: lines of a
# file below $MUTANTS, a tab, and its place in the system.
add_product() {
    local base=$MUTANTS/$1 debian=$2 variant=$3 work lock
    work=$(work_dir "$debian" "$variant")
    build_product "$debian" "$variant" stage-mutation
    take_lock "build-$(tree_hash)-$debian-$variant" lock
    mkdir "$base"
    cp -a "$work/build" "$base/"
    drop_lock "$lock"
    cp -a "$work/stage-mutation" "$base/stage"
    rm -rf --one-file-system "$work/stage-mutation"
    in_root "$(root_path build "$debian")" "$base" meson introspect --installed build |
        python3 -c '
import json
import sys

for path, place in json.load(sys.stdin).items():
    print(path.replace("/out/", sys.argv[1] + "/", 1).replace("/src/", "tree/", 1), place, sep="\t")' "$1" >"$base/installed"
}

# add_units NAME…: the build of the unit tests, as far as those need it. Fails when one of them does.
add_units() {
    local status=0 lock work
    # shellcheck disable=SC2016  # the inner shell's arguments
    in_tools unit-gcc env CC=gcc sh -c '
        [ -e build/build.ninja ] || { rm -rf build; meson setup build /src -Dwerror=true >setup.log 2>&1; } ||
            { cat setup.log; exit 2; }
        meson test -C build --print-errorlogs "$@"' sh "$@" </dev/null || status=$?
    work=$(work_dir "$TOOLS_DEBIAN" unit-gcc)
    take_lock "tools-$(tree_hash)-unit-gcc" lock
    mkdir -p "$MUTANTS/unit"
    cp -a "$work/build" "$MUTANTS/unit/"
    drop_lock "$lock"
    return $status
}

# The mutant of a lane.
mutant_dir() {
    echo "$MUTANTS/lane-$LANE"
}

# lay_over NAME: in the mutant, $MUTANTS/NAME to write into.
lay_over() {
    local dir
    dir=$(mutant_dir)/$1
    mkdir -p "$dir" "$dir.upper" "$dir.work"
    mount -t overlay "mutant-$LANE-$1" -o "lowerdir=$MUTANTS/$1,upperdir=$dir.upper,workdir=$dir.work" "$dir" 2>/dev/null ||
        cp -a "$MUTANTS/$1/." "$dir/"
}

end_mutant() {
    local dir
    for dir in "$(mutant_dir)"/*/; do
        ! mountpoint -q "$dir" || umount "$dir"
    done
    rm -rf --one-file-system "$(mutant_dir)"
}

# begin_mutant PATCH: the mutant's tree.
begin_mutant() {
    end_mutant
    lay_over tree
    patch -d "$(mutant_dir)/tree" -p1 --no-backup-if-mismatch --fuzz=0 <"$1"
}

# build_mutant KIND DEBIAN: leaves the list of what is not as in $MUTANTS/KIND in the mutant's file 'changed'.
build_mutant() {
    local dir path place
    dir=$(mutant_dir)
    lay_over "$1"
    TREE=$dir/tree in_root "$(root_path build "$2")" "$dir/$1" ninja -C build </dev/null || return
    while IFS=$'\t' read -r path place; do
        [ ! "$dir/$path" -nt "$MUTANTS/$path" ] || cmp -s "$dir/$path" "$MUTANTS/$path" || printf '%s\t%s\n' "$path" "$place"
    done <"$MUTANTS/$1/installed" >"$dir/changed"
}

# stage_mutant KIND STAGE: the files that differ from $MUTANTS/KIND, below the directory STAGE.
stage_mutant() {
    local dir path place
    dir=$(mutant_dir)
    while IFS=$'\t' read -r path place; do
        mkdir -p "$2${place%/*}"
        # With the mode that it is installed with.
        cp -a "$MUTANTS/$1/stage$place" "$2$place"
        cat "$dir/$path" >"$2$place"
    done <"$dir/changed"
}

# The files of a mutant that the sandbox of the lane has.
installed=()

# install_mutant SANDBOX: there, in the place of the mutant before.
install_mutant() {
    local dir stage place what=programs
    dir=$(mutant_dir)
    stage=$dir/stage
    for place in "${installed[@]}"; do
        mkdir -p "$stage${place%/*}"
        cp -a "$MUTANTS/plain/stage$place" "$stage$place"
    done
    stage_mutant plain "$stage"
    mapfile -t installed < <(cut -f 2 "$dir/changed")
    [ -d "$stage" ] || return 0
    [ -z "$(cd "$stage" && find . ! -type d ! -path './usr/lib/execd/*' ! -path './usr/bin/*')" ] || what=all
    # shellcheck disable=SC2016  # the inner shell's arguments
    (cd "$stage" && find . ! -type d -print0 | tar -c --null --no-recursion -T -) |
        "$TREE/tests/sandbox" exec --name "$1" -- sh -ec '
            tar -x -C / --keep-directory-symlink
            # Stopped and not restarted: what systemd keeps for a restart is of the mutant before.
            systemctl stop execd.service execd-spawner.service
            [ "$1" != all ] || /usr/lib/execd-tests/refresh
            systemctl reset-failed "execd*"
            systemctl start execd.socket execd-spawner.socket execd-test-machine@web.service \
                execd-test-machine@booted.service execd-test-machine@userns.service' sh "$what"
}

# test_mutant_units NAME…: 1 when a test has failed, more when there is no telling, as pytest has it; meson has 125 for
# what does not build.
test_mutant_units() {
    local dir
    dir=$(mutant_dir)
    lay_over unit
    TREE=$dir/tree in_root "$(root_path tools "$TOOLS_DEBIAN")" "$dir/unit" \
        meson test -C build --print-errorlogs "$@" </dev/null
}
