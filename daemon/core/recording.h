/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One exec's output on its way into a file (wire/cast has the format). Taking it costs no more than putting
 * it into a buffer; the buffer is written when there is a chunk of it or a moment has passed, and a disk that
 * is slow is let alone for a while after each write. Output that does not fit then or exceeds the limits is
 * not recorded: the recording says so at its end, and the command never notices.
 */

#include "core/recording-store.h"
#include "wire/cast.h"
#include "wire/frame.h"

#define RECORDING_BUFFER_MAX (1024 * 1024) /* bytes that wait to be written */

typedef struct Recording {
        RecordingStore *store; /* weak */
        ListNode node;
        char id[RECORDING_ID_SIZE];
        uid_t uid; /* whose exec it is */
        int fd;    /* owned */
        Buf buffer;
        CastText texts[2]; /* stdout and stderr */
        uint64_t began;    /* CLOCK_MONOTONIC */
        uint64_t written;  /* bytes in the file */
        uint64_t lines;    /* of those, the bytes of whole lines */
        uint64_t rests_until;
        sd_event_source *timer;
        bool armed;
        bool over;    /* nothing more is taken */
        bool closing; /* and the file is closed once all is written */
        void (*on_truncated)(void *userdata, const char *why);
        void *userdata;
} Recording;

/* Begins now. `on_truncated` is called once if some output cannot be recorded. */
int recording_new(RecordingStore *s, const CastHeader *header, void (*on_truncated)(void *, const char *),
                  void *userdata, Recording **ret);

void recording_output(Recording *r, FrameType type, const void *data, size_t size);
void recording_resize(Recording *r, uint16_t columns, uint16_t rows);

/* Its end; the rest is written at once unless the disk is slow. `interrupted`: execd leaves, and what
 * comes after it is not recorded. The recording is the store's from here on. */
void recording_end(Recording *r, bool interrupted);

/* execd leaves, and is to go on with it: the file stays as it is. */
void recording_suspend(Recording *r);
/* Goes on with one that was suspended, or cut off by a crash. The time goes on from its last event, or from
 * where recording_set_elapsed() says. -EWOULDBLOCK when another process writes it. */
int recording_resume(RecordingStore *s, const char *id, bool tty, void (*on_truncated)(void *, const char *),
                     void *userdata, Recording **ret);
void recording_set_elapsed(Recording *r, uint64_t usec);

/* The file to be read, from its beginning: what has been written of it so far, which is all of it unless the
 * disk is slow. -ENOENT when there is none. */
int recording_read(RecordingStore *s, const char *id, int *ret_fd);

/* At start-up, when what is to be recorded on has its file: closes off the others that are not whole. */
void recordings_recover(RecordingStore *s);
/* Writes and closes all, whatever time that takes; before the store is freed. */
void recordings_close(RecordingStore *s);
