/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Errors as HTTP clients see them: the one place where refusals become statuses. The body serves two
 * contracts at once: {"message":…} is Docker's, {"success":false,"error":{"code","message"}} is our own.
 */

#include "api/http-server.h"

/* "VALIDATION_ERROR", "NOT_FOUND", … */
const char *http_error_code(unsigned status);

/* The JSON body with its newline, or NULL. */
char *http_error_body(const char *code, const char *message);

unsigned http_status_from_refusal(RefusalKind kind);

void http_reply_error(HttpExchange *x, unsigned status, const char *message);
/* Answers with a refusal; one of kind NONE is a fault, which the client sees as an internal error. */
void http_reply_refusal(HttpExchange *x, const Refusal *refusal);
