/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strict JSON (RFC 8259) taken apart into spans, in the order of the document and with nothing lost. json-c
 * cannot give what Docker's rules need: it lets raw control characters, NaN and the like pass, folds
 * repeated keys into one, cuts a key at a NUL, and garbles some characters that are escaped as a pair of
 * surrogates.
 *
 * Messages are "invalid JSON: " and the text of the Go decoder, as Docker's clients know them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/refusal.h"

typedef enum JsonKind {
        JSON_KIND_NULL,
        JSON_KIND_BOOL,
        JSON_KIND_NUMBER,
        JSON_KIND_STRING,
        JSON_KIND_ARRAY,
        JSON_KIND_OBJECT,
        _JSON_KIND_MAX,
} JsonKind;

/* One value in a text that the span does not own; a checked span is syntactically whole. */
typedef struct JsonSpan {
        const char *text;
        size_t size;
        JsonKind kind;
} JsonSpan;

const char *json_kind_to_string(JsonKind kind); /* "null", "bool", "number", "string", "array", "object" */

/* Nesting that can be asked for. */
#define JSON_DEPTH_MAX 64

typedef struct JsonMember {
        JsonSpan key, value;
} JsonMember;

/* A text that is being checked in steps. */
typedef struct JsonScan {
        const char *text, *p, *pause, *end;
        unsigned depth, max_depth;
        unsigned state;
        uint64_t objects; /* a bit for each open level: it is an object */
        size_t n_values;
        JsonSpan value, key, member; /* the whole; in an object at the top, the last key and value */
        Refusal *reterr;
        /* Set by the caller, if he likes: how many values there may be, and room for the members of an object at the top. */
        size_t values_max;
        JsonMember *members;
        size_t n_members, members_max;
} JsonScan;

void json_scan_begin(JsonScan *s, const char *json, size_t size, unsigned max_depth);
/* Goes on for about so many bytes. 1: the text is one value with nothing but white space around it; 0: there is more to
 * check. A refusal is BAD_REQUEST, or TOO_LARGE for more values or members than there may be. */
int json_scan_step(JsonScan *s, size_t bytes, Refusal *reterr);

/* Both in one step. */
int json_scan(const char *json, size_t size, unsigned max_depth, JsonSpan *ret, Refusal *reterr);

/* Walks a checked array or object. `*position` starts as 0. In an array *ret_key is left alone and may be
 * NULL. False at the end. */
bool json_span_next(const JsonSpan *container, size_t *position, JsonSpan *ret_key, JsonSpan *ret_value);

/* Decodes a checked string span: owned bytes with a NUL added. Invalid UTF-8 and lone surrogates become
 * U+FFFD, one for each byte or surrogate. 0, -ENOMEM, or -EBADMSG for a span that is not a string. */
int json_span_string(const JsonSpan *s, char **ret, size_t *ret_size);

/* The checked span itself, as owned JSON text that is valid UTF-8. */
int json_span_copy(const JsonSpan *s, char **ret);
