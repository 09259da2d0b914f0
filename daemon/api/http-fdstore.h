/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A client that waits for the end of an exec while execd is restarted or crashes gets its answer from the
 * next execd: systemd stores the connection under a name that contains the request, and the next execd
 * repeats the request.
 */

#include "api/http-keep.h"

typedef struct HttpWait {
        int fd; /* owned */
        char exec_id[EXEC_ID_SIZE];
        char name[HTTP_KEEP_NAME_SIZE];
        bool close; /* after the answer */
} HttpWait;

typedef struct HttpFdStore {
        HttpWait *waits;
        size_t n_waits;
} HttpFdStore;

/* Takes an fd that systemd passed under this name. False when the name is not one of ours: then the fd is
 * still the caller's. */
bool http_fdstore_add(HttpFdStore *h, const char *name, int fd);

/* Gives them all to the server, and has systemd forget them. */
void http_fdstore_done(HttpFdStore *h, HttpServer *s);

/* At the end: before a stop, nobody is to be answered by another execd. Otherwise waits until systemd has
 * all. */
void http_fdstore_leave(HttpServer *s);
