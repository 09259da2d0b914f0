/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The messages between execd and its recorder: a RecorderMessage, and after it bytes or a text. */

#include <stdint.h>

#include "core/recording-store.h"

#define RECORDER_DATA_MAX (64 * 1024)

/* The number of bytes of a recording that the recorder has not written yet, at most, and the number after
 * which it reports progress. */
#define RECORDER_WINDOW (256 * 1024)
#define RECORDER_ACK    (64 * 1024)

typedef enum RecorderType {
        /* To the recorder. */
        RECORDER_LIMITS,  /* value: bytes of one recording; total: of all */
        RECORDER_PROBE,   /* a question: can recordings be written? */
        RECORDER_OPEN,    /* a question: the file of an exec */
        RECORDER_RECOVER, /* finishes the files that no process writes any longer */
        RECORDER_NEW,     /* a recording, which began at value; its header follows */
        RECORDER_RESUME,  /* one that was begun by an execd before */
        RECORDER_DATA,    /* bytes follow */
        RECORDER_END,     /* the last of them follow; it gets its name */
        RECORDER_SUSPEND, /* the last of them follow; the next execd goes on with it */

        /* From it. */
        RECORDER_ANSWER,  /* to a question: an error, or the size of the file, which is passed */
        RECORDER_WRITTEN, /* value: so many more bytes */
        RECORDER_OVER,   /* nothing more is recorded, with the reason; an error if there is no file at all */
        RECORDER_CLOSED, /* after RECORDER_END and RECORDER_SUSPEND */
} RecorderType;

typedef struct RecorderMessage {
        uint32_t type;
        int32_t error;
        uint64_t ref; /* of a recording, or of a question */
        uint64_t value, total;
        uint32_t uid;
        char id[RECORDING_ID_SIZE];
} RecorderMessage;
