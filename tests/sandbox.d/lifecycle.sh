# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The life of one sandbox: boot, look up, end. Its state is in $STATE/NAME/:
#   state      lines key=value; bind= and nothing else may occur more than once
#   nspawn     pid of its systemd-nspawn       manifest   what was installed last
# Its files are below $CACHE/sandbox/NAME.

# The root that a variant is based on.
root_kind() {
    case $1 in
    fresh) echo machine ;;
    *) echo base ;;
    esac
}

sandbox_value() {
    sed -n "s/^$2=//p" "$STATE/$1/state" 2>/dev/null || :
}

# A process is itself only while its start time is the same; a pid alone is soon another's.
start_time() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    # Fields after the command's name, which may hold anything but ends at the last parenthesis.
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    echo "${20}"
}

sandbox_is_running() {
    local leader
    leader=$(sandbox_value "$1" leader)
    [ -n "$leader" ] && [ "$(start_time "$leader")" = "$(sandbox_value "$1" started)" ]
}

# in_sandbox NAME CMD…: as root in its namespaces, without a tty; for this script's own steps.
in_sandbox() {
    local leader
    leader=$(sandbox_value "$1" leader)
    shift
    nsenter -t "$leader" -m -u -i -n -p -C -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LANG=C.UTF-8 "$@"
}

cgroup2_mount() {
    awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts
}

# Moves this process into a cgroup of the sandbox's own: two systemds in one cgroup would take each other's
# processes for their own.
enter_own_cgroup() {
    local name=$1 mount own
    mount=$(cgroup2_mount)
    [ -n "$mount" ] || die "this host has no cgroup2 mounted"
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    own=$mount${own%/}/execd-tests-$name-$BASHPID
    mkdir "$own"
    echo $BASHPID >"$own/cgroup.procs"
    echo "$own" >"$STATE/$name/cgroup"
}

# The nspawn's child that is PID 1 of a pid namespace.
find_leader() {
    local pid
    for pid in $(ps -o pid= --ppid "$1"); do
        awk '/^NSpid:/ {found = NF > 2 && $NF == 1} END {exit !found}' "/proc/$pid/status" 2>/dev/null &&
            echo "$pid" && return 0
    done
    return 1
}

# launch NAME ROOT DISK NSPAWN-OPTION…: starts the boot script, away from this terminal and this process.
launch() {
    local name=$1 fd
    shift
    if [ -d /run/systemd/system ]; then
        systemctl reset-failed "execd-sandbox-$name.service" 2>/dev/null || :
        systemd-run --quiet --collect --unit="execd-sandbox-$name" \
            --description="execd test sandbox $name" --slice=machine.slice --property=Delegate=yes \
            --property=KillMode=mixed --property=TasksMax=infinity --property=PrivateMounts=yes \
            --property=StandardOutput="append:$STATE/$name/console" \
            --property=StandardError="append:$STATE/$name/console" \
            "$TREE/tests/sandbox.d/boot" "$STATE/$name" "$1" "$2" "$name" "${@:3}"
        return
    fi
    (
        enter_own_cgroup "$name"
        # Locks and pipes of this run must not live as long as the sandbox.
        for fd in "/proc/$BASHPID/fd"/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || exec {fd}>&-
        done
        exec setsid unshare --mount --propagation private "$TREE/tests/sandbox.d/boot" \
            "$STATE/$name" "$1" "$2" "$name" "${@:3}" >"$STATE/$name/console" 2>&1 </dev/null &
    )
}

# Each systemd, and much of what it starts, has instances of inotify, of which Linux lets a user have 128; four sandboxes
# with their machines need more.
raise_limits() {
    local file=/proc/sys/fs/inotify/max_user_instances wanted=4096
    [ "$(cat "$file")" -lt $wanted ] || return 0
    { echo $wanted >"$file"; } 2>/dev/null || return 0
    say "raised fs.inotify.max_user_instances to $wanted, until the next boot"
}

