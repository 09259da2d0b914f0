/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes that a helper reads from a disk for a client: first their number, then the bytes, as fast as the client
 * takes them. None of them are kept.
 */

#include "base/buf.h"
#include "core/helper.h"

typedef struct Fetch Fetch;

typedef struct FetchJob {
        /* In the child. It answers with fetch_answer(), once, and may end without that. */
        void (*run)(int socket, void *userdata);
        void *userdata;
        uid_t uid;
        int fd; /* as in HelperJob */
} FetchJob;

typedef struct FetchEvents {
        /* Once: how many bytes there are, or an error; -ETIMEDOUT after ten seconds. */
        void (*on_answer)(void *userdata, int error, uint64_t size);
        /* fetch_read() may have something again; after that it has an error at the latest. */
        void (*on_data)(void *userdata);
} FetchEvents;

/* `events` is weak. */
int fetch_new(HelperPool *p, const FetchJob *job, const FetchEvents *events, void *userdata, Fetch **ret,
              Refusal *reterr);
Fetch *fetch_free(Fetch *f);
DEFINE_CLEANUP(Fetch, fetch_free);

/* After the answer. As read(2): 0 at the end, -EAGAIN while nothing has come, and -ETIMEDOUT when nothing has
 * come for ten seconds. */
ssize_t fetch_read(Fetch *f, void *data, size_t size);

/* After the answer, and at each on_data(): 1 when all `size` bytes are in the buffer, 0 when more are to come. */
int fetch_collect(Fetch *f, Buf *b, uint64_t size);

/* For the child: an error, or how many bytes follow; and these. A reader who has left ends the child. */
void fetch_answer(int socket, int error, uint64_t size);
void fetch_write(int socket, const void *data, size_t size);
