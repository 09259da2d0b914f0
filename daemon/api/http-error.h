/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errors as HTTP clients see them: the one place where refusals become statuses. */

#include "api/http-server.h"

unsigned http_status_from_refusal(RefusalKind kind);

void http_reply_error(HttpExchange *x, unsigned status, const char *message);
/* Answers with a refusal; one of kind NONE is a fault, which the client sees as an internal error. */
void http_reply_refusal(HttpExchange *x, const Refusal *refusal);
