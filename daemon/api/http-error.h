/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Errors as HTTP clients see them: the one place where refusals become statuses. The body serves two
 * contracts at once: {"message":…} is Docker's, {"success":false,"error":{"code","message"}} is our own.
 */

#include "base/refusal.h"

unsigned http_status_from_refusal(RefusalKind kind);

/* "VALIDATION_ERROR", "NOT_FOUND", … */
const char *http_error_code(unsigned status);
/* The JSON body with its newline, or NULL. */
char *http_error_body(const char *code, const char *message);