# start_sandbox NAME DEBIAN VARIANT BIND…
start_sandbox() {
    local name=$1 debian=$2 variant=$3 root machine_root disk pid='' leader='' dir options=() wait
    shift 3
    root=$(root_path "$(root_kind "$variant")" "$debian")
    machine_root=$(root_path machine "$debian")
    disk=$CACHE/sandbox/$name
    raise_limits
    rm -rf --one-file-system "$disk" "${STATE:?}/$name"
    mkdir -p "$disk" "$STATE/$name"
    if [ "$variant" = fresh ]; then
        # Sandboxes can be made in a fresh one; their roots cannot lie on its overlay.
        mkdir -p "$disk/cache"
        options+=("--bind=$disk/cache:$CACHE")
    else
        options+=("--bind-ro=$machine_root:/var/lib/execd-tests/roots/debian")
        options+=("--bind=$disk/machines:/var/lib/execd-tests/machines")
    fi
    [ ! -d "$(node_path)" ] || [ "$variant" = fresh ] || options+=("--bind-ro=$(node_path):/opt/node")
    for dir in "$@"; do
        options+=("--bind-ro=${dir//:/\\:}")
    done
    printf '%s\n' "debian=$debian" "variant=$variant" "root=$root" "machine_root=$machine_root" \
        "node=$(node_path)" "${@/#/bind=}" >"$STATE/$name/state"
    say "booting the sandbox '$name' (Debian $debian, $variant build)"
    launch "$name" "$root" "$disk" "${options[@]}"

    for ((wait = 0; wait < 300; wait++)); do
        [ -n "$pid" ] || pid=$(cat "$STATE/$name/nspawn" 2>/dev/null) || :
        if [ -n "$pid" ]; then
            leader=$(find_leader "$pid") && break
            [ -d "/proc/$pid" ] || break
        fi
        sleep 0.1  # until it looks again
    done
    if [ -z "$leader" ]; then
        cat "$STATE/$name/console" >&2
        end_sandbox "$name"
        die "the sandbox '$name' did not start"
    fi
    printf '%s\n' "leader=$leader" "started=$(start_time "$leader")" >>"$STATE/$name/state"
    # Before its bus is there, systemctl has nothing to wait on. A failed unit of Debian's own is no reason to stop.
    for ((wait = 0; wait < 300; wait++)); do
        case $(in_sandbox "$name" systemctl is-system-running --wait 2>/dev/null) in
        running | degraded) return 0 ;;
        esac
        sleep 0.1  # until it looks again
    done
    die "the sandbox '$name' did not finish to boot; its console: $STATE/$name/console"
}

# note_cpu NAME: writes the processor time of the sandbox, in microseconds, to the file EXECD_TEST_CPU. The commands of
# run_in() are not counted: they are children of the caller, who counts them.
note_cpu() {
    local cgroup nsec='' usec='' own
    [ -n "${EXECD_TEST_CPU-}" ] || return 0
    own=$(sed -n 's/^usage_usec //p' \
        "/proc/$(sandbox_value "$1" leader)/root/sys/fs/cgroup/system.slice/execd-tests-shell.service/cpu.stat" 2>/dev/null) || :
    if cgroup=$(cat "$STATE/$1/cgroup" 2>/dev/null); then
        usec=$(sed -n 's/^usage_usec //p' "$cgroup/cpu.stat" 2>/dev/null) || :
    elif [ -d /run/systemd/system ]; then
        nsec=$(systemctl show -P CPUUsageNSec "execd-sandbox-$1.service")
        [[ ! $nsec =~ ^[0-9]{4,18}$ ]] || usec=${nsec%???}
    fi
    [ -z "$usec" ] || echo $((usec - ${own:-0})) >>"$EXECD_TEST_CPU"
}

# end_sandbox NAME: no process, mount, cgroup or file of it is left.
end_sandbox() {
    local name=$1 pid leader wait cgroup
    pid=$(cat "$STATE/$name/nspawn" 2>/dev/null) || :
    leader=$(sandbox_value "$name" leader)
    sandbox_is_running "$name" && note_cpu "$name" && kill -KILL "$leader"
    # Not before the pid was seen to be what we started: it may be another's by now.
    if [ -n "$pid" ]; then
        for ((wait = 0; wait < 200; wait++)); do
            { tr '=' '\0' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qzxF -- "$CACHE/sandbox/$name/merged" || break
            [ $wait -ne 50 ] || kill -TERM "$pid"
            [ $wait -ne 150 ] || kill -KILL "$pid"
            sleep 0.1  # until it looks again
        done
    fi
    if [ -d /run/systemd/system ]; then
        systemctl stop "execd-sandbox-$name.service" 2>/dev/null || :
    fi
    cgroup=$(cat "$STATE/$name/cgroup" 2>/dev/null) || :
    if [ -n "$cgroup" ] && [ -d "$cgroup" ]; then
        for ((wait = 0; wait < 50; wait++)); do
            find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && break
            [ -d "$cgroup" ] || break
            sleep 0.1  # until it looks again
        done
        [ ! -d "$cgroup" ] || say "a process stays in $cgroup: $(find "$cgroup" -name cgroup.procs -exec cat {} +)"
    fi
    rm -rf --one-file-system "$CACHE/sandbox/$name" "${STATE:?}/$name"
    rmdir "$STATE" "$CACHE/sandbox" 2>/dev/null || :
}
