/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client of the HTTP server over a socket of the test, around the world of tests/unit/core. */

#include "api/http-connection.h"
#include "unit/core/world.h"

typedef struct HttpWorld {
        World *world;
        HttpServer *server;
        int client; /* negative when there is no connection */
        char answer[256 * 1024];
        size_t size;
} HttpWorld;

HttpWorld *http_world_new(void);
HttpWorld *http_world_free(HttpWorld *h);
DEFINE_CLEANUP(HttpWorld, http_world_free);

/* Connects anew, as somebody whom the kernel names root or another user. */
void http_connect(HttpWorld *h, uid_t uid);

void http_send(HttpWorld *h, const char *text);
/* Reads what there is, and says whether a whole answer with a Content-Length has come. */
bool http_is_answered(HttpWorld *h);
/* Both: a request without a body, by root on a new connection, to which the answer comes without anybody's
 * help. Returns its status. */
unsigned http_ask(HttpWorld *h, const char *method, const char *target);
unsigned http_status(const HttpWorld *h);
const char *http_body(const HttpWorld *h);
/* The value of a header with this name, "" for none. */
const char *http_header(const HttpWorld *h, const char *name);
/* Forgets the answer. */
void http_next(HttpWorld *h);
