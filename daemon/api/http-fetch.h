/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers that a helper reads from a disk: piece by piece as the client takes them, never held whole. */

#include "api/http-server.h"
#include "core/fetch.h"

/* Answers with the data that the job reads, or 503 and `failure`. 0, or a refusal that is yet to be sent. */
int http_fetch(HttpExchange *x, const FetchJob *job, const char *content_type, const char *failure,
               Refusal *reterr);

/* For the exchange, when it is over. */
void http_fetch_free(HttpFetch *f);
