# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The steps of tests/packages/run, which sets: TREE, debian, name (of the sandbox), dir (logs and packages).

: "${TREE:?}" "${debian:?}" "${name:?}" "${dir:?}"
# shellcheck disable=SC2034  # used by the suite
OLD_VERSION=0.0.1
SOCKET=/run/execd/execd.sock
passed=0 failed=0 skipped=0

# step TEXT FUNCTION [ARGUMENT…]: what it said is shown when it fails.
step() {
    local text=$1 said status
    shift
    # Not as an if's condition, where -e would be of no effect.
    said=$(set -e; "$@" 2>&1 </dev/null)
    status=$?
    if [ $status -eq 0 ]; then
        echo "ok      $text"
        passed=$((passed + 1))
    else
        printf 'FAILED  %s\n%s\n' "$text" "$said"
        failed=$((failed + 1))
    fi
}

# step_or_skip TEXT CONDITION FUNCTION [ARGUMENT…]: the condition says why not.
step_or_skip() {
    local text=$1 condition=$2 why
    shift 2
    if why=$("$condition" 2>&1 </dev/null); then
        step "$text" "$@"
    else
        echo "skipped $text: $why"
        skipped=$((skipped + 1))
    fi
}

finish() {
    [ "$1" = 0 ] || { echo "FAILED  the sandbox is not there"; failed=$((failed + 1)); }
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ]
    exit
}

inside() {
    "$TREE/tests/sandbox" exec --name "$name" -- "$@" </dev/null
}

fail() {
    echo "$*"
    exit 1
}

tree_version() {
    sed -n "s/^ *version : '\([^']*\)',\$/\1/p" "$TREE/meson.build" | head -n 1
}

# Building.

# A digest of all that goes into the packages: the root, the date of the tree and its files.
tree_state() {
    "$TREE/packaging/build-deb" --debian "$debian" --print-root || return
    {
        git -c "safe.directory=$TREE" -C "$TREE" log -1 --format=%ct 2>/dev/null || stat -c %Y "$TREE/meson.build"
        tar -C "$TREE" --exclude=./.git --exclude='./build*' --exclude=__pycache__ --sort=name --owner=0 --group=0 \
            --numeric-owner --mode=u+rw,go+r-w --mtime=@0 -c .
    } | sha256sum
}

# unless_seen NAME COMMAND…: the command, which may leave files in $dir/NAME; what it has done for a tree it does not do again
# for the same tree. Not as an if's condition, like the functions that it calls.
unless_seen() {
    local name=$1 kept state lock
    shift
    state=$(tree_state)
    kept=$(work_dir "$debian" "package-$name")
    take_lock "packages-$(tree_hash)-$debian-$name" lock
    if [ "$(cat "$kept/state" 2>/dev/null)" = "$state" ]; then
        cp -a "$kept/files" "$dir/$name"
        return
    fi
    "$@" {lock}>&-
    rm -rf "$kept"
    mkdir -p "$dir/$name" "$kept"
    cp -a "$dir/$name" "$kept/files"
    echo "$state" >"$kept/state"
    drop_lock "$lock"
}

build_new() {
    local suffix
    suffix="_$(tree_version)-1~deb${debian}u1"
    "$TREE/packaging/build-deb" --debian "$debian" --out "$dir/new" --source
    ls "$dir/new/execd$suffix.dsc" "$dir/new/execd$suffix.debian.tar.xz" "$dir/new/execd_$(tree_version).orig.tar.xz" \
        "$dir/new/execd$suffix"_*.deb "$dir/new/execd-dbgsym$suffix"_*.deb "$dir/new/execd-selinux${suffix}_all.deb"
}

# The source package and the packages that were built from it, from another copy of the same tree.
check_reproducible() {
    local file
    "$TREE/packaging/build-deb" --debian "$debian" --out "$dir/again" --source --no-cache
    for file in "$dir"/new/*; do
        cmp "$file" "$dir/again/${file##*/}" || return 1
    done
}

has_repository() {
    git -c "safe.directory=$TREE" -C "$TREE" rev-parse HEAD
}

