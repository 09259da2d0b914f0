/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON trees of json-c: how execd makes them, looks into them and writes them. */

#include <json-c/json.h>

#include "base/buf.h"

/* A NULL text becomes null. */
static inline void json_add_text(struct json_object *o, const char *key, const char *value)
{
        json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static inline void json_add_bool(struct json_object *o, const char *key, bool value)
{
        json_object_object_add(o, key, json_object_new_boolean(value));
}

static inline void json_add_int(struct json_object *o, const char *key, int64_t value)
{
        json_object_object_add(o, key, json_object_new_int64(value));
}

/* NULL for none, also if it is not an object. */
static inline struct json_object *json_get(struct json_object *o, const char *key)
{
        return o && json_object_is_type(o, json_type_object) ? json_object_object_get(o, key) : NULL;
}

/* "" for none. */
static inline const char *json_get_text(struct json_object *o, const char *key)
{
        struct json_object *s = json_get(o, key);

        return s && json_object_is_type(s, json_type_string) ? json_object_get_string(s) : "";
}

/* The number of elements; 0 if it is not an array. */
static inline size_t json_count(struct json_object *list)
{
        return list && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* The object of this name in `o`, made if there is none. */
static inline struct json_object *json_branch(struct json_object *o, const char *key)
{
        struct json_object *b = json_get(o, key);

        if (!b || !json_object_is_type(b, json_type_object)) {
                b = json_object_new_object();
                json_object_object_add(o, key, b);
        }
        return b;
}

/* Appends the tree as text in one line, without its end. */
static inline void json_write(Buf *out, struct json_object *o)
{
        buf_puts(out,
                 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}
