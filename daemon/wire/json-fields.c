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

/* 0, -ENOMEM, or what refuse_text() words. */
static int take_text(const JsonSpan *value, char **ret)
{
        _cleanup_free_ char *s = NULL;
        size_t size;
        int r;

        r = json_span_string(value, &s, &size);
        if (r < 0)
                return r;
        if (memchr(s, 0, size))
                return -EINVAL;
        *ret = TAKE_PTR(s);
        return 0;
}

static int refuse_text(const JsonField *f, int r, const char *place)
{
        if (r == -EBADMSG)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid JSON: %s is not a valid string", place);
        if (r == -EINVAL)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL, "%s contains a NUL byte", place);
        return r;
}

int json_field_take_string(const JsonField *f, const JsonSpan *value, const char *place, char **ret)
{
        int r = take_text(value, ret);

        return r < 0 ? refuse_text(f, r, place) : 0;
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

/* Room for one more and the terminator, doubled: there may be many. */
static int strings_grow(JsonStrings *l)
{
        size_t allocated = MAX(l->allocated * 2, (size_t) 16);
        char **grown;

        if (l->n + 2 <= l->allocated)
                return 0;
        grown = reallocarray(l->items, allocated, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        l->items = grown;
        l->allocated = allocated;
        return 0;
}

static int take_element(const JsonField *f, JsonStrings *l, const JsonSpan *element)
{
        char place[64];
        int r;

        /* Empty strings take three bytes of a body, and more than ten times as much of the memory. */
        if (l->n >= EXEC_ARGS_MAX)
                return refuse(f->reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "%s has more than %d entries, which is the limit", f->name, EXEC_ARGS_MAX);
        if (element->kind != JSON_KIND_NULL && element->kind != JSON_KIND_STRING)
                return json_field_refuse_type(f, element, "string", "");
        r = strings_grow(l);
        if (r < 0)
                return r;
        l->items[l->n] = l->items[l->n + 1] = NULL;
        if (element->kind == JSON_KIND_STRING)
                r = take_text(element, &l->items[l->n]);
        else {
                l->items[l->n] = strdup("");
                r = l->items[l->n] ? 0 : -ENOMEM;
        }
        if (r < 0) {
                snprintf(place, sizeof(place), "%s[%zu]", f->name, l->n);
                return refuse_text(f, r, place);
        }
        l->n++;
        return 0;
}

int json_field_take_strings(const JsonField *f, const JsonSpan *array, char ***ret)
{
        JsonStrings *l = f->strings;
        size_t begin = l->position;
        JsonSpan element;

        while (json_span_next(array, &l->position, NULL, &element)) {
                int r = take_element(f, l, &element);

                if (r < 0)
                        return r;
                if (l->position - begin >= f->bytes)
                        return 1;
        }
        *ret = TAKE_PTR(l->items);
        *l = (JsonStrings){0};
        return 0;
}

static const JsonFieldRule *rule_find(const JsonFieldRule *rules, const char *name)
{
        for (; rules->name; rules++)
                if (strcasecmp(rules->name, name) == 0)
                        return rules;
        return NULL;
}

/* Of the object that a body is. Fields of ours are few. */
#define MEMBERS_MAX 256

/* Of all in it: as many as there may be arguments, and more than there can be of all else. */
#define VALUES_MAX (EXEC_ARGS_MAX + 64 * 1024)

struct JsonFields {
        const char *structure;
        const JsonFieldRule *rules;
        void *target;
        size_t size;
        JsonScan scan;
        bool is_checked;
        size_t next; /* of the members */
        JsonStrings strings;
        JsonMember members[MEMBERS_MAX];
};

int json_fields_new(const char *json, size_t size, const char *structure, const JsonFieldRule *rules,
                    void *target, JsonFields **ret)
{
        JsonFields *d = malloc(sizeof(JsonFields));

        if (!d)
                return -ENOMEM;
        d->structure = structure;
        d->rules = rules;
        d->target = target;
        d->size = size;
        d->is_checked = size == 0;
        d->next = 0;
        d->strings = (JsonStrings){0};
        json_scan_begin(&d->scan, json, size, EXEC_JSON_DEPTH);
        d->scan.values_max = VALUES_MAX;
        d->scan.members = d->members;
        d->scan.members_max = MEMBERS_MAX;
        *ret = d;
        return 0;
}

JsonFields *json_fields_free(JsonFields *d)
{
        if (!d)
                return NULL;
        strv_free(d->strings.items);
        return mfree(d);
}

/* 1: it is whole, and an object or null. */
static int fields_check(JsonFields *d, size_t bytes, Refusal *reterr)
{
        int r;

        if (d->size > EXEC_BODY_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "the request body is larger than %d bytes, which is the limit", EXEC_BODY_MAX);
        r = json_scan_step(&d->scan, bytes, reterr);
        if (r <= 0)
                return r;
        if (d->scan.value.kind != JSON_KIND_NULL && d->scan.value.kind != JSON_KIND_OBJECT)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid JSON: json: cannot unmarshal %s into Go value of type container.%s",
                              json_kind_to_string(d->scan.value.kind), d->structure);
        d->is_checked = true;
        return 1;
}

/* 1: there is more of it. */
static int fields_decode_member(JsonFields *d, const JsonMember *m, size_t bytes, Refusal *reterr)
{
        JsonField field = {
                .structure = d->structure, .strings = &d->strings, .bytes = bytes, .reterr = reterr};
        _cleanup_free_ char *name = NULL;
        const JsonFieldRule *rule;
        size_t n_name;
        int r;

        r = json_span_string(&m->key, &name, &n_name);
        if (r == -EBADMSG)
                return 0; /* no field of ours has such a name */
        if (r < 0)
                return r;
        rule = strlen(name) == n_name ? rule_find(d->rules, name) : NULL;
        if (!rule)
                return 0;
        field.name = rule->name;
        return rule->decode(&field, &m->value, (char *) d->target + rule->offset);
}

int json_fields_step(JsonFields *d, size_t bytes, Refusal *reterr)
{
        size_t done = 0;
        int r = d->is_checked ? 1 : fields_check(d, bytes, reterr);

        if (r <= 0)
                return r;
        for (; d->next < d->scan.n_members; d->next++) {
                const JsonMember *m = &d->members[d->next];

                if (done >= bytes)
                        return 0;
                r = fields_decode_member(d, m, bytes, reterr);
                if (r != 0)
                        return r < 0 ? r : 0;
                done += m->value.size;
        }
        return 1;
}

int json_fields_decode(const char *json, size_t size, const char *structure, const JsonFieldRule *rules,
                       void *target, Refusal *reterr)
{
        _cleanup_(json_fields_freep) JsonFields *d = NULL;
        int r = json_fields_new(json, size, structure, rules, target, &d);

        return r < 0 ? r : json_fields_step(d, SIZE_MAX, reterr);
}
