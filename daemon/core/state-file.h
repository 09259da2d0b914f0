/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd leaves when idle, but an ended exec can be looked at for some minutes after that: on the way out
 * those are written to a file in /run, a JSON record a line, and read back on the way in. Running execs are
 * not in it, since /run may be full (core/fdstore). The file is our own, yet a line that does not parse is
 * skipped and not trusted further.
 */

#include "core/fdstore.h"

typedef struct Manager Manager;

int state_file_save(Manager *m);
/* With what their clients have not read yet. If there is nothing of that, the manager has them read
 * when it needs them: reading a thousand of them would hold up the first request. */
int state_file_load(Manager *m, FdStore *h);
