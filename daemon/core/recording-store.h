/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The directory of recordings: ID.cast for each exec that was recorded, ID.cast.partial while it is. Bounded
 * in all: when there is too much, the oldest goes of the user who has the most. An exec can be played back
 * for as long as its file is there. The recording of an exec that runs while execd is restarted continues in
 * its file; the next start completes the files that a crash has left.
 * Each function may wait for the disk: the recorder calls them (core/recorder.h), and not the loop.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/refusal.h"
#include "core/budget.h"

#define RECORDING_ID_SIZE 65    /* 64 hex digits and NUL */
#define RECORDINGS_MAX    16384 /* files that are kept, whatever their sizes */

typedef struct RecordingStoreOptions {
        const char *path;
        uint64_t size_max;  /* bytes of one recording; 0: any */
        uint64_t total_max; /* bytes of all; 0: any */
} RecordingStoreOptions;

typedef struct RecordingStore {
        RecordingStoreOptions options;
        char *path;   /* owned */
        int dir_fd;   /* owned; negative while it cannot be used */
        Budget bytes; /* of all files, by the uid whose exec it was */
        Budget files; /* finished ones */
        List kept;    /* finished ones, oldest first */
} RecordingStore;

RecordingStore *recording_store_new(const RecordingStoreOptions *options);
RecordingStore *recording_store_free(RecordingStore *s);
DEFINE_CLEANUP(RecordingStore, recording_store_free);

/* Opens the directory, if that was not done or could not be. 0, or a negative errno. */
int recording_store_open(RecordingStore *s);

/* Opens the file for reading, from its beginning to the last byte written so far. -ENOENT when there is none.
 */
int recording_store_read(RecordingStore *s, const char *id, int *ret_fd);

/* The ids of incomplete files, of any writer. */
int recording_store_find_partial(RecordingStore *s, char ***ret);

typedef struct RecordingListed {
        uint64_t size;
        int64_t finished; /* seconds since 1970 */
        char id[RECORDING_ID_SIZE];
} RecordingListed;

/* The complete recordings of a directory, oldest first. */
int recordings_list(const char *path, RecordingListed **ret, size_t *ret_n);

int recording_store_create(RecordingStore *s, const char *id, int *ret_fd);
/* One that was left unfinished, cut after its last whole line; *ret_last is that line's time, and *ret_over
 * whether it says that nothing more is recorded. -EWOULDBLOCK if another process writes it, unless its end is
 * waited for. */
int recording_store_reopen(RecordingStore *s, const char *id, bool wait, int *ret_fd, uint64_t *ret_size,
                           uid_t *ret_uid, uint64_t *ret_last, bool *ret_over);
/* Whether there is a whole one. */
bool recording_store_has(RecordingStore *s, const char *id);
/* Counts bytes that were written for a uid; false when that is too much and nothing is left to be removed for
 * it. */
bool recording_store_count(RecordingStore *s, uid_t uid, uint64_t size);
void recording_store_uncount(RecordingStore *s, uid_t uid, uint64_t size);
/* The file is whole (or, of no bytes, not worth keeping). */
int recording_store_keep(RecordingStore *s, const char *id, uid_t uid, uint64_t size);
