/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From a request's method and path to its handler. Paths match with a version prefix (/v1.33) or without
 * one; the version is checked after the route was found.
 */

#include "api/http-server.h"

#define HTTP_VERSION_MAX 1051
/* The release of Docker's engine that brought this version of the API. Clients find it where the engine's
 * release is: Ansible compares it, and would take execd's own version for a Docker that is too old for exec.
 * */
#define HTTP_ENGINE_VERSION "28.3.0"

/* Finds the handler and calls it, or answers with an error. */
void http_route(HttpExchange *x);

/* http-system.c */
int http_get_ping(HttpExchange *x, Refusal *reterr);
int http_get_version(HttpExchange *x, Refusal *reterr);
int http_get_info(HttpExchange *x, Refusal *reterr);

/* http-events.c */
int http_get_events(HttpExchange *x, Refusal *reterr);

/* http-stats.c */
int http_get_stats(HttpExchange *x, Refusal *reterr);

/* http-container.c */
int http_list_containers(HttpExchange *x, Refusal *reterr);
int http_get_container(HttpExchange *x, Refusal *reterr);
int http_get_top(HttpExchange *x, Refusal *reterr);

/* http-create.c */
int http_create_exec(HttpExchange *x, Refusal *reterr);

/* http-exec.c */
int http_get_exec(HttpExchange *x, Refusal *reterr);
int http_list_execs(HttpExchange *x, Refusal *reterr);
int http_resize_exec(HttpExchange *x, Refusal *reterr);
int http_kill_exec(HttpExchange *x, Refusal *reterr);
int http_wait_exec(HttpExchange *x, Refusal *reterr);

/* http-stream.c */
int http_start_exec(HttpExchange *x, Refusal *reterr);
int http_attach_exec(HttpExchange *x, Refusal *reterr);
int http_get_logs(HttpExchange *x, Refusal *reterr);

/* http-recording.c */
int http_get_recording(HttpExchange *x, Refusal *reterr);
