/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/json-fields.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/strv.h"
#include "wire/exec-request.h"

int json_field_refuse_type(const JsonField *f, const JsonSpan *value, const char *type, const char *hint)
{
        return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                      "invalid JSON: json: cannot unmarshal %s into Go struct field %s.%s of type %s%s",
                      json_kind_to_string(value->kind), f->structure, f->name, type, hint);
}

int json_field_bool(const JsonField *f, const JsonSpan *value, void *target)
{
        bool *ret = target;

        if (value->kind == JSON_KIND_NULL)
                return 0;
        if (value->kind != JSON_KIND_BOOL)
                return json_field_refuse_type(f, value, "bool", "");
        *ret = value->text[0] == 't';
        return 0;
}

int json_field_take_string(const JsonField *f, const JsonSpan *value, const char *place, char **ret)
{
        _cleanup_free_ char *s = NULL;
        size_t size;
        int r;

        r = json_span_string(value, &s, &size);
        if (r == -EBADMSG)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid JSON: %s is not a valid string", place);
        if (r < 0)
                return r;
        if (memchr(s, 0, size))
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s contains a NUL byte", place);
        *ret = TAKE_PTR(s);
        return 0;
}

int json_field_string(const JsonField *f, const JsonSpan *value, void *target)
{
        char **ret = target, *s;
        int r;

        if (value->kind == JSON_KIND_NULL)
                return 0;
        if (value->kind != JSON_KIND_STRING)
                return json_field_refuse_type(f, value, "string", "");
        r = json_field_take_string(f, value, f->name, &s);
        if (r < 0)
                return r;

        /* An empty string is the default, as if it had not been given. */
        free(*ret);
        *ret = *s ? s : mfree(s);
        return 0;
}

int json_field_take_strings(const JsonField *f, const JsonSpan *array, char ***ret)
{
        _cleanup_strv_ char **strings = NULL;
        size_t position = 0, n = 0, allocated = 0;
        JsonSpan element;

        for (; json_span_next(array, &position, NULL, &element); n++) {
                char place[64];
                int r;

                /* Empty strings take three bytes of a body, and more than a second of the loop. */
                if (n >= EXEC_ARGS_MAX)
                        return refuse(f->reterr, REFUSAL_TOO_LARGE, E2BIG,
                                      "%s has more than %d entries, which is the limit", f->name,
                                      EXEC_ARGS_MAX);
                if (element.kind != JSON_KIND_NULL && element.kind != JSON_KIND_STRING)
                        return json_field_refuse_type(f, &element, "string", "");

                /* Room for this one and the terminator, doubled: there may be many. */
                if (n + 2 > allocated) {
                        char **grown;

                        allocated = MAX(allocated * 2, (size_t) 16);
                        grown = realloc(strings, allocated * sizeof(char *));
                        if (!grown)
                                return -ENOMEM;
                        strings = grown;
                }
                strings[n] = strings[n + 1] = NULL;

                if (element.kind == JSON_KIND_NULL) {
                        strings[n] = strdup("");
                        if (!strings[n])
                                return -ENOMEM;
                        continue;
                }
                snprintf(place, sizeof(place), "%s[%zu]", f->name, n);
                r = json_field_take_string(f, &element, place, &strings[n]);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(strings);
        return 0;
}

static const JsonFieldRule *rule_find(const JsonFieldRule *rules, const char *name)
{
        for (; rules->name; rules++)
                if (strcasecmp(rules->name, name) == 0)
                        return rules;
        return NULL;
}

int json_fields_decode(const char *json, size_t size, const char *structure, const JsonFieldRule *rules,
                       void *target, Refusal *reterr)
{
        JsonSpan body, key, value;
        size_t position = 0;
        int r;

        if (size > EXEC_BODY_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "the request body is larger than %d bytes, which is the limit", EXEC_BODY_MAX);
        if (size == 0)
                return 0;

        r = json_scan(json, size, EXEC_JSON_DEPTH, &body, reterr);
        if (r < 0 || body.kind == JSON_KIND_NULL)
                return r;
        if (body.kind != JSON_KIND_OBJECT)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid JSON: json: cannot unmarshal %s into Go value of type container.%s",
                              json_kind_to_string(body.kind), structure);

        while (json_span_next(&body, &position, &key, &value)) {
                JsonField field = {.structure = structure, .reterr = reterr};
                _cleanup_free_ char *name = NULL;
                const JsonFieldRule *rule;
                size_t n_name;

                r = json_span_string(&key, &name, &n_name);
                if (r == -EBADMSG)
                        continue; /* no field of ours has such a name */
                if (r < 0)
                        return r;
                rule = strlen(name) == n_name ? rule_find(rules, name) : NULL;
                if (!rule)
                        continue;
                field.name = rule->name;
                r = rule->decode(&field, &value, (char *) target + rule->offset);
                if (r < 0)
                        return r;
        }
        return 0;
}
