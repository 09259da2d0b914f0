# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion of execctl for bash.

# Never asks for a password and never waits for long.
__execctl_ask() {
    timeout 2 execctl --no-legend --no-pager --no-ask-password "$@" 2>/dev/null
}

__execctl_containers() {
    __execctl_ask containers --all | while read -r name _; do printf '%s\n' "$name"; done
}

__execctl_execs() {
    __execctl_ask list "$@" | while read -r id _; do printf '%s\n' "$id"; done
}

_execctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' container='' i words='' word
    local options='-i --interactive -t --tty -u --user= --uid= -e -E --setenv= --env-file= -w --working-directory= --privileged -p --property=
        --label= --on-disconnect= --detach-keys= --record --since= --until= --container= --state= --caller= --value -P -d --detach -q --quiet -s --signal= -a --all -l --full -n --lines= -f --follow
        --speed= --idle-limit= --no-wait --raw -H --host= -j --json= --no-legend --no-pager --no-ask-password -h --help --version'
    local properties='MemoryMin= MemoryLow= MemoryHigh= MemoryMax= MemorySwapMax= TasksMax= CPUQuota= CPUWeight= IOWeight=
        AllowedCPUs= AllowedMemoryNodes= RuntimeMaxSec= OOMPolicy='
    COMPREPLY=()

    # The option that stands alone before its value; bash splits "--option=value" at the sign.
    [ "$cur" != '=' ] || cur=''
    [ "$prev" != '=' ] || prev=${COMP_WORDS[COMP_CWORD - 2]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -u | -e | -E | -w | -p | -s | -n | -H) ((i++)) ;;
        -- | =) ;;
        -*)
            # Its value is no word of the command.
            [ "${COMP_WORDS[i + 1]-}" != '=' ] || ((i += 2))
            ;;
        *)
            if [ -z "$verb" ]; then
                verb=$word
            elif [ -z "$container" ]; then
                container=$word
            fi
            ;;
        esac
    done

    case $prev in
    --container) words=$(__execctl_containers) ;;
    --state) words='created running exited failed' ;;
    --caller) words=$(compgen -u) ;;
    -s | --signal) words=$(compgen -A signal | sed -n 's/^SIG//p') ;;
    --json) words='short pretty off' ;;
    --on-disconnect) words='keep hangup kill' ;;
    -p | --property)
        compopt -o nospace
        words=$properties
        ;;
    -H | --host)
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
        return
        ;;
    --env-file)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -u | --user | --uid | -E | -w | --working-directory | -e | --setenv | -n | --lines | --label | --detach-keys | --speed | --idle-limit | --since | --until) return ;;
    *)
        if [[ $cur == -* ]] && [ -z "$container" ]; then
            words=$options
            [[ $cur != --* ]] || compopt -o nospace
        else
            case $verb in
            '') words='run shell attach list containers status show history logs replay kill wait help' ;;
            run | shell) [ -n "$container" ] || words=$(__execctl_containers) ;;
            list) words=$(__execctl_containers) ;;
            attach | kill) words=$(__execctl_execs) ;;
            show) words="$(__execctl_execs --all) $(__execctl_containers)" ;;
            status | logs | wait) words=$(__execctl_execs --all) ;;
            replay)
                compopt -o filenames
                words="$(__execctl_execs --all) $(compgen -f -- "$cur")"
                ;;
            esac
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    # Only a value is to follow at once.
    [ ${#COMPREPLY[@]} -ne 1 ] || [[ ${COMPREPLY[0]} == *= ]] || compopt +o nospace
}

complete -F _execctl execctl
