# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# dockerode and the devcontainer command, which Debian does not carry: /opt/node in the sandbox.
NODE_PACKAGES=(dockerode@4.0.7 @devcontainers/cli@0.80.1)

node_path() {
    local hash
    hash=$(printf '%s\n' "${NODE_PACKAGES[@]}" "$(declare -f ensure_node)" | sha256sum)
    echo "$CACHE/node-${hash:0:12}"
}

ensure_node() {
    local path lock log=$CACHE/log/node old
    path=$(node_path)
    [ -d "$path" ] && return 0
    mkdir -p "$CACHE/log"
    take_lock node lock
    if [ ! -d "$path" ]; then
        say "getting ${NODE_PACKAGES[*]} for the tests (once; log in $log)"
        ensure_packages npm:npm
        rm -rf "$path.new"
        mkdir -p "$path.new"
        if ! (cd "$path.new" && echo '{"private":true}' >package.json &&
            npm install --no-audit --no-fund --ignore-scripts --omit=optional "${NODE_PACKAGES[@]}") \
            >"$log" 2>&1 </dev/null; then
            tail -n 30 "$log" >&2
            die "npm could not install ${NODE_PACKAGES[*]}"
        fi
        for old in "$CACHE"/node-*; do
            [ "$old" = "$path.new" ] || grep -qsxF "node=$old" "$STATE"/*/state || rm -rf "$old"
        done
        mv "$path.new" "$path"
    fi
    drop_lock "$lock"
}
