/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An exec as one line of JSON (wire/exec-json), and back: for the state file and for the journal. */

#include "core/fdstore.h"

int exec_serialize(const Exec *e, char **ret);

/* Makes the exec and gives it to the manager; *ret is weak. One that ran is made only with its fds. */
int exec_restore_line(Manager *m, const char *line, FdStore *h, Exec **ret);

/* By its full id, from the record of its end in the journal. Weak; NULL when there is none. */
Exec *exec_restore_from_journal(Manager *m, const char *id);