# The tarball has the files of the repository.
make_tarball() {
    local work name
    work=$(work_dir "$debian" package-dist)
    name=execd-$(tree_version)
    rm -rf --one-file-system "$work"
    mkdir -p "$work"
    git -c "safe.directory=$TREE" -c "safe.directory=$TREE/.git" clone --quiet --no-hardlinks --depth 1 "file://$TREE" "$work/tree"
    in_dist_root "$work" sh -ec 'git config --global safe.directory "*"
        meson setup build tree -Dtests=false
        meson dist -C build --no-tests'
    (cd "$work/build/meson-dist" && sha256sum --check "$name.tar.xz.sha256sum")
    git -C "$work/tree" ls-files | sort >"$work/files"
    tar -tf "$work/build/meson-dist/$name.tar.xz" | sed -n "s,^$name/\(.*[^/]\)\$,\1,p" | sort | cmp - "$work/files"
}

# lintian's verdict does not depend on the version: one build serves for both.
build_old() {
    DEBFULLNAME=Packager DEBEMAIL=packager@debian.org "$TREE/packaging/build-deb" --debian "$debian" --out "$dir/old" \
        --version "$OLD_VERSION" --lintian
    [ "$(dpkg-deb --field "$dir/old"/execd_*.deb Maintainer)" = "Packager <packager@debian.org>" ]
}

in_package_root() {
    in_dist_root "$(work_dir "$debian" package-checks)" "$@"
}

# in_dist_root WORKDIR COMMAND…
in_dist_root() {
    local root work=$1
    shift
    root=$("$TREE/packaging/build-deb" --debian "$debian" --print-root)
    in_root "$root" "$work" "$@"
}

