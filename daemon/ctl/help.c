/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What execctl can do. */

#include <stdio.h>

#include "ctl/ctl.h"

int verb_help(Ctl *c, int argc, char **argv)
{
        const char *on = c->colors ? "\033[0;4m" : "", *off = c->colors ? "\033[0m" : "";

        pager_open(c);
        printf("execctl [OPTIONS…] COMMAND …\n\n"
               "Run commands in running containers, and look after them.\n\n"
               "%sCommands:%s\n"
               "  run CONTAINER [--] CMD…      Run a command, with this command's stdout and stderr\n"
               "  shell [USER@]CONTAINER [CMD…]\n"
               "                               A shell, or a command, on a terminal\n"
               "  attach EXEC                  Join the streams of an exec\n"
               "  list [CONTAINER]             Show execs\n"
               "  containers                   Show containers\n"
               "  status EXEC…                 Show one exec in full\n"
               "  logs EXEC                    Show the output of an exec that runs without a client\n"
               "  replay EXEC|FILE             Play back the recording of an exec\n"
               "  kill EXEC…                   Send it a signal\n"
               "  wait EXEC                    Wait for its end; exits with its exit status\n"
               "EXEC is an id or the beginning of one; without a command, list is meant.\n\n",
               on, off);
        printf("%sOptions of run and shell, before the container:%s\n"
               "  -i --interactive             Pass stdin on\n"
               "  -t --tty                     On a terminal of its own (passes stdin on too)\n"
               "  -u --user=USER[:GROUP]       As this user of the container\n"
               "  -e --setenv=NAME[=VALUE]     Set a variable\n"
               "  -w --working-directory=DIR   Start in this directory\n"
               "     --privileged              With all capabilities, also those the container lacks\n"
               "     --property=NAME=VALUE     Set a property of its scope, as MemoryMax or RuntimeMaxSec\n"
               "     --label=NAME=VALUE        Label it\n"
               "     --on-disconnect=WHAT      keep, hangup or kill the command when execctl goes away\n"
               "     --record                  Record its output, for replay\n"
               "     --detach-keys=KEYS        Keys that leave a terminal, ctrl-],ctrl-],ctrl-] by default\n"
               "  -d --detach                  Do not wait; prints the id\n\n",
               on, off);
        printf("%sOther options:%s\n"
               "  -s --signal=SIGNAL           The signal to send (TERM)\n"
               "  -a --all                     list: ended execs too; kill: all processes of the exec\n"
               "  -l --full                    Cut nothing\n"
               "  -n --lines=N                 logs, status: only the last N lines\n"
               "  -f --follow                  logs: go on until the exec ends\n"
               "     --speed=N                 replay: so many times as fast\n"
               "     --idle-limit=SECONDS      replay: no pause is longer than this\n"
               "     --no-wait                 replay: no pauses at all\n"
               "     --raw                     replay: control characters too where stdout is no terminal\n"
               "  -H --host=[USER@]HOST        On another host, over ssh\n"
               "     --json=MODE               short, pretty or off\n"
               "     --no-legend --no-pager --no-ask-password\n"
               "  -h --help                    Print this\n"
               "     --version                 Print the version\n",
               on, off);
        return 0;
}
