/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One recording as a file (wire/cast has the format), for the recorder: everything here may wait for the disk.
 * Output that exceeds the limits, or does not fit on the disk, is not recorded: the file ends with its last
 * complete line and a marker that says so.
 */

#include "core/recording-store.h"

typedef struct RecordingFile {
        RecordingStore *store; /* weak */
        ListNode node;         /* the recorder's */
        uint64_t ref;          /* the recorder's */
        uint64_t unacked;      /* the recorder's */
        char id[RECORDING_ID_SIZE];
        uid_t uid;        /* whose exec it is */
        int fd;           /* owned */
        uint64_t began;   /* CLOCK_MONOTONIC */
        uint64_t written; /* bytes in the file */
        uint64_t lines;   /* of those, the bytes of whole lines */
        bool over;        /* nothing more is taken */
        bool is_complete; /* it had been finished before it was resumed */
} RecordingFile;

int recording_file_new(RecordingStore *s, const char *id, uid_t uid, uint64_t began, RecordingFile **ret);
/* Goes on with one that was suspended, or cut off by a crash; the time goes on from its last event. Of the process
 * that was writing it, the end is waited for, or it is -EWOULDBLOCK. */
int recording_file_resume(RecordingStore *s, const char *id, bool wait, RecordingFile **ret);

/* True if nothing more is recorded from here on: then with the reason. */
bool recording_file_write(RecordingFile *f, const char *data, size_t size, char **ret_why);

/* Each of these frees it: under its final name, or as it is. */
int recording_file_end(RecordingFile *f);
void recording_file_suspend(RecordingFile *f);

/* Closes off those that are not whole. How many another process still writes, or an error. */
int recording_files_recover(RecordingStore *s);
