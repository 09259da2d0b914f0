/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The members of a JSON object into the fields of a structure, by a table of rules. Errors are worded as
 * Docker's decoder words them, whose clients show them to people.
 */

#include "base/refusal.h"
#include "wire/json-scan.h"

/* The strings of an array that is read in steps. */
typedef struct JsonStrings {
        char **items;
        size_t n, allocated, position;
} JsonStrings;

/* The field that is being decoded. */
typedef struct JsonField {
        const char *structure; /* the name that Docker's decoder has for the structure */
        const char *name;
        JsonStrings *strings;
        size_t bytes; /* of a long array that a step reads */
        Refusal *reterr;
} JsonField;

/* 1: there is more of the value to decode, in another step. */
typedef int (*JsonFieldDecoder)(const JsonField *f, const JsonSpan *value, void *target);

/* The last row has no name. */
typedef struct JsonFieldRule {
        const char *name;
        JsonFieldDecoder decode;
        size_t offset; /* of the target in the structure being filled */
} JsonFieldRule;

/*
 * Fills a structure from a request body, in steps of about so many bytes each: a body can have more than the loop should
 * do in a turn. Members come in the order of the document, so that the last of repeated keys wins and the first error is
 * the one reported, in whatever case the keys are written. The text and the structure are weak.
 */
typedef struct JsonFields JsonFields;
int json_fields_new(const char *json, size_t size, const char *structure, const JsonFieldRule *rules,
                    void *target, JsonFields **ret);
/* 1: that was all. */
int json_fields_step(JsonFields *d, size_t bytes, Refusal *reterr);
JsonFields *json_fields_free(JsonFields *d);
DEFINE_CLEANUP(JsonFields, json_fields_free);

/* All at once. */
int json_fields_decode(const char *json, size_t size, const char *structure, const JsonFieldRule *rules,
                       void *target, Refusal *reterr);

/* Decoders of a bool and of an owned text, which is NULL when it is empty. */
int json_field_bool(const JsonField *f, const JsonSpan *value, void *target);
int json_field_string(const JsonField *f, const JsonSpan *value, void *target);

/* Owned text of a string span that is called `place` in messages. A JSON string can hold a NUL byte, which
 * no argument, variable or name can. */
int json_field_take_string(const JsonField *f, const JsonSpan *value, const char *place, char **ret);
/* The strings of an array; null elements are "". 1: not all yet, in this step. */
int json_field_take_strings(const JsonField *f, const JsonSpan *array, char ***ret);

/* `hint` is added for a reader who does not know Go's types, or is "". */
int json_field_refuse_type(const JsonField *f, const JsonSpan *value, const char *type, const char *hint);
