/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A client that waits for the end of an exec while execd is restarted or crashes gets its answer from the
 * next execd, which finds the connection in a slot and repeats the request.
 */

#include "api/http-keep.h"
#include "core/fdstore.h"

/* Gives all that wait to the server. */
void http_fdstore_done(StoredWaits *waits, HttpServer *s);

/* At the exit of execd: if it stops and is not restarted, the next execd must not answer its clients. */
void http_fdstore_leave(HttpServer *s);
