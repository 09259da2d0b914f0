/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an error says. The body serves two contracts at once: {"message":…} is Docker's,
 * {"success":false,"error":{"code","message"}} is our own.
 */

/* "VALIDATION_ERROR", "NOT_FOUND", … */
const char *http_error_code(unsigned status);

/* The JSON body with its newline, or NULL. */
char *http_error_body(const char *code, const char *message);
