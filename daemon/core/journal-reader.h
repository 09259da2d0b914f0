/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finds execs that execd no longer has in memory in the journal. Only entries of our own count: anybody can
 * write an EXEC_ID into the journal, but not under our uid and unit.
 */

#include "base/buf.h"
#include "wire/frame.h"

/* How often was searched of late. */
typedef struct JournalReader {
        uint64_t second; /* CLOCK_MONOTONIC */
        unsigned n;      /* searches in it */
} JournalReader;

/* The record of its end (wire/exec-json: exec_json_read() takes it). -ENOENT when there is none, -EBUSY
 * when too much is being looked up: a search may have to read much of the journal. */
int journal_find_record(JournalReader *reader, const char *exec_id, char **ret);

/* The lines that a detached exec has written, oldest first, as frames or, `raw`, as they are. At most `max`
 * bytes; what is older is left out. */
int journal_read_output(JournalReader *reader, const char *exec_id, bool raw, bool want_stdout,
                        bool want_stderr, size_t max, Buf *ret);
