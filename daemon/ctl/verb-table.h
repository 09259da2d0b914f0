/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The commands of execctl: their names, their arguments, and the texts of their help.
 *
 * To add a command: a row in verb-table.c, a function verb_NAME() in a file of its own, execctl(1), the three
 * completions in packaging/completion, and tests/dbus/test_execctl.py. Options are in option-table.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum Verb {
        VERB_RUN,
        VERB_SHELL,
        VERB_ATTACH,
        VERB_LIST,
        VERB_CONTAINERS,
        VERB_TOP,
        VERB_STATUS,
        VERB_SHOW,
        VERB_HISTORY,
        VERB_EVENTS,
        VERB_LOGS,
        VERB_REPLAY,
        VERB_RECORDINGS,
        VERB_KILL,
        VERB_WAIT,
        VERB_HELP,
        _VERB_MAX,
        _VERB_INVALID = -1,
} Verb;

/* A set of commands. */
#define VERB_BIT(verb) (UINT32_C(1) << (verb))
#define VERB_ALL       (VERB_BIT(_VERB_MAX) - 1)

typedef struct VerbRow {
        const char *name;
        const char *arguments; /* as the help shows them */
        int min, max;          /* arguments */
        bool has_command;      /* options end at the first argument; the rest belongs to the command */
        const char *summary;
} VerbRow;

extern const VerbRow verb_table[_VERB_MAX];

Verb verb_from_string(const char *name);
/* The command that is likely meant by an unknown name, or NULL. */
const char *verb_suggest(const char *name);
