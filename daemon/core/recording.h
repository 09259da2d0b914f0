/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One exec's output on its way to the recorder (core/recorder.h). Some of it waits in memory: until there is
 * enough for a write, or because the disk is slow. Then recording_has_room() says so, and the command waits as
 * for a slow client: nothing is left out. Output beyond the limits, or that does not fit on the disk, is not
 * recorded: the recording says so where it ends, and the command never notices.
 */

#include "core/recorder.h"
#include "wire/cast.h"
#include "wire/frame.h"

typedef struct Recording Recording;

typedef struct RecordingEvents {
        /* Once: nothing more is recorded, and why. `exists`: there is a file. */
        void (*on_over)(void *userdata, bool exists, const char *why);
        /* After recording_has_room() was false. */
        void (*on_room)(void *userdata);
        /* After recording_end(): the recording is on the disk under its name, or that takes longer than two
         * seconds. It is forgotten. */
        void (*on_closed)(void *userdata);
} RecordingEvents;

/* Begins now. `events` is weak. */
int recording_new(Recorder *c, const CastHeader *header, const RecordingEvents *events, void *userdata,
                  Recording **ret);
/* Goes on with one of an execd before. It began at `began` (CLOCK_MONOTONIC). */
int recording_resume(Recorder *c, const char *id, uid_t uid, bool tty, uint64_t began,
                     const RecordingEvents *events, void *userdata, Recording **ret);

bool recording_has_room(Recording *r);
void recording_output(Recording *r, FrameType type, const void *data, size_t size);
void recording_resize(Recording *r, uint16_t columns, uint16_t rows);
/* Sends all data that waits, so that it is in the file before the recorder answers the next question. */
void recording_flush(Recording *r);

/* Ends the recording. `interrupted`: execd exits, and further output is not recorded. */
void recording_end(Recording *r, bool interrupted);
bool recording_is_ending(const Recording *r);
/* Disables the callbacks. The recording ends by itself. */
void recording_forget(Recording *r);
/* Forgets the recording when execd exits, without an end: the next execd continues it. */
void recording_suspend(Recording *r);
