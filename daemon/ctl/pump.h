/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes from one fd to another, or to two when they come in Docker's frames; never more held than one
 * buffer.
 *
 * A pump that may splice moves what a command writes from its pipe to where it goes, with one splice(2) for
 * as much as there is. Other bytes are copied. So is all that goes into a container: a file that is spliced
 * into a pipe is there with the pages of the host's page cache. Readers of a pipe cannot write to them, but
 * for bugs of the kernel such as Dirty Pipe (CVE-2022-0847). Such a bug, with pages of the host in the hands
 * of a command, would be a way out of the container, for the price of a copy.
 *
 * The price: 0.3 s of processor time for a GiB from the page cache into a pipe, against 0.07 s by splice(2),
 * of which allocating the pages of the pipe is a large part. read(2) and write(2) with 64 KiB to 512 KiB,
 * pipes of 64 KiB to 1 MiB, and mmap(2) with write(2), which saves one of the two copies, all cost between
 * 0.25 s and 0.45 s (Linux 6.18, 1 GiB of random bytes).
 */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"

#define PUMP_BUFFER    (128 * 1024)
#define PUMP_PIPE_SIZE (1024 * 1024)

/* Where bytes go. Writing never blocks where that can be had without changing what others share. */
typedef struct Sink {
        int fd; /* owned where `owned` */
        bool owned;
        bool is_socket;
        bool tells_end;  /* poll(2) reports when it no longer has a reader */
        bool can_splice; /* splice(2) writes there and does not block */
        bool broken;     /* nothing more can be written there */
        bool lost;       /* and something should have been */
        int error;       /* why it is broken; 0: the reader has left */
} Sink;

/* One of our own stdout and stderr. */
void sink_open(Sink *s, int fd);
/* The end of a pipe that is ours alone. */
void sink_take(Sink *s, int fd);
void sink_done(Sink *s);

/* The effect of the end of the input on the output. */
typedef enum PumpEnd {
        PUMP_END_NOTHING,
        PUMP_END_CLOSE,    /* the last writer of a pipe goes */
        PUMP_END_SHUTDOWN, /* of a socket, which can still be read from */
        PUMP_END_CTRL_D,   /* the byte that ends the input on a terminal */
} PumpEnd;

typedef struct Pump {
        int in;       /* owned where `owned`; negative: this pump is not used */
        bool owned;   /* closed when nothing more is taken from it, which its writer notices */
        Sink *out[2]; /* weak; with frames: stdout and stderr */
        bool framed;
        bool may_splice;
        PumpEnd end;
        bool at_end;   /* of the input */
        bool done;     /* and all of it is written */
        bool bad;      /* the input was no frames */
        int error;     /* the input could not be read */
        bool held;     /* the sink takes nothing at the moment */
        uint64_t owed; /* bytes that were in the input when it was asked for, and are not written yet */

        uint8_t header[FRAME_HEADER_SIZE];
        size_t header_size;
        uint32_t frame_left;
        Sink *target; /* of the frame that is being read */
        size_t start, size;
        char last; /* byte that was written */
        char buffer[PUMP_BUFFER];
} Pump;

/* Sets the entries to wait for. Returns their number, or 0 if there is nothing left to wait for. */
size_t pump_wants(Pump *p, struct pollfd ret[static 2]);
/* After poll(), with those entries: moves all bytes that are available and fit. */
void pump_turn(Pump *p, const struct pollfd *fds, size_t n);
/* All is written: passes the end on. */
void pump_finish(Pump *p);
/* Bytes that have been read or can be. */
uint64_t pump_available(const Pump *p);
void pump_close(Pump *p);
