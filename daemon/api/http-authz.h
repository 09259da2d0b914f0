/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checks whether the caller is authorized for a parsed request. */

#include "api/http-server.h"
#include "core/authz.h"

/* Goes on with next(x) when it is allowed, at once or later; else answers 403. The peer is the client. */
int http_authorize(HttpExchange *x, const AuthzQuestion *q, HttpStep next, Refusal *reterr);

/* For looking at a container, or with NULL at all of them. */
int http_authorize_inspect(HttpExchange *x, const ContainerInfo *c, HttpStep next, Refusal *reterr);

/* The same, but next(x) is called in any case; x->may_see_all is the verdict. */
int http_ask_inspect(HttpExchange *x, HttpStep next, Refusal *reterr);