render_man_pages() {
    # shellcheck disable=SC2016  # the inner shell's arguments
    in_package_root bash -c '
        shopt -s nullglob
        status=0
        for page in /src/packaging/man/*.[1-8]; do
            for width in 80 132; do
                warnings=$(MANWIDTH=$width man --warnings -Tutf8 -l "$page" 2>&1 >rendered) || status=1
                [ -z "$warnings" ] || { echo "$page: $warnings"; status=1; }
                [ -s rendered ] || { echo "$page: nothing was rendered"; status=1; }
            done
            # The lines of the source are longer than the style of mandoc allows.
            mandoc -T lint -W style "$page" | grep -v "STYLE: input text line longer than" && status=1
        done
        exit $status'
}

# As autopkgtest runs it, with a directory of its own.
run_autopkgtest() {
    # shellcheck disable=SC2016  # for the shell in there
    inside sh -c 'mkdir -p /var/tmp/autopkgtest && AUTOPKGTEST_TMP=/var/tmp/autopkgtest "$1/packaging/debian/tests/exec"' sh "$TREE"
    inside rm -rf /var/tmp/autopkgtest
}

build_rpm() {
    in_package_root /src/tests/packages/build-rpm
}

# Where no systemd runs, as when an image is built: the package goes in and out, with its user.
install_in_chroot() {
    local root
    root=$(root_path base "$debian")
    # shellcheck disable=SC2016  # the inner shell's arguments
    unshare --mount --propagation private --pid --fork --kill-child bash -euc '
        root=$1 package=$2
        mount -t tmpfs tmpfs /mnt
        mkdir /mnt/upper /mnt/work /mnt/root
        mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
        mount -t proc proc /mnt/root/proc
        mount --rbind /dev /mnt/root/dev
        cp "$package" /mnt/root/tmp/execd.deb
        in_root() {
            env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot /mnt/root "$@"
        }
        in_root dpkg -i /tmp/execd.deb
        in_root getent passwd execd
        in_root test -L /etc/systemd/system/sockets.target.wants/execd.socket
        in_root dpkg -P execd
        ! in_root getent passwd execd
        ! in_root getent group execd
        ! in_root test -e /etc/systemd/system/sockets.target.wants/execd.socket
        ' chroot "$root" "$(echo "$dir"/new/execd_*.deb)"
}

# The system: a Debian on which only execd is missing, and whose dpkg unpacks packages whole.
prepare_system() {
    inside rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap || return 1
    # dpkg would write these on its first run.
    inside sh -c 'apt-get --version >/dev/null; systemd-sysusers --version >/dev/null; journalctl --update-catalog
        mkdir -p /etc/polkit-1/rules.d'
    inventory >"$dir/before"
    inside test ! -e /run/execd -a ! -e /usr/lib/execd || return 1
}

# Every file, user and group that a package may not leave.
inventory() {
    # shellcheck disable=SC2016  # for the shell in there
    inside sh -c '
        find /etc /usr /opt /srv /var /run /boot /root /home -xdev \
            \( -path /run/systemd -o -path /run/udev -o -path /run/log -o -path /run/dbus -o -path /run/user \
               -o -path /var/log -o -path /var/cache -o -path /var/tmp -o -path /var/lib/apt \
               -o -path /var/lib/machines \
               -o -path /var/lib/dpkg -o -path /var/lib/execd-tests -o -path /var/lib/systemd/catalog \) -prune -o \
            ! -name "*-" -print | sort
        for file in passwd group shadow gshadow subuid subgid; do
            sed "s,^,/etc/$file: ," /etc/$file
        done
        dpkg-query -W -f "\${Package} \${Status}\n" | grep -v " not-installed$"
        ls /var/lib/dpkg/info'
}

install_package() {
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -y --reinstall "$(echo "$1"/execd_*.deb)"
}

# Using it.

check_listening() {
    local unit
    for unit in execd.socket execd-spawner.socket; do
        inside systemctl is-active --quiet "$unit" || fail "$unit does not listen"
        inside systemctl is-enabled --quiet "$unit" || fail "$unit is not enabled"
    done
    for unit in execd.service execd-spawner.service; do
        ! inside systemctl is-active --quiet "$unit" || fail "$unit runs, and nobody has asked"
    done
    [ "$(inside stat -c '%U:%G %a %F' $SOCKET)" = "root:execd 660 socket" ] || fail "$(inside stat $SOCKET)"
    [ "$(inside stat -c '%U:%G %a %F' /run/execd)" = "root:execd 750 directory" ] || fail "$(inside stat /run/execd)"
}

check_docker_exec() {
    local said
    said=$(inside "${DOCKER:-docker}" -H "unix://$SOCKET" exec web id)
    echo "$said"
    [[ $said == "uid=0(root) gid=0(root)"* ]]
}

check_version() {
    local answer
    answer=$(inside busctl get-property org.execd1 /org/execd1 org.execd1.Manager Version)
    [ "$answer" = "s \"$1\"" ] || fail "execd says its version is $answer"
}

# exec_as UID OPTION…: docker exec of id, by that user.
exec_as() {
    local uid=$1
    shift
    inside setpriv --reuid="$uid" --regid="$uid" --init-groups env HOME=/nonexistent "${DOCKER:-docker}" \
        -H "unix://$SOCKET" exec "$@" web id 2>&1
}

check_group() {
    local said
    ! said=$(exec_as 1001) || fail "user 'other' was served: $said"
    inside usermod --append --groups execd user
    said=$(exec_as 1000) || fail "user 'user' was not served: $said"
    ! said=$(exec_as 1000 --privileged) || fail "user 'user' was given privileges: $said"
}

check_registered() {
    check_registered_without_pages
    inside test -s /usr/share/man/man8/execd.service.8.gz || fail "the man pages are missing"
}

check_registered_without_pages() {
    local actions
    actions=$(inside pkaction)
    grep -qx org.execd1.exec <<<"$actions" || fail "polkit does not know the actions"
    inside journalctl --list-catalog 0dfec8a647e04ac0a3fe00b9f09e7f71 | grep -q 'An exec was created' ||
        fail "the catalog does not know the messages"
    inside busctl --activatable list | grep -q '^org.execd1 ' || fail "D-Bus cannot activate org.execd1"
}

exposure() {
    local line
    line=$(inside systemd-analyze security --no-pager "$1" | sed -n 's/^.*Overall exposure level for //p')
    echo "exposure of ${line:-$1 is not known}"
}

check_exposure() {
    local line
    line=$(exposure "$1")
    echo "$line"
    awk -v limit="$2" -v unit="$1:" '$3 == unit && $4 ~ /^[0-9.]+$/ && $4 <= limit {found = 1}
        END {exit !found}' <<<"$line"
}

# The tests of the tree, against what the package has installed: those about programs, units and users, which a package can
# get wrong. With tests/run --all, all of them on Debian 13, where no other part runs them.
run_integration_tests() {
    local file files=("$TREE/tests/system")
    if [ "$debian" = 12 ] || [ "${SCALE:-1}" != 1 ]; then
        files=(-m 'not slow')
        for file in binaries callers main_job units usage; do
            files+=("$TREE/tests/system/test_$file.py")
        done
    fi
    inside env PYTHONDONTWRITEBYTECODE=1 EXECD_TEST_SCALE=0.3 python3 -m pytest -p no:cacheprovider --timeout=120 --tb=short -q -x \
        -o 'markers=slow: left out by --quick' "${files[@]}"
}

# An upgrade under a running command.

# request METHOD PATH [BODY]: the answer's body; fails when the answer is no success.
request() {
    inside curl -sSf --max-time 20 --unix-socket $SOCKET -H 'Content-Type: application/json' -X "$1" \
        "http://localhost$2" ${3+-d "$3"}
}

# begin_command FILE COMMAND: started detached; its exec's id is kept in FILE.
begin_command() {
    local id
    id=$(request POST /containers/web/exec "{\"Cmd\":[\"sh\",\"-c\",\"$2\"],\"AttachStdout\":true}" |
        sed -n 's/.*"Id":"\([0-9a-f]\{64\}\)".*/\1/p')
    [ -n "$id" ] || fail "no exec was created"
    request POST "/exec/$id/start" '{"Detach":true}'
    inside systemctl is-active --quiet "exec-$id.scope" || fail "exec-$id.scope is not active"
    echo "$id" >"$dir/$1"
}

