/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-error: a refusal as a client sees it, in both contracts. */

#include "api/http-error.h"
#include "unit/test.h"

int main(void)
{
        static const struct {
                RefusalKind kind;
                unsigned status;
                const char *code;
        } rows[] = {
                {REFUSAL_BAD_REQUEST, 400, "VALIDATION_ERROR"},
                {REFUSAL_DENIED, 403, "FORBIDDEN"},
                {REFUSAL_NO_CONTAINER, 404, "NOT_FOUND"},
                {REFUSAL_NO_EXEC, 404, "NOT_FOUND"},
                {REFUSAL_NOT_RUNNING, 409, "CONFLICT"},
                {REFUSAL_CONFLICT, 409, "CONFLICT"},
                {REFUSAL_TOO_LARGE, 413, "PAYLOAD_TOO_LARGE"},
                {REFUSAL_LIMIT, 429, "LIMIT_EXCEEDED"},
                {REFUSAL_BUSY, 503, "UNAVAILABLE"},
                {REFUSAL_UNSUPPORTED, 501, "NOT_IMPLEMENTED"},
                {REFUSAL_UNAVAILABLE, 503, "UNAVAILABLE"},
                {REFUSAL_INTERNAL, 500, "INTERNAL_ERROR"},
                {REFUSAL_NONE, 500, "INTERNAL_ERROR"},
                {_REFUSAL_MAX, 500, "INTERNAL_ERROR"},
        };
        _cleanup_free_ char *body = http_error_body("NOT_FOUND", "no \"x\"\n\xff");

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_ROW(rows[i].code, http_status_from_refusal(rows[i].kind) == rows[i].status);
                CHECK_TEXT(rows[i].code, http_error_code(rows[i].status), rows[i].code);
        }
        CHECK_TEXT("414", http_error_code(414), "PAYLOAD_TOO_LARGE");
        CHECK_TEXT("505", http_error_code(505), "VALIDATION_ERROR");
        CHECK_TEXT("418", http_error_code(418), "VALIDATION_ERROR");
        CHECK_TEXT(
                "body", body,
                "{\"message\":\"no \\\"x\\\"\\n\xef\xbf\xbd\",\"success\":false,\"error\":{\"code\":\"NOT_FOUND\","
                "\"message\":\"no \\\"x\\\"\\n\xef\xbf\xbd\"}}\n");
        return test_finish("http-error");
}
