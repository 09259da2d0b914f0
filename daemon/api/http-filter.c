/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-filter.h"

#include <stdio.h>
#include <string.h>

#include "wire/http-target.h"
#include "wire/name-pattern.h"

#define FILTER_KEYS_MAX   16
#define FILTER_VALUES_MAX 1024
/* Bytes of all regular expressions of a key, each of which is compared with each name. */
#define FILTER_PATTERNS_MAX 4096
#define FILTER_DEPTH        4

struct HttpFilter {
        char *keys[FILTER_KEYS_MAX];
        char **values[FILTER_KEYS_MAX];
        NamePattern **patterns[FILTER_KEYS_MAX]; /* of the values; NULL: they are not expressions */
        size_t n;
};

static void patterns_free(NamePattern **patterns, size_t n)
{
        for (size_t i = 0; patterns && i < n; i++)
                name_pattern_free(patterns[i]);
        free(patterns);
}

HttpFilter *http_filter_free(HttpFilter *f)
{
        if (!f)
                return NULL;
        for (size_t i = 0; i < f->n; i++) {
                free(f->keys[i]);
                patterns_free(f->patterns[i], strv_length(f->values[i]));
                strv_free(f->values[i]);
        }
        return mfree(f);
}

/* One that is there already changes nothing but the time that each comparison takes. */
static int filter_add_value(char ***values, const char *value)
{
        STRV_FOREACH (v, *values)
                if (strcmp(*v, value) == 0)
                        return 0;
        return strv_append(values, value) < 0 ? -ENOMEM : 0;
}

static int filter_add_values(HttpFilter *f, struct json_object *values)
{
        char ***v = &f->values[f->n - 1];

        if (json_object_is_type(values, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(values); i++) {
                        struct json_object *s = json_object_array_get_idx(values, i);

                        if (i >= FILTER_VALUES_MAX)
                                return -E2BIG;
                        if (!s || !json_object_is_type(s, json_type_string))
                                return -EINVAL;
                        if (filter_add_value(v, json_object_get_string(s)) < 0)
                                return -ENOMEM;
                }
                return 0;
        }
        if (!json_object_is_type(values, json_type_object))
                return -EINVAL;
        if (json_object_object_length(values) > FILTER_VALUES_MAX)
                return -E2BIG;
        /* A false counts as present, as with Docker. */
        json_object_object_foreach (values, key, present) {
                (void) present;
                if (filter_add_value(v, key) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static bool key_is_known(const char *const *known, const char *key)
{
        for (; *known; known++)
                if (strcmp(*known, key) == 0)
                        return true;
        return false;
}

static int filter_read(HttpFilter *f, struct json_object *o, const char *const *known, Refusal *reterr)
{
        int r;

        if (!json_object_is_type(o, json_type_object))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid filter: filters must be a JSON object");
        json_object_object_foreach (o, key, values) {
                if (!key_is_known(known, key))
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid filter '%s'", key);
                if (f->n >= FILTER_KEYS_MAX)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "invalid filter: more than %d keys in filters", FILTER_KEYS_MAX);
                f->keys[f->n] = strdup(key);
                if (!f->keys[f->n])
                        return -ENOMEM;
                f->n++;
                r = filter_add_values(f, values);
                if (r == -ENOMEM)
                        return r;
                if (r == -E2BIG)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "invalid filter '%s': more than %d values", key, FILTER_VALUES_MAX);
                if (r < 0)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "invalid filter '%s': a list or an object of strings is expected",
                                      key);
        }
        return 0;
}

static int check_parameter(const char *name, const char *const *known, bool *filtered, Refusal *reterr)
{
        if (strcmp(name, "filters") == 0) {
                if (*filtered)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "invalid filter: the parameter \"filters\" is given twice");
                *filtered = true;
                return 0;
        }
        if (strcmp(name, "filter") == 0 || strncmp(name, "filters[", strlen("filters[")) == 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid filter: unknown parameter \"%s\". Did you mean \"filters\"?", name);
        if (key_is_known(known, name))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid filter: \"%s\" is not a parameter, but a key of filters, such as "
                              "filters={\"%s\":[\"…\"]}",
                              name, name);
        return 0;
}

/* A filter in a form that is not understood would be ignored, and the answer would have more than was asked
 * for. Empty parameters filter nothing, in any form. */
static int check_parameters(HttpExchange *x, const char *const *known, Refusal *reterr)
{
        const char *p = http_target_parameters(x->request->target);
        bool filtered = false;
        int r;

        for (;;) {
                _cleanup_free_ char *name = NULL, *value = NULL;

                r = http_target_next(&p, &name, &value, NULL);
                if (r <= 0)
                        return r;
                r = *value ? check_parameter(name, known, &filtered, reterr) : 0;
                if (r < 0)
                        return r;
        }
}

