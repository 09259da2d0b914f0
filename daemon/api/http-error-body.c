/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-error-body.h"

#include <json-c/json.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "wire/json-scan.h"

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
        json_object_object_add(o, "message", json_object_new_string(message));
        json_object_object_add(o, "success", json_object_new_boolean(false));
        json_object_object_add(e, "code", json_object_new_string(code));
        json_object_object_add(e, "message", json_object_new_string(message));
        json_object_object_add(o, "error", e);
        buf_puts(&b,
                 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        buf_append(&b, "\n", 2);
        json_object_put(o);
        if (buf_error(&b) >= 0)
                body = strdup(buf_head(&b));
        return body;
}
