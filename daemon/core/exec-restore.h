/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Restores an exec from its line of JSON (core/exec-serialize). */

#include "core/fdstore.h"

typedef struct Manager Manager;

/* Makes the exec and gives it to the manager; *ret is weak. A running exec is restored only if its file
 * descriptors are in the store. */
int exec_restore_line(Manager *m, const char *line, FdStore *h, Exec **ret);

/* The execs that ran, all but those that the manager knows already. */
void exec_restore_stored(Manager *m, FdStore *h);

/* From the record of its end in the journal. Weak; NULL if it is not one of the exec with this id. */
Exec *exec_restore_ended(Manager *m, const char *id, const char *record);