int http_filter_from_query(HttpExchange *x, const char *const *known, HttpFilter **ret, Refusal *reterr)
{
        _cleanup_(http_filter_freep) HttpFilter *f = calloc(1, sizeof(HttpFilter));
        _cleanup_free_ char *text = NULL;
        struct json_tokener *tokener;
        struct json_object *o;
        int r;

        if (!f)
                return -ENOMEM;
        r = http_query(x, "filters", &text, reterr);
        if (r >= 0)
                r = check_parameters(x, known, reterr);
        if (r < 0)
                return r;
        if (text && *text && strcmp(text, "null") != 0) {
                tokener = json_tokener_new_ex(FILTER_DEPTH);
                if (!tokener)
                        return -ENOMEM;
                json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
                /* json-c cuts a key there. */
                o = strstr(text, "\\u0000") ? NULL
                                            : json_tokener_parse_ex(tokener, text, (int) strlen(text) + 1);
                json_tokener_free(tokener);
                if (!o)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "invalid filter: filters is not JSON, or has a NUL");
                r = filter_read(f, o, known, reterr);
                json_object_put(o);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(f);
        return 0;
}

/* The index of a key, or -ENOENT. */
static int find_key(const HttpFilter *f, const char *key)
{
        for (size_t i = 0; i < f->n; i++)
                if (strcmp(f->keys[i], key) == 0)
                        return (int) i;
        return -ENOENT;
}

char **http_filter_values(const HttpFilter *f, const char *key)
{
        int i = find_key(f, key);

        return i < 0 ? NULL : f->values[i];
}

bool http_filter_match(const HttpFilter *f, const char *key, const char *value)
{
        char **values = http_filter_values(f, key);

        STRV_FOREACH (v, values)
                if (strcmp(*v, value) == 0)
                        return true;
        return !values;
}

static int refuse_name(const char *key, const char *value, int error, Refusal *reterr)
{
        if (error == -E2BIG || error == -EOPNOTSUPP)
                return refuse(
                        reterr, REFUSAL_BAD_REQUEST, EINVAL,
                        "invalid filter '%s': a regular expression may have %d bytes, no {} and no back "
                        "references",
                        key, NAME_PATTERN_MAX);
        if (error == -EINVAL)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid filter '%s=%s': not a regular expression", key, value);
        return error;
}

int http_filter_read_names(HttpFilter *f, const char *key, Refusal *reterr)
{
        int i = find_key(f, key), r;
        size_t n = 0, size = 0;

        if (i < 0 || f->patterns[i] || !f->values[i])
                return 0;
        f->patterns[i] = calloc(strv_length(f->values[i]), sizeof(NamePattern *));
        if (!f->patterns[i])
                return -ENOMEM;
        STRV_FOREACH (v, f->values[i]) {
                size += strlen(*v);
                if (size > FILTER_PATTERNS_MAX)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "invalid filter '%s': the regular expressions have more than %d bytes",
                                      key, FILTER_PATTERNS_MAX);
                r = name_pattern_new(*v, &f->patterns[i][n++]);
                if (r < 0)
                        return refuse_name(key, *v, r, reterr);
        }
        return 0;
}

bool http_filter_match_name(const HttpFilter *f, const char *key, const char *name)
{
        int i = find_key(f, key);
        size_t n = i < 0 ? 0 : strv_length(f->values[i]);
        _cleanup_free_ char *slashed = NULL;

        if (n == 0)
                return true;
        if (!f->patterns[i] || asprintf(&slashed, "/%s", name) < 0)
                return false;
        for (size_t k = 0; k < n; k++)
                if (name_pattern_matches(f->patterns[i][k], name) ||
                    name_pattern_matches(f->patterns[i][k], slashed))
                        return true;
        return false;
}

bool http_filter_match_container(const HttpFilter *f, const char *key, const char *id, const char *name)
{
        char **values = http_filter_values(f, key);

        STRV_FOREACH (v, values)
                if (strcmp(*v, name) == 0 || (**v && strncmp(id, *v, strlen(*v)) == 0))
                        return true;
        return !values;
}

bool http_filter_match_labels(const HttpFilter *f, char *const *labels)
{
        char **values = http_filter_values(f, "label");

        STRV_FOREACH (v, values) {
                size_t n = strlen(*v);
                bool found = false;

                for (char *const *l = labels; l && *l && !found; l++)
                        found = strcmp(*l, *v) == 0 ||
                                (!strchr(*v, '=') && strncmp(*l, *v, n) == 0 && (*l)[n] == '=');
                if (!found)
                        return false;
        }
        return true;
}
