/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-error.h"

#include <string.h>

#include "api/http-error-body.h"

static const unsigned statuses[_REFUSAL_MAX] = {
        [REFUSAL_NONE] = 500,         [REFUSAL_BAD_REQUEST] = 400,  [REFUSAL_DENIED] = 403,
        [REFUSAL_NO_CONTAINER] = 404, [REFUSAL_NO_EXEC] = 404,      [REFUSAL_NOT_RUNNING] = 409,
        [REFUSAL_CONFLICT] = 409,     [REFUSAL_TOO_LARGE] = 413,    [REFUSAL_LIMIT] = 429,
        [REFUSAL_BUSY] = 503,         [REFUSAL_UNSUPPORTED] = 501,  [REFUSAL_UNAVAILABLE] = 503,
        [REFUSAL_NOT_FOUND] = 400,    [REFUSAL_NOT_RUNNABLE] = 400, [REFUSAL_INTERNAL] = 500,
};

unsigned http_status_from_refusal(RefusalKind kind)
{
        return (unsigned) kind < _REFUSAL_MAX ? statuses[kind] : 500;
}

void http_reply_error(HttpExchange *x, unsigned status, const char *message)
{
        _cleanup_free_ char *body = http_error_body(http_error_code(status), message);

        http_reply(x, status, "application/json", body, body ? strlen(body) : 0);
}

void http_reply_refusal(HttpExchange *x, const Refusal *refusal)
{
        if (refusal->kind == REFUSAL_BUSY)
                http_add_header(x, "Retry-After: 1");
        http_reply_error(x, http_status_from_refusal(refusal->kind), refusal->message ?: "internal error");
}
