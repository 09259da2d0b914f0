/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Preconditions of handlers; each of these functions answers the request if its condition is not met. */

#include "api/http-server.h"

/* The exec that the path names: goes on with next(x) when it is found, in x->exec, and the caller is authorized
 * for it. */
int http_need_exec(HttpExchange *x, AuthzAction action, const char *verb, HttpStep next, Refusal *reterr);

/* The container that the path names: goes on with next(x) when it is there, with x->container, and the caller
 * may inspect it. */
int http_need_container(HttpExchange *x, HttpStep next, Refusal *reterr);

/* The spawner has answered the call of x->slot; false if it refuses. */
bool http_need_answer(HttpExchange *x, sd_bus_message *answer);

/* Goes on with next(x) when the container of x->exec is there and not paused. */
int http_need_unpaused(HttpExchange *x, HttpStep next, Refusal *reterr);

/* For POST handlers: false if there is a body that is not JSON by its Content-Type. */
int http_need_json(HttpExchange *x, Refusal *reterr);
