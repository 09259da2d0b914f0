/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The system journal of this host. */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-journal.h>

#include "base/cleanup.h"

/* The unit that execd's own records are of. Anybody may write EXEC_ID=…, but journald itself names the unit.
 */
#define JOURNAL_UNIT_MATCH "_SYSTEMD_UNIT=execd.service"

void journal_closep(sd_journal **j);
#define _cleanup_journal_ _cleanup_(journal_closep)

int journal_open(sd_journal **ret);
/* False where this user sees nothing of the system journal. */
bool journal_is_readable(sd_journal *j);
bool journal_get_field(sd_journal *j, const char *field, const char **ret, size_t *ret_size);
