/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checks whether the caller may do what a parsed request asks for. */

#include "api/http-server.h"
#include "core/authz.h"

/* Goes on with next(x) when it is allowed, at once or later; else answers 403. The peer is the client. */
void http_authorize(HttpExchange *x, const AuthzQuestion *q, void (*next)(HttpExchange *x));

/* For looking at a container, or with NULL at all of them. */
void http_authorize_inspect(HttpExchange *x, const ContainerInfo *c, void (*next)(HttpExchange *x));

/* The same, but next(x) is called in any case; x->may_see_all is the verdict. */
void http_ask_inspect(HttpExchange *x, void (*next)(HttpExchange *x));
