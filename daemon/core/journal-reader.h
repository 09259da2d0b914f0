/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finds execs that execd no longer has in memory in the journal. Only entries of our own count: anybody can
 * write an EXEC_ID into the journal, but not under our uid and unit. Helpers read the journal: it is on a disk, and
 * may be large.
 */

#include "core/budget.h"
#include "core/fetch.h"
#include "wire/exec-id.h"
#include "wire/frame.h"

/* Bytes of the record of an exec. */
#define JOURNAL_RECORD_MAX (256 * 1024)

/* Execs that were just searched for in vain. */
#define JOURNAL_UNKNOWN_MAX 16

typedef struct JournalUnknown {
        char exec_id[EXEC_ID_SIZE];
        uint64_t until; /* CLOCK_MONOTONIC */
} JournalUnknown;

/* How often was searched of late. */
typedef struct JournalReader {
        uint64_t second; /* CLOCK_MONOTONIC */
        Budget searches; /* in it */
        JournalUnknown unknown[JOURNAL_UNKNOWN_MAX];
        unsigned next_unknown;
} JournalReader;

void journal_reader_done(JournalReader *r);

/* Remembers for a second that the journal does not have an exec, so that repeated requests for it do not search the
 * journal each time. */
void journal_set_unknown(JournalReader *r, const char *exec_id);
bool journal_is_unknown(const JournalReader *r, const char *exec_id);

/* The record of its end (wire/exec-json: exec_json_read() takes it). The answer is -ENOENT when there is none.
 * A refusal when too much is being looked up: a search may have to read much of the journal. */
int journal_fetch_record(JournalReader *r, HelperPool *p, const char *exec_id, uid_t uid,
                         const FetchEvents *events, void *userdata, Fetch **ret, Refusal *reterr);

typedef struct JournalOutput {
        const char *exec_id;
        bool raw; /* the lines as they are, and not as frames */
        bool want_stdout, want_stderr;
        size_t max; /* bytes; older records are left out */
} JournalOutput;

/* Whether one more search is possible now for this user, which it counts. */
int journal_may_search(JournalReader *r, uid_t uid, Refusal *reterr);
/* For the helper: the lines that a detached exec has written, oldest first. */
void journal_read_output(int socket, void *output);
