/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections that outlive execd: their clients wait for the end of an exec. Each is in a slot (core/slot.h), and
 * systemd need not be asked for it.
 */

#include "api/http-server.h"

/* All together, and of one user. */
#define HTTP_KEEP_MAX         1024
#define HTTP_KEEP_PER_UID_MAX 512

/* From now on a slot has the connection of an exchange that waits for x->exec, which runs. */
void http_keep(HttpExchange *x);
/* Empties the slot: the exchange is about to be answered, or its client has disconnected. */
void http_keep_forget(HttpExchange *x);
/* Leaves the slot to the next execd, which answers the exchange. */
void http_keep_leave(HttpExchange *x);
