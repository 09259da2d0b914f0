/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/option-table.h"

#include "base/cleanup.h"

#define STARTS   (VERB_BIT(VERB_RUN) | VERB_BIT(VERB_SHELL))
#define SESSIONS (STARTS | VERB_BIT(VERB_ATTACH))
#define HISTORY  VERB_BIT(VERB_HISTORY)
#define LIST     VERB_BIT(VERB_LIST)
#define EVENTS   VERB_BIT(VERB_EVENTS)
#define SHOWS    (VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_SHOW))
#define TABLES                                                                                              \
        (VERB_BIT(VERB_LIST) | VERB_BIT(VERB_CONTAINERS) | VERB_BIT(VERB_RECORDINGS) | VERB_BIT(VERB_TOP) | \
         HISTORY)

const OptionRow option_table[] = {
        {'i', "interactive", NULL, SESSIONS, "Pass stdin to the command"},
        {'t', "tty", NULL, STARTS, "Give the command a terminal, and stdin too"},
        {'u', "user", "USER[:GROUP]", STARTS, "Run as this user of the container"},
        {'u', "uid", "USER[:GROUP]", STARTS, "Same as --user"},
        {'e', "setenv", "NAME[=VALUE]", STARTS, "Set an environment variable"},
        {'E', NULL, "NAME[=VALUE]", STARTS, "Same as -e"},
        {OPTION_ENV_FILE, "env-file", "FILE", STARTS, "Read environment variables from a file"},
        {'w', "working-directory", "DIR", STARTS, "Start in this directory"},
        {OPTION_PRIVILEGED, "privileged", NULL, STARTS,
         "Run with all capabilities, also those the container lacks"},
        {'p', "property", "NAME=VALUE", STARTS, "Set a property of the scope, such as MemoryMax"},
        {OPTION_LABEL, "label", "NAME=VALUE", STARTS, "Label the exec"},
        {OPTION_ON_DISCONNECT, "on-disconnect", "WHAT", STARTS,
         "keep, hangup or kill the command if execctl disconnects"},
        {OPTION_RECORD, "record", NULL, STARTS, "Record the output, for replay"},
        {OPTION_DETACH_KEYS, "detach-keys", "KEYS", STARTS,
         "Keys that detach from a terminal (ctrl-],ctrl-],ctrl-])"},
        {'d', "detach", NULL, STARTS, "Print the ID and do not wait"},
        {'s', "signal", "SIGNAL", VERB_BIT(VERB_KILL), "The signal to send (TERM)"},
        {'a', "all", NULL, STARTS, "Run in all containers; no CONTAINER is given"},
        {'a', "all", NULL, VERB_BIT(VERB_LIST), "Show ended execs too"},
        {'a', "all", NULL, VERB_BIT(VERB_CONTAINERS), "Show services of the host too"},
        {'a', "all", NULL, VERB_BIT(VERB_KILL), "Send the signal to all processes of the exec"},
        {'l', "full", NULL, TABLES | VERB_BIT(VERB_STATUS) | EVENTS, "Do not ellipsize IDs and commands"},
        {'n', "lines", "N|all", VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_LOGS), "Show only the last N lines"},
        {OPTION_CONTAINER, "container", "CONTAINER", EVENTS, "Show events of this container"},
        {OPTION_CONTAINER, "container", "CONTAINER", LIST, "Show execs of this container"},
        {OPTION_STATE, "state", "STATE", LIST, "Show execs that are created, running, exited or failed"},
        {OPTION_CALLER, "caller", "USER", LIST, "Show execs that this user created"},
        {OPTION_LABEL, "label", "NAME[=VALUE]", LIST, "Show execs with this label"},
        {OPTION_LABEL, "label", "NAME[=VALUE]", VERB_BIT(VERB_CONTAINERS),
         "Show containers with this label"},
        {'p', "property", "NAME[,NAME...]", VERB_BIT(VERB_SHOW), "Show only these properties"},
        {OPTION_VALUE, "value", NULL, VERB_BIT(VERB_SHOW), "Print values without names"},
        {'P', NULL, "NAME[,NAME...]", VERB_BIT(VERB_SHOW), "Same as --value --property"},
        {'n', "lines", "N|all", HISTORY, "Show only the last N entries"},
        {OPTION_SINCE, "since", "TIME", HISTORY, "Show entries not older than this"},
        {OPTION_UNTIL, "until", "TIME", HISTORY, "Show entries not newer than this"},
        {OPTION_CONTAINER, "container", "CONTAINER", HISTORY, "Show entries of this container"},
        {'u', "user", "USER", HISTORY, "Show entries of this user"},
        {OPTION_LABEL, "label", "NAME[=VALUE]", HISTORY, "Show execs with this label"},
        {'f', "follow", NULL, VERB_BIT(VERB_LOGS), "Follow the output until the exec ends"},
        {OPTION_SPEED, "speed", "N", VERB_BIT(VERB_REPLAY), "Play N times as fast"},
        {OPTION_IDLE_LIMIT, "idle-limit", "SECONDS", VERB_BIT(VERB_REPLAY),
         "Make no pause longer than this"},
        {OPTION_NO_WAIT, "no-wait", NULL, VERB_BIT(VERB_REPLAY), "Make no pauses"},
        {OPTION_RAW, "raw", NULL, VERB_BIT(VERB_LOGS) | VERB_BIT(VERB_REPLAY),
         "Write all control characters as they are"},
        {'q', "quiet", NULL, SESSIONS, "Do not print messages about the exec"},
        {'H', "host", "[USER@]HOST", VERB_ALL & ~VERB_BIT(VERB_HELP), "Work on another host, over ssh"},
        {OPTION_JSON, "json", "short|pretty|off", TABLES | SHOWS | EVENTS, "Print JSON"},
        {'j', NULL, NULL, TABLES | SHOWS | EVENTS, "Same as --json=pretty on a terminal, else --json=short"},
        {OPTION_NO_LEGEND, "no-legend", NULL, VERB_ALL, "Do not print the column headers and the footer"},
        {OPTION_NO_PAGER, "no-pager", NULL, VERB_ALL, "Do not start a pager"},
        {OPTION_NO_ASK_PASSWORD, "no-ask-password", NULL, VERB_ALL, "Do not ask for a password"},
        {'h', "help", NULL, VERB_ALL, "Print the help"},
        {OPTION_VERSION, "version", NULL, VERB_ALL, "Print the version"},
};
const size_t option_table_size = ELEMENTSOF(option_table);
