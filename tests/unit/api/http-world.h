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

/* Connects anew, as root or as another user, according to the kernel. */
void http_connect(HttpWorld *h, uid_t uid);
/* The same, while others are at work. */
void http_connect_beside(HttpWorld *h, uid_t uid);

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

/* A request with a body of JSON on the connection there is. */
void http_post(HttpWorld *h, const char *target, const char *body);
/* By root on a new connection; what it asks the spawner is pending then. */
void http_ask_spawner(HttpWorld *h, const char *method, const char *target, const char *call);
/* Waits for the call GetContainer, and answers it: a machine named "web", which is in this state. */
void http_answer_container(HttpWorld *h, const char *state);
/* An exec of root's, created by POST /containers/web/exec with this body. It lives until the end of the test.
 * Earlier records of the journal are skipped. */
Exec *http_create(HttpWorld *h, const char *body);
/* Waits until the spawner gets the call that starts an exec; if the exec was not created just now, its container is
 * looked at before. */
void http_await_start(HttpWorld *h);
/* Starts it without a client. The caller ends the command with command_done(). */
void http_start_detached(HttpWorld *h, Exec *e, Command *ret);
