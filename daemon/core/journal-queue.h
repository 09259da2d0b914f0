/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records on their way to the journal, in order. A record is written at once where the journal takes it;
 * otherwise it waits in a queue until journald reads again, and the loop goes on meanwhile. An act that must
 * not happen unrecorded waits with its record, for a bounded time. The queue is bounded: if it is full,
 * acts are refused, and it takes only records of the end of acts that were allowed.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/journal.h"

/* How long an act waits for its record to be written. */
#define JOURNAL_WAIT_SEC 5

/* Records that wait: of acts, and in all. Of each exec there are a few, which do not count as acts. */
#define JOURNAL_ACTS_MAX    1024
#define JOURNAL_RECORDS_MAX 32768

/* From so many bytes on, records omit fields that are only for convenience. */
#define JOURNAL_BYTES_LEAN (4 * 1024 * 1024)

typedef struct JournalQueue JournalQueue;
typedef struct JournalRecord JournalRecord;

/* 0: the record is written. Negative: it will not be, and the record is gone. The callback may free the
 * wait, which is over. */
typedef void (*journal_written_t)(void *userdata, int error);

JournalQueue *journal_queue_new(sd_event *event, const char *path);
JournalQueue *journal_queue_free(JournalQueue *q);
DEFINE_CLEANUP(JournalQueue, journal_queue_free);

/* Writes now or later; the bytes are taken, also on failure. -ENOBUFS when the queue is full: for an `act`
 * earlier than for others. */
int journal_queue_add(JournalQueue *q, Buf *record, bool act);

/* For an act that must not begin before its record is written. 1: it is, and there will be no callback. 0: *ret
 * is set and the callback will come. */
int journal_queue_wait(JournalQueue *q, Buf *record, journal_written_t callback, void *userdata,
                       JournalRecord **ret);
/* The record is no longer needed, and is dropped. */
JournalRecord *journal_wait_free(JournalRecord *r);
DEFINE_CLEANUP(JournalRecord, journal_wait_free);

/* Records wait: execd stays. */
bool journal_queue_is_empty(const JournalQueue *q);
/* The journal has not taken a record for some time. Requests that would have to wait for it are better refused. */
bool journal_queue_is_stuck(JournalQueue *q);
/* Bytes that wait are many. */
bool journal_queue_is_lean(const JournalQueue *q);

/* At exit, after the loop: writes waiting records, for at most so long. Returns the number of lost
 * records. */
size_t journal_queue_flush(JournalQueue *q, uint64_t usec);
