/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/ctl.h"

typedef struct LogsView {
        const char *indent;                /* of lines among our own text, after an empty line; NULL: none */
        bool escape_stdout, escape_stderr; /* these are shown on a terminal */
} LogsView;

/* Prints the last `lines` (negative: all) of the output of an exec that the journal has, and with `follow`
 * further lines until its end; *ret_printed (may be NULL) is how many. */
int logs_print(const char *id, long lines, bool follow, const LogsView *view, size_t *ret_printed);
