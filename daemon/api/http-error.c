/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-error.h"

#include <string.h>

#include "base/characters.h"
#include "wire/json-build.h"

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

const char *http_error_code(unsigned status)
{
        switch (status) {
        case 403:
                return "FORBIDDEN";
        case 404:
                return "NOT_FOUND";
        case 409:
                return "CONFLICT";
        case 413:
        case 414:
        case 431:
                return "PAYLOAD_TOO_LARGE";
        case 429:
                return "LIMIT_EXCEEDED";
        case 501:
                return "NOT_IMPLEMENTED";
        case 503:
                return "UNAVAILABLE";
        case 505:
                return "VALIDATION_ERROR";
        default:
                return status < 500 ? "VALIDATION_ERROR" : "INTERNAL_ERROR";
        }
}

char *http_error_body(const char *code, const char *message)
{
        struct json_object *o = json_object_new_object(), *e = json_object_new_object();
        /* Texts may quote what a client sent. */
        _cleanup_free_ char *text = utf8_repaired(message);
        _cleanup_buf_ Buf b = BUF_INIT;
        char *body = NULL;

        message = text ?: "out of memory";
        json_add_text(o, "message", message);
        json_add_bool(o, "success", false);
        json_add_text(e, "code", code);
        json_add_text(e, "message", message);
        json_object_object_add(o, "error", e);
        json_write(&b, o);
        buf_append(&b, "\n", 2);
        json_object_put(o);
        if (buf_error(&b) >= 0)
                body = strdup(buf_head(&b));
        return body;
}
