# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Boots an image with linux.uml. Sourced after image.sh.

# How long a VM may take in all: on a busy machine booting alone takes a minute.
VM_SECONDS=${EXECD_TEST_VM_SECONDS:-600}
VM_MEMORY=${EXECD_TEST_VM_MEMORY:-1536M}

# The image is never written to: what the VM changes goes to a file beside it.
# vm_kernel IMAGE DIR WORD…: the command line.
vm_command() {
    local image=$1 dir=$2
    shift 2
    printf '%s\n' linux.uml "mem=$VM_MEMORY" "umid=vm" "uml_dir=$dir/" "ubd0=$dir/changes,$image" \
        "ubd1=$dir/results" root=/dev/ubda rw con=null ssl=null quiet audit=1 audit_backlog_limit=8192 systemd.show_status=1 "$@"
}

# boot_vm IMAGE DIR WORD…: runs it to its end; DIR then has results/, and console.
boot_vm() {
    local image=$1 dir=$2 command status=0
    shift 2
    mkdir -p "$dir"
    truncate -s 64M "$dir/results"
    mke2fs -q -F -t ext2 "$dir/results"
    mapfile -t command < <(vm_command "$image" "$dir" con0=null,fd:1 "$@")
    (
        cd "$dir" || exit 1
        TMPDIR=/dev/shm exec timeout --kill-after=10 "$VM_SECONDS" nice "${command[@]}"
    ) </dev/null >"$dir/console" 2>&1 || status=$?
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
    mkdir -p "$dir"
    truncate -s 64M "$dir/results"
    mke2fs -q -F -t ext2 "$dir/results"
    mapfile -t command < <(vm_command "$image" "$dir" con0=fd:0,fd:1 execd.interactive "$@")
    TMPDIR=/dev/shm "${command[@]}"
    rm -f "$dir/changes" "$dir/results"
}
