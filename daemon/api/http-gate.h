/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Some HTTP clients, docker-py among them, drop output that they receive together with the head of the
 * response. Their first byte of output is held back until the socket's send queue is empty, which shows that
 * the head has been read. Behind a proxy or a forwarded port it only shows that the proxy has read it: then
 * the first byte waits as long as such clients have lately taken to read an answer.
 */

#include "api/http-server.h"

/* Whether the client of this request may lose output that comes with the head. */
bool http_gate_is_needed(const HttpExchange *x);
/* How long the gate stays closed after the head was read, in microseconds, for the client that starts `e`. */
uint64_t http_gate_usec(const HttpExchange *x, const Exec *e);

/* Whether a Host header is from a client that only knows a Unix socket. NULL is accepted. */
bool http_host_is_local(const char *host);
