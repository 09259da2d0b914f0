/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who waits for the end of an exec while execd is restarted is answered by the next execd: the connection is
 * left with systemd under a name that says what was asked, and is asked again on the way in.
 */

#include "api/http-server.h"

#define HTTP_WAITS_MAX 1024

typedef struct HttpWait {
        int fd; /* owned */
        char exec_id[EXEC_ID_SIZE];
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

/* Leaves those that wait for an exec which is `stored` with systemd. Blocks until systemd has them. */
void http_fdstore_store(const HttpServer *s);
