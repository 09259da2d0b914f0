/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd exits when idle, but ended execs can be inspected for some minutes after that. Before it exits, it writes
 * them to a file in /run, a JSON record a line; the next execd reads them back. Running execs are
 * not in it, since /run may be full (core/fdstore). The file is our own, yet a line that does not parse is
 * skipped and not trusted further.
 */

#include "core/fdstore.h"

typedef struct Manager Manager;

int state_file_save(Manager *m);
/* With output that their clients have not read yet. If there is none, the manager has them read
 * when it needs them: reading a thousand of them would hold up the first request. */
int state_file_load(Manager *m, FdStore *h);