scope_processes() {
    # shellcheck disable=SC2016  # for the shell in there
    inside sh -c 'cat "/sys/fs/cgroup$(systemctl show -P ControlGroup "exec-$1.scope")/cgroup.procs"' sh \
        "$(cat "$dir/$1")"
}

begin_commands() {
    # Nothing is written to what execd holds: whether that lives is a question of its own.
    begin_command quiet 'exec >/dev/null 2>&1; while [ ! -e /tmp/enough ]; do sleep 0.2; done; echo ended >/tmp/end; exit 7'
    begin_command loud 'while [ ! -e /tmp/enough ]; do echo tick; sleep 0.2; done; echo last words; exit 8'
    scope_processes quiet | sort >"$dir/processes"
    [ -s "$dir/processes" ] || fail "the scope has no processes"
    inside systemctl show -P MainPID execd.service execd-spawner.service >"$dir/services"
    sockets >"$dir/sockets"
}

# Which run of each socket unit this is: another one has another id.
sockets() {
    inside systemctl show -P InvocationID execd.socket execd-spawner.socket
}

# Were they stopped, the services would stop with them, which drops what systemd stores of running commands.
check_sockets_survived() {
    [ "$(grep -c . "$dir/sockets")" = 2 ] || fail "of the sockets $(cat "$dir/sockets") is known"
    sockets | cmp -s - "$dir/sockets" || fail "the sockets were stopped: $(inside journalctl -u 'execd*.socket' -n 10)"
}

check_command_survived() {
    # The runner and the shell; sleep is another one each time.
    scope_processes quiet | sort | comm -12 - "$dir/processes" >"$dir/still"
    [ "$(wc -l <"$dir/still")" -ge 2 ] ||
        fail "of $(tr '\n' ' ' <"$dir/processes") only $(tr '\n' ' ' <"$dir/still") live"
    ! inside systemctl show -P MainPID execd.service execd-spawner.service | cmp -s - "$dir/services" ||
        fail "no service was restarted"
}

