# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Boots an image with user mode linux. Sourced after image.sh.

# How long a VM may take in all: on a busy machine booting alone takes a minute.
VM_SECONDS=${EXECD_TEST_VM_SECONDS:-1800}
VM_MEMORY=${EXECD_TEST_VM_MEMORY:-1536M}

# There are two kernels: Debian 13's, in the root of the VM, and, with HOST_KERNEL set, the kernel of this host's
# Debian; Debian 12's is older than the system calls that set labels. Both see $CACHE/selinux as $(vm_top).
vm_top() {
    if [ -n "${HOST_KERNEL-}" ]; then echo "$CACHE/selinux"; else echo /out; fi
}

# run_kernel COMMAND…
run_kernel() {
    if [ -n "${HOST_KERNEL-}" ]; then
        ensure_packages linux.uml:user-mode-linux
        TMPDIR=/dev/shm "$@"
    else
        in_root "$(vm_root_path)" "$CACHE/selinux" env TMPDIR=/dev/shm "$@"
    fi
}

# The image is never written to: changes of the VM go to a file beside it.
# vm_command IMAGE DIR WORD…: the command line, both below $CACHE/selinux.
vm_command() {
    local image dir
    image=$(vm_top)/${1#"$CACHE/selinux/"}
    dir=$(vm_top)/${2#"$CACHE/selinux/"}
    shift 2
    printf '%s\n' linux.uml "mem=$VM_MEMORY" "umid=vm" "uml_dir=$dir/" "ubd0=$dir/changes,$image" \
        "ubd1=$dir/results" root=/dev/ubda rw con=null ssl=null quiet audit=1 audit_backlog_limit=8192 systemd.show_status=1 "$@"
}

# Files in DIR/in are there for the tests.
make_results_disk() {
    truncate -s 64M "$1/results"
    mkdir -p "$1/disk"
    cp -a "$1/in" "$1/disk/"
    mke2fs -q -F -t ext2 -d "$1/disk" "$1/results"
    rm -rf "$1/disk"
}

# boot_vm IMAGE DIR WORD…: runs it to its end; DIR then has out/, with what the tests left, and console.
boot_vm() {
    local image=$1 dir=$2 command status=0
    shift 2
    make_results_disk "$dir"
    mapfile -t command < <(vm_command "$image" "$dir" con0=null,fd:1 "$@")
    run_kernel timeout --foreground --kill-after=10 "$VM_SECONDS" nice "${command[@]}" </dev/null >"$dir/console" 2>&1 || status=$?
    [ $status != 124 ] || echo "the VM did not end within $VM_SECONDS seconds"
    mkdir -p "$dir/out"
    debugfs -R "rdump / $dir/out" "$dir/results" >/dev/null 2>&1
    rm -f "$dir/changes" "$dir/results"
    [ -e "$dir/out/junit.xml" ]
}

# On this terminal, with a shell in it.
boot_interactive() {
    local image=$1 dir=$2 command
    shift 2
    make_results_disk "$dir"
    mapfile -t command < <(vm_command "$image" "$dir" con0=fd:0,fd:1 execd.interactive "$@")
    run_kernel "${command[@]}"
    rm -f "$dir/changes" "$dir/results"
}
