/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Recordings of terminal sessions: asciicast v2, a line of JSON with the header, and one for each event.
 * cast-write.c makes lines, cast-read.c takes them apart.
 *
 * A recording is UTF-8, and output need not be: bytes that are not part of a character become U+FFFD,
 * and a character that was cut between two reads is put together again. Control characters are escaped, so
 * that looking at the file does nothing to a terminal.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/refusal.h"

#define CAST_LINE_MAX (8 * 1024 * 1024) /* bytes of a line that is read */

typedef struct CastHeader {
        uint16_t columns, rows;
        uint64_t timestamp; /* seconds since 1970 */
        const char *command;
        const char *title;
        const char *term; /* NULL: there is no terminal */
        const char *exec_id;
        const char *container;
        const char *user; /* NULL: the container's */
        unsigned caller_uid;
        bool tty;
} CastHeader;

/* One stream of output between its pieces. */
typedef struct CastText {
        bool crlf; /* no terminal has made "\r\n" of "\n": a player needs it */
        uint8_t part[4];
        size_t n_part;
        uint8_t last;
} CastText;

void cast_put_header(Buf *b, const CastHeader *h);
/* No line when the piece completes no character. */
void cast_put_output(Buf *b, CastText *t, uint64_t usec, const void *data, size_t size);
/* The stream has ended: writes the rest of an incomplete character. */
void cast_put_output_end(Buf *b, CastText *t, uint64_t usec);
void cast_put_resize(Buf *b, uint64_t usec, uint16_t columns, uint16_t rows);
void cast_put_marker(Buf *b, uint64_t usec, const char *label);

typedef struct CastInfo {
        uint32_t columns, rows;
        uint64_t idle_limit_usec; /* UINT64_MAX: none is asked for */
        uint32_t caller_uid;      /* UINT32_MAX: it does not say */
} CastInfo;

/* Lines come without their newline. Each refusal says what is wrong with the line. */
int cast_read_header(const char *line, size_t size, CastInfo *ret, Refusal *reterr);

typedef struct CastEvent {
        uint64_t usec; /* since the beginning */
        char code;     /* 'o', 'i', 'm', 'r', or 0 for one that is not known */
        char *data;    /* owned, with a NUL added */
        size_t size;
} CastEvent;

int cast_read_event(const char *line, size_t size, CastEvent *ret, Refusal *reterr);
void cast_event_done(CastEvent *e);

/* The markers after which nothing more is recorded. */
#define CAST_TRUNCATED   "recording truncated"
#define CAST_INTERRUPTED "recording interrupted"

/* The time of the last of these whole lines, and whether it is such a marker. Neither is touched when the
 * last line is not an event, such as the header. */
void cast_look_at_end(const char *lines, size_t size, uint64_t *ret_usec, bool *ret_over);