check_command_ended() {
    local wait
    inside "${DOCKER:-docker}" -H "unix://$SOCKET" exec web touch /tmp/enough
    for ((wait = 0; wait < 300; wait++)); do
        [ "$(inside "${DOCKER:-docker}" -H "unix://$SOCKET" exec web cat /tmp/end 2>/dev/null)" != ended ] || return 0
        sleep 0.1  # until it looks again
    done
    fail "it did not write its last file"
}

keeps_streams() {
    [ "$(inside systemctl show -P FileDescriptorStoreMax execd.service)" -gt 0 ] ||
        fail "this execd stores no descriptors with systemd: after a restart it knows the commands' ends no more"
}

check_streams_kept() {
    local which code
    for which in quiet:7 loud:8; do
        code=$(request POST "/exec/$(cat "$dir/${which%:*}")/wait")
        [[ $code == *"\"StatusCode\":${which#*:},"* ]] || fail "the ${which%:*} command: $code"
    done
    request GET "/exec/$(cat "$dir/loud")/logs" | tr -d '\0' | grep -aq 'last words' ||
        fail "what the loud command wrote after the upgrade is lost"
}

# The examples of the man pages.

run_example() {
    local script=$1 said words
    said=$(inside bash -euo pipefail "$script" 2>&1) || fail "ended with $?: $said"
    while IFS= read -r words; do
        grep -qF -- "$words" <<<"$said" || fail "'$words' is not in: $said"
    done <"${script%.sh}.prints"
}

run_examples() {
    local script
    "$TREE/tests/packages/man-pages" examples "$dir/examples" || failed=$((failed + 1))
    for script in "$dir"/examples/*.sh; do
        step "example $(basename "$script" .sh)" run_example "$script"
    done
    inside rm -f /etc/polkit-1/rules.d/50-vault.rules /etc/polkit-1/rules.d/55-engines.rules
}

# Its end.

container_slices() {
    inside systemctl list-units --all --plain --no-legend '*-execd*.slice'
}

# The script that rpm runs after it has removed the package, which has stopped the services.
check_rpm_scriptlet() {
    check_docker_exec
    inside systemctl stop execd.socket execd-spawner.socket execd.service execd-spawner.service
    [ -n "$(container_slices)" ] || fail "no slice is left to stop"
    inside sh -ec "$(cat "$(work_dir "$debian" package-checks)/rpm/postun")" sh 0
    [ -z "$(container_slices)" ] || fail "systemd still has: $(container_slices)"
    inside test ! -e /run/execd || fail "/run/execd: $(inside ls -R /run/execd)"
}

# Processes, units and sockets.
what_runs() {
    inside pgrep -a execd
    # Enabled units stay known by name, as with any package, until it is purged.
    inside systemctl list-units --all --plain --no-legend 'execd.*' 'execd-spawner.*' 'exec-*' |
        grep -v " not-found *inactive *dead "
    inside ss -xlH | grep execd
}

# nothing_is_left COMMAND…: waits until the command has no output. The last processes and units may go a moment later.
nothing_is_left() {
    local left wait
    for ((wait = 0; wait < 300; wait++)); do
        left=$("$@") || :
        [ -n "$left" ] || return 0
        sleep 0.1  # until it looks again
    done
    fail "still there: $left"
}

check_nothing_runs() {
    nothing_is_left what_runs
}

# A client that waits for the end of a command, and does not start execd again whatever becomes of it.
begin_waiting() {
    begin_command waiting 'exec sleep 1000'
    inside systemd-run --quiet --unit=waiting -- execctl wait "$(cat "$dir/waiting")"
}

check_waiting_was_told() {
    local wait
    for ((wait = 0; wait < 300; wait++)); do
        [ "$(inside systemctl show -P ActiveState waiting.service)" = active ] || break
        sleep 0.1  # until it looks again
    done
    [ "$(inside systemctl show -P ExecMainStatus waiting.service)" = 125 ] ||
        fail "it was not told: $(inside systemctl status waiting.service)"
    inside systemctl reset-failed waiting.service
}

check_removed() {
    # Commands that other tests have left run on, whatever becomes of the package.
    inside systemctl stop 'exec-*.scope'
    begin_waiting
    inside env DEBIAN_FRONTEND=noninteractive apt-get remove -y execd
    check_waiting_was_told
    inside systemctl stop 'exec-*.scope'
    check_nothing_runs
    inside test ! -e /run/execd || fail "/run/execd: $(inside ls -R /run/execd)"
    ! inside "${DOCKER:-docker}" -H "unix://$SOCKET" exec web id || fail "somebody answers"
}

check_purged() {
    inside env DEBIAN_FRONTEND=noninteractive apt-get purge -y execd
    check_nothing_runs
    nothing_is_left inside systemctl list-units --all --plain --no-legend 'execd.*' 'execd-spawner.*' '*-execd*.slice'
    inventory >"$dir/after"
    diff "$dir/before" "$dir/after" || fail "(< before the first install, > after purge)"
    ! inside journalctl --list-catalog | grep execd || fail "the catalog still has the messages"
}
