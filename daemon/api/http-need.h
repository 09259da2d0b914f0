/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Preconditions of handlers; each of these functions answers the request if its condition is not met. */

#include "api/http-server.h"

/* The exec that the path names, also put into x->exec; NULL if it does not exist. */
Exec *http_need_exec(HttpExchange *x);

/* Goes on with next(x) when the container of x->exec is there and not paused. */
void http_need_unpaused(HttpExchange *x, void (*next)(HttpExchange *x));

/* For POST handlers: false if there is a body that is not JSON by its Content-Type. */
bool http_need_json(HttpExchange *x);
