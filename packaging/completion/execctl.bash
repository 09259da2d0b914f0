# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion of execctl for bash. The commands and their options are those that its help shows.

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

__execctl_verbs() {
    execctl help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'
}

# __execctl_options VERB: one a line; an option that takes a value ends with '='.
__execctl_options() {
    execctl help "$1" 2>/dev/null | sed -n \
        -e 's/^  \(-[A-Za-z]\)  *\(--[a-z-]*=\{0,1\}\).*/\1\n\2/p' -e t \
        -e 's/^  *\(--[a-z-]*=\{0,1\}\).*/\1/p' -e t -e 's/^  \(-[A-Za-z]\) .*/\1/p'
}

# __execctl_values OPTION VERB: completes the value of the option.
__execctl_values() {
    case $1 in
    -s | --signal) compgen -A signal | sed -n 's/^SIG//p' ;;
    --json) printf '%s\n' short pretty off ;;
    --on-disconnect) printf '%s\n' keep hangup kill ;;
    --state) printf '%s\n' created running exited failed ;;
    --since | --until) printf '%s\n' today yesterday -1h -1d ;;
    --container) __execctl_containers ;;
    --caller) compgen -u ;;
    -u | --user) [ "$2" != history ] || compgen -u ;;
    -p | -P | --property)
        if [ "$2" = show ]; then
            __execctl_ask show | sed -n 's/=.*//p'
        else
            printf '%s=\n' MemoryMin MemoryLow MemoryHigh MemoryMax MemorySwapMax TasksMax CPUQuota CPUWeight IOWeight \
                AllowedCPUs AllowedMemoryNodes RuntimeMaxSec OOMPolicy
        fi
        ;;
    -e | -E | --setenv) compgen -e ;;
    -H | --host) compgen -A hostname ;;
    --env-file) compgen -f -- "$3" ;;
    *) return 1 ;;
    esac
}

# __execctl_arguments VERB CURRENT: completes an argument of the command.
__execctl_arguments() {
    case $1 in
    '') __execctl_verbs ;;
    help) __execctl_verbs ;;
    list | top) __execctl_containers ;;
    attach | kill) __execctl_execs ;;
    show) __execctl_execs --all && __execctl_containers ;;
    status | logs | wait) __execctl_execs --all ;;
    replay) __execctl_execs --all && compgen -f -- "$2" ;;
    esac
}

_execctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' container='' i word words
    local -a given=()
    COMPREPLY=()

    # The option as a word before its value; bash splits "--option=value" at the sign.
    [ "$cur" != '=' ] || cur=''
    [ "$prev" != '=' ] || prev=${COMP_WORDS[COMP_CWORD - 2]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -u | -e | -E | -w | -p | -P | -s | -n | -H) ((i++)) ;;
        -- | =) ;;
        -*)
            # Its value is no word of the command.
            [ "${COMP_WORDS[i + 1]-}" != '=' ] || ((i += 2))
            ;;
        *)
            if [ -z "$verb" ]; then
                verb=$word
            else
                given+=("$word")
            fi
            ;;
        esac
    done
    container=${given[0]-}

    if [[ $prev == -* ]] && words=$(__execctl_values "$prev" "$verb" "$cur"); then
        case $prev in
        -p | --property) compopt -o nospace ;;
        --env-file) compopt -o filenames ;;
        esac
    elif [[ $prev == -* ]] && __execctl_options "${verb:-run}" | grep -qx -e "$prev="; then
        return
    elif [ "$verb" = run ] || [ "$verb" = shell ]; then
        # The words after the container belong to the command.
        [ -z "$container" ] || return
        if [[ $cur == -* ]]; then words=$(__execctl_options "$verb"); else words=$(__execctl_containers); fi
    elif [[ $cur == -* ]]; then
        words=$(__execctl_options "${verb:-help}")
    else
        [ "$verb" != replay ] || compopt -o filenames
        words=$(__execctl_arguments "$verb" "$cur")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur" | sort -u | grep -vxF -f <(printf '%s\n' "${given[@]:-=}"))
    # Only a value is to follow at once.
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}

complete -F _execctl execctl
