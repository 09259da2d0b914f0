# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of execctl for fish. The commands and their options are those that its help shows.

# Never asks for a password and never waits for long.
function __execctl_ask
    timeout 2 execctl --no-legend --no-pager --no-ask-password $argv 2>/dev/null
end

function __execctl_containers
    __execctl_ask containers --all | string replace -r '^(\S+)\s+(\S+).*' '$1\t$2'
end

function __execctl_execs
    __execctl_ask list $argv | string replace -r '^(\S+)\s+(.*)' '$1\t$2'
end

# The words that are no options: the command comes first, then the container or the exec.
function __execctl_words
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word -u -e -E -w -p -P -s -n -H
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

function __execctl_needs_command
    test (count (__execctl_words)) = 0
end

# True while the first argument of one of these commands is being typed.
function __execctl_first_of
    set -l words (__execctl_words)
    test (count $words) = 1; and contains -- $words[1] $argv
end

function __execctl_any_of
    set -l words (__execctl_words)
    test (count $words) -ge 1; and contains -- $words[1] $argv
end

# True where options of this command are valid: for run and shell, before the container.
function __execctl_takes_options
    switch $argv[1]
        case run shell
            __execctl_first_of $argv[1]
        case '*'
            __execctl_any_of $argv[1]
    end
end

# The values of an option, as arguments of complete.
function __execctl_values
    switch $argv[1]
        case signal
            printf '%s\n' -x -a 'HUP INT QUIT KILL USR1 USR2 TERM CONT STOP'
        case json
            printf '%s\n' -x -a 'short pretty off'
        case on-disconnect
            printf '%s\n' -x -a 'keep hangup kill'
        case state
            printf '%s\n' -x -a 'created running exited failed'
        case since until
            printf '%s\n' -x -a 'today yesterday -1h -1d'
        case container
            printf '%s\n' -x -a '(__execctl_containers)'
        case caller
            printf '%s\n' -x -a '(__fish_complete_users)'
        case property
            if test $argv[2] = show
                printf '%s\n' -x
            else
                printf '%s\n' -x -a 'MemoryMin= MemoryLow= MemoryHigh= MemoryMax= MemorySwapMax= TasksMax= CPUQuota= CPUWeight= IOWeight= AllowedCPUs= AllowedMemoryNodes= RuntimeMaxSec= OOMPolicy='
            end
        case setenv
            printf '%s\n' -x -a '(set -nx)'
        case env-file
            printf '%s\n' -r -F
        case host
            printf '%s\n' -x -a '(__fish_print_hostnames)'
        case '*'
            printf '%s\n' -x
    end
end

# One line of the help of a command: an option, if it is one.
function __execctl_add_option
    set -l verb $argv[1]
    set -l words -c execctl -n "__execctl_takes_options $verb"
    set -l letter
    set -l name
    set -l value
    set -l text
    if not string match -qr '^  (?:-(?<letter>[A-Za-z])|  ) --(?<name>[a-z-]+)(?<value>=\S+)?(?: +(?<text>.*))?$' -- $argv[2]
        string match -qr '^  -(?<letter>[A-Za-z])(?: (?<value>[A-Z]\S*))? +(?<text>.*)$' -- $argv[2]; or return
    end
    test -z "$letter"; or set -a words -s $letter
    test -z "$name"; or set -a words -l $name
    test -z "$value"; or set -a words (__execctl_values "$name" $verb)
    test -z "$text"; or set -a words -d "$text"
    complete $words
end

complete -c execctl -f
execctl help 2>/dev/null | string match -r '^  [a-z]+ .*' | while read -l -d '\n' line
    string match -qr '^  (?<verb>[a-z]+) (?:.*  (?<text>[A-Z].*))?' -- $line; or continue
    complete -c execctl -n __execctl_needs_command -a $verb -d "$text"
    complete -c execctl -n '__execctl_first_of help' -a $verb -d "$text"
    for option in (execctl help $verb 2>/dev/null)
        __execctl_add_option $verb $option
    end
end
complete -c execctl -n __execctl_needs_command -s h -l help -d 'Print the help'
complete -c execctl -n __execctl_needs_command -l version -d 'Print the version'
complete -c execctl -n __execctl_needs_command -s H -l host -x -a '(__fish_print_hostnames)' -d 'Work on another host, over ssh'

complete -c execctl -n '__execctl_first_of run shell list' -a '(__execctl_containers)'
complete -c execctl -n '__execctl_first_of attach' -a '(__execctl_execs)'
complete -c execctl -n '__execctl_any_of kill' -a '(__execctl_execs)'
complete -c execctl -n '__execctl_first_of replay' -F
complete -c execctl -n '__execctl_first_of logs replay wait' -a '(__execctl_execs --all)'
complete -c execctl -n '__execctl_any_of status show' -a '(__execctl_execs --all)'
complete -c execctl -n '__execctl_any_of show top' -a '(__execctl_containers)'
