/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections that systemd has as well, so that they outlive execd: those of clients that wait for the end of
 * an exec. The name contains the request: a prefix, the ID of the exec, and a number that makes the name
 * unique.
 */

#include "api/http-server.h"

#define HTTP_KEEP_MAX         1024
#define HTTP_KEEP_NAME        "wait-kept-"
#define HTTP_KEEP_NAME_CLOSED "wait-closed-" /* after the answer */
#define HTTP_KEEP_NAME_SIZE   (sizeof(HTTP_KEEP_NAME_CLOSED) + EXEC_ID_SIZE + 21)

/* From now on systemd has the connection of an exchange that waits for x->exec, which runs. */
void http_keep(HttpExchange *x);
/* No longer: before it is answered, or because the client has gone. */
void http_keep_forget(HttpExchange *x);
void http_keep_forget_name(const char *name);
