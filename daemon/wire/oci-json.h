/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading the JSON of runtimes and engines. Functions that read a member return -ENOENT if the object has no
 * such member of that kind, and -EBADMSG if its value is malformed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/refusal.h"
#include "wire/json-scan.h"

#define OCI_JSON_DEPTH 64

/* Refuses the text: `what` is missing or not valid. */
int oci_bad(Refusal *reterr, const char *what);

/* Scans a text of at most `max` bytes whose value must be of this kind. */
int oci_json_scan(const char *json, size_t size, size_t max, JsonKind kind, JsonSpan *ret, Refusal *reterr);

/* Whether a string span is this text, which needs no escapes. */
bool oci_json_is(const JsonSpan *string, const char *text);

int oci_member(const JsonSpan *object, const char *name, JsonKind kind, JsonSpan *ret);

/* Texts are owned and hold no NUL. */
int oci_text(const JsonSpan *value, char **ret);
int oci_member_text(const JsonSpan *object, const char *name, char **ret);

int oci_number(const JsonSpan *value, uint64_t max, uint64_t *ret);
int oci_member_number(const JsonSpan *object, const char *name, uint64_t max, uint64_t *ret);
/* An id of the kernel. Leaves *ret alone if the object has none. */
int oci_member_number_or(const JsonSpan *object, const char *name, uint64_t *ret);

/* "2026-11-24T16:36:30.343607322Z", or with an offset. */
int oci_member_time(const JsonSpan *object, const char *name, uint64_t *ret_usec);
