/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes from one fd to another, or to two when they come in Docker's frames; never more held than one
 * buffer. */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"

#define PUMP_BUFFER (64 * 1024)

/* Where bytes go. Writing never blocks where that can be had without changing what others share. */
typedef struct Sink {
        int fd; /* owned where `owned` */
        bool owned;
        bool is_socket;
        bool broken; /* nobody reads there any more */
} Sink;

/* One of our own stdout and stderr. */
void sink_open(Sink *s, int fd);
void sink_done(Sink *s);

/* What the end of the input does to the output. */
typedef enum PumpEnd {
        PUMP_END_NOTHING,
        PUMP_END_CLOSE,    /* the last writer of a pipe goes */
        PUMP_END_SHUTDOWN, /* of a socket, which can still be read from */
        PUMP_END_CTRL_D,   /* what ends the input on a terminal */
} PumpEnd;

typedef struct Pump {
        int in;       /* weak; negative: this pump is not used */
        Sink *out[2]; /* weak; with frames: stdout and stderr */
        bool framed;
        PumpEnd end;
        bool at_end; /* of the input */
        bool done;   /* and all of it is written */
        bool failed; /* the input was no frames, or could not be read */

        uint8_t header[FRAME_HEADER_SIZE];
        size_t header_size;
        uint32_t frame_left;
        Sink *target; /* of the frame that is being read */
        size_t start, size;
        char last; /* byte that was written */
        char buffer[PUMP_BUFFER];
} Pump;

/* What to wait for: one fd. False when there is nothing to wait for any more. */
bool pump_wants(Pump *p, struct pollfd *ret);
/* After poll(): reads what is there and writes what can be written. */
void pump_turn(Pump *p, short revents);
/* All is written: passes the end on. */
void pump_finish(Pump *p);
