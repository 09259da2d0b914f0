/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/verb-table.h"

#include <string.h>

#include "base/cleanup.h"

const VerbRow verb_table[_VERB_MAX] = {
        [VERB_RUN] = {"run", "CONTAINER[,CONTAINER...] [--] COMMAND...", 2, INT32_MAX, true,
                      "Run a command in one or several containers"},
        [VERB_SHELL] = {"shell", "[USER@]CONTAINER[,CONTAINER...] [COMMAND...]", 1, INT32_MAX, true,
                        "Open a login shell, or run a command, on a terminal"},
        [VERB_ATTACH] = {"attach", "EXEC", 1, 1, false, "Join the streams of an exec"},
        [VERB_LIST] = {"list", "[CONTAINER]", 0, 1, false, "List execs"},
        [VERB_CONTAINERS] = {"containers", "", 0, 0, false, "List containers"},
        [VERB_TOP] = {"top", "[CONTAINER...]", 0, INT32_MAX, false, "Show what execs use"},
        [VERB_STATUS] = {"status", "EXEC...", 1, INT32_MAX, false, "Show an exec in detail"},
        [VERB_SHOW] = {"show", "[EXEC|CONTAINER...]", 0, INT32_MAX, false,
                       "Show properties of an exec, a container or execd, for programs"},
        [VERB_HISTORY] = {"history", "", 0, 0, false,
                          "Show what was done in containers, and what was refused"},
        [VERB_EVENTS] = {"events", "", 0, 0, false, "Show changes of execs and containers as they happen"},
        [VERB_LOGS] = {"logs", "EXEC", 1, 1, false, "Show the output of an exec that runs without a client"},
        [VERB_REPLAY] = {"replay", "EXEC|FILE", 1, 1, false, "Play back the recording of an exec"},
        [VERB_RECORDINGS] = {"recordings", "", 0, 0, false, "List recordings"},
        [VERB_KILL] = {"kill", "EXEC...", 1, INT32_MAX, false, "Send a signal to an exec"},
        [VERB_WAIT] = {"wait", "EXEC", 1, 1, false,
                       "Wait for the end of an exec; exit with its exit status"},
        [VERB_HELP] = {"help", "[COMMAND]", 0, 1, false, "Print the help, also of one command"},
};

Verb verb_from_string(const char *name)
{
        for (int i = 0; i < _VERB_MAX; i++)
                if (strcmp(verb_table[i].name, name) == 0)
                        return (Verb) i;
        return _VERB_INVALID;
}

/* The commands of docker and machinectl that users may type. */
static const char *known_elsewhere_as(const char *name)
{
        static const char *const names[][2] = {
                {"exec", "run"},
                {"login", "shell"},
                {"enter", "shell"},
                {"ps", "list"},
                {"ls", "list"},
                {"inspect", "show"},
                {"stats", "top"},
                {"stop", "kill"},
                {"terminate", "kill"},
                {"rm", "kill"},
                {"log", "logs"},
                {"audit", "history"},
                {"last", "history"},
                {"machines", "containers"},
                {"container", "containers"},
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i][0], name) == 0)
                        return names[i][1];
        return NULL;
}

#define NAME_MAX_COMPARED 16

/* How many characters are added, removed or replaced on the way from one name to the other; SIZE_MAX for one
 * that is too long to be a mistyped command. */
static size_t distance(const char *a, const char *b)
{
        size_t row[NAME_MAX_COMPARED + 1], n_a = strlen(a), n_b = strlen(b);

        if (n_a > NAME_MAX_COMPARED || n_b > NAME_MAX_COMPARED)
                return SIZE_MAX;
        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 1; i <= n_a; i++) {
                size_t before = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t replaced = before + (a[i - 1] != b[j - 1]);

                        before = row[j];
                        row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
                }
        }
        return row[n_b];
}

const char *verb_suggest(const char *name)
{
        const char *best = known_elsewhere_as(name);
        size_t least = 3;

        for (size_t i = 0; i < _VERB_MAX && !best; i++)
                if (*name && strncmp(verb_table[i].name, name, strlen(name)) == 0)
                        best = verb_table[i].name;
        for (size_t i = 0; i < _VERB_MAX && (!best || least < 3); i++) {
                size_t d = distance(name, verb_table[i].name);

                /* Of a short name half the characters are too many. */
                if (d < least && 2 * d < strlen(verb_table[i].name)) {
                        least = d;
                        best = verb_table[i].name;
                }
        }
        return best;
}
