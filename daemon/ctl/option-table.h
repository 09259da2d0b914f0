/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of execctl: which commands take each, and the texts of their help. */

#include "ctl/verb-table.h"

enum {
        OPTION_PRIVILEGED = 0x100,
        OPTION_LABEL,
        OPTION_ON_DISCONNECT,
        OPTION_DETACH_KEYS,
        OPTION_ENV_FILE,
        OPTION_RECORD,
        OPTION_SINCE,
        OPTION_UNTIL,
        OPTION_CONTAINER,
        OPTION_STATE,
        OPTION_CALLER,
        OPTION_VALUE,
        OPTION_SPEED,
        OPTION_IDLE_LIMIT,
        OPTION_NO_WAIT,
        OPTION_RAW,
        OPTION_JSON,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_NO_ASK_PASSWORD,
        OPTION_VERSION,
};

typedef struct OptionRow {
        int value;            /* its letter, or one of the numbers above */
        const char *name;     /* NULL for a letter alone */
        const char *argument; /* as the help shows it; NULL where the option takes none */
        uint32_t verbs;       /* VERB_BIT() of each command that takes the option */
        const char *help;     /* NULL where another row has it */
} OptionRow;

extern const OptionRow option_table[];
extern const size_t option_table_size;
