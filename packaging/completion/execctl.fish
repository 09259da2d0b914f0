# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of execctl for fish.

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
    set -l words
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word -u -e -E -w -p -s -n -H
            set skip 1
        else if not string match -q -- '-*' $word
            set -a words $word
        end
    end
    printf '%s\n' $words
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

function __execctl_options_allowed
    set -l words (__execctl_words)
    not contains -- "$words[1]" run shell; or test (count $words) -lt 2
end

complete -c execctl -f
complete -c execctl -n __execctl_needs_command -a run -d 'Run a command in a container'
complete -c execctl -n __execctl_needs_command -a shell -d 'A shell, or a command, on a terminal'
complete -c execctl -n __execctl_needs_command -a attach -d 'Join the streams of an exec'
complete -c execctl -n __execctl_needs_command -a list -d 'Show execs'
complete -c execctl -n __execctl_needs_command -a containers -d 'Show containers'
complete -c execctl -n __execctl_needs_command -a status -d 'Show one exec in full'
complete -c execctl -n __execctl_needs_command -a show -d 'Show properties'
complete -c execctl -n __execctl_needs_command -a history -d 'Show what was done, and what was refused'
complete -c execctl -n __execctl_needs_command -a logs -d 'Show the output of an exec'
complete -c execctl -n __execctl_needs_command -a replay -d 'Play back the recording of an exec'
complete -c execctl -n __execctl_needs_command -a kill -d 'Send a signal'
complete -c execctl -n __execctl_needs_command -a wait -d 'Wait for the end of an exec'
complete -c execctl -n __execctl_needs_command -a help -d 'Print the help'

complete -c execctl -n '__execctl_first_of run shell list' -a '(__execctl_containers)'
complete -c execctl -n '__execctl_first_of attach' -a '(__execctl_execs)'
complete -c execctl -n '__execctl_any_of kill' -a '(__execctl_execs)'
complete -c execctl -n '__execctl_first_of replay' -F
complete -c execctl -n '__execctl_first_of logs replay wait' -a '(__execctl_execs --all)'
complete -c execctl -n '__execctl_any_of show' -a '(__execctl_execs --all; __execctl_containers)'
complete -c execctl -n '__execctl_any_of status' -a '(__execctl_execs --all)'

complete -c execctl -n __execctl_options_allowed -s i -l interactive -d 'Pass stdin on'
complete -c execctl -n __execctl_options_allowed -s t -l tty -d 'A terminal of its own'
complete -c execctl -n __execctl_options_allowed -s u -l user -x -d 'As this user'
complete -c execctl -n __execctl_options_allowed -l uid -x -d 'As this user'
complete -c execctl -n __execctl_options_allowed -s e -l setenv -x -a '(set -nx)' -d 'Set a variable'
complete -c execctl -n __execctl_options_allowed -s E -x -a '(set -nx)' -d 'Set a variable'
complete -c execctl -n __execctl_options_allowed -l env-file -r -F -d 'Read variables from a file'
complete -c execctl -n __execctl_options_allowed -s w -l working-directory -x -d 'Start in this directory'
complete -c execctl -n __execctl_options_allowed -l privileged -d 'With all capabilities, also those the container lacks'
complete -c execctl -n __execctl_options_allowed -s p -l property -x -d 'Set a property of the scope' \
    -a 'MemoryMin= MemoryLow= MemoryHigh= MemoryMax= MemorySwapMax= TasksMax= CPUQuota= CPUWeight= IOWeight= AllowedCPUs= AllowedMemoryNodes= RuntimeMaxSec= OOMPolicy='
complete -c execctl -n __execctl_options_allowed -l label -x -d 'Label it'
complete -c execctl -n __execctl_options_allowed -l on-disconnect -x -a 'keep hangup kill' -d 'When execctl goes away'
complete -c execctl -n __execctl_options_allowed -l detach-keys -x -d 'Keys that leave a terminal'
complete -c execctl -n __execctl_options_allowed -l record -d 'Record the output'
complete -c execctl -n __execctl_options_allowed -s d -l detach -d 'Do not wait'
complete -c execctl -n __execctl_options_allowed -s s -l signal -x -a 'HUP INT QUIT KILL USR1 USR2 TERM CONT STOP' \
    -d 'The signal to send'
complete -c execctl -n __execctl_options_allowed -s a -l all -d 'Ended execs too, or all processes'
complete -c execctl -n __execctl_options_allowed -s l -l full -d 'Cut nothing'
complete -c execctl -n __execctl_options_allowed -s n -l lines -x -d 'Only the last lines'
complete -c execctl -n __execctl_options_allowed -s f -l follow -d 'Go on until the exec ends'
complete -c execctl -n __execctl_options_allowed -l since -x -d 'Not older than this'
complete -c execctl -n __execctl_options_allowed -l until -x -d 'Not newer than this'
complete -c execctl -n __execctl_options_allowed -l state -x -a 'created running exited failed' -d 'In this state'
complete -c execctl -n __execctl_options_allowed -l caller -x -a '(__fish_complete_users)' -d 'Of this caller'
complete -c execctl -n __execctl_options_allowed -l value -d 'Values without names'
complete -c execctl -n __execctl_options_allowed -s P -x -d 'Values of these properties'
complete -c execctl -n __execctl_options_allowed -l container -x -a '(__execctl_containers)' -d 'Of this container'
complete -c execctl -n __execctl_options_allowed -l speed -x -d 'So many times as fast'
complete -c execctl -n __execctl_options_allowed -l idle-limit -x -d 'No pause is longer'
complete -c execctl -n __execctl_options_allowed -l no-wait -d 'No pauses'
complete -c execctl -n __execctl_options_allowed -l raw -d 'Control characters too'
complete -c execctl -n __execctl_options_allowed -s H -l host -x -a '(__fish_print_hostnames)' -d 'On another host'
complete -c execctl -n __execctl_options_allowed -s q -l quiet -d 'No messages about the exec'
complete -c execctl -n __execctl_options_allowed -s j -d 'Print JSON'
complete -c execctl -n __execctl_options_allowed -l json -x -a 'short pretty off' -d 'Print JSON'
complete -c execctl -n __execctl_options_allowed -l no-legend -d 'No heads and counts'
complete -c execctl -n __execctl_options_allowed -l no-pager -d 'No pager'
complete -c execctl -n __execctl_options_allowed -l no-ask-password -d 'Do not ask for a password'
complete -c execctl -n __execctl_options_allowed -s h -l help -d 'Print the help'
complete -c execctl -n __execctl_options_allowed -l version -d 'Print the version'
