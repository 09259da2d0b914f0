/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The JSON bodies of create and start, field by field. */

#include "base/decimal.h"
#include "wire/exec-request.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/strv.h"
#include "wire/json-fields.h"

/* From this API version on clients may send ConsoleSize; before it the field is ignored. */
#define VERSION_CONSOLE_SIZE 1042

/* The names of structures in the error texts of Docker's decoder. */
#define CREATE_NAME "ExecCreateRequest"
#define START_NAME  "ExecStartRequest"

/* Values that can be checked only after the whole body has been read, as text until then. */
typedef struct CreateDraft {
        ExecRequest request;
        char *detach_keys;
        char *on_disconnect;
        char **properties; /* name, text, name, text … */
} CreateDraft;

static void create_draft_done(CreateDraft *d)
{
        exec_request_done(&d->request);
        free(d->detach_keys);
        free(d->on_disconnect);
        strv_free(d->properties);
}

static int decode_cmd(const JsonField *f, const JsonSpan *value, void *target)
{
        char ***ret = target;
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *command = NULL;
        int r;

        switch (value->kind) {
        case JSON_KIND_NULL:
                break;
        case JSON_KIND_ARRAY:
                r = json_field_take_strings(f, value, &argv);
                if (r != 0)
                        return r;
                break;
        case JSON_KIND_STRING:
                r = json_field_take_string(f, value, f->name, &command);
                if (r < 0)
                        return r;
                if (!*command)
                        break;
                r = strv_append(&argv, "/bin/sh");
                if (r >= 0)
                        r = strv_append(&argv, "-c");
                if (r >= 0)
                        r = strv_consume(&argv, TAKE_PTR(command));
                if (r < 0)
                        return r;
                break;
        default:
                return json_field_refuse_type(f, value, "[]string",
                                              " (Cmd is a string or an array of strings)");
        }

        strv_free(*ret);
        *ret = TAKE_PTR(argv);
        return 0;
}

static int decode_env(const JsonField *f, const JsonSpan *value, void *target)
{
        char ***ret = target;
        _cleanup_strv_ char **env = NULL;
        size_t kept = 0;
        int r;

        if (value->kind != JSON_KIND_NULL && value->kind != JSON_KIND_ARRAY)
                return json_field_refuse_type(f, value, "[]string", "");
        if (value->kind == JSON_KIND_ARRAY) {
                r = json_field_take_strings(f, value, &env);
                if (r != 0)
                        return r;
        }

        STRV_FOREACH (i, env) {
                if (**i)
                        env[kept++] = *i;
                else
                        free(*i);
        }
        if (env)
                env[kept] = NULL;

        strv_free(*ret);
        *ret = TAKE_PTR(env);
        return 0;
}

/* A plain decimal number that fits 16 bits. Docker's clients call the type uint. */
static int take_dimension(const JsonField *f, const JsonSpan *value, uint16_t *ret)
{
        uint64_t n;
        int r;

        if (value->kind == JSON_KIND_NULL) {
                *ret = 0;
                return 0;
        }
        if (value->kind != JSON_KIND_NUMBER)
                return json_field_refuse_type(f, value, "uint", "");
        r = decimal_read(value->text, value->size, UINT16_MAX, &n);
        if (r == -ERANGE)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: rows and columns must not exceed %d", f->name, UINT16_MAX);
        if (r < 0)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid JSON: json: cannot unmarshal number %.*s into Go struct field "
                              "%s.%s of type uint",
                              (int) MIN(value->size, (size_t) 32), value->text, f->structure, f->name);
        *ret = (uint16_t) n;
        return 0;
}

static int decode_console_size(const JsonField *f, const JsonSpan *value, void *target)
{
        ConsoleSize *ret = target, size = {0};
        size_t position = 0, n = 0;
        JsonSpan element;

        if (value->kind != JSON_KIND_NULL && value->kind != JSON_KIND_ARRAY)
                return json_field_refuse_type(f, value, "[2]uint", "");

        while (value->kind == JSON_KIND_ARRAY && json_span_next(value, &position, NULL, &element)) {
                uint16_t dimension = 0;
                int r;

                r = take_dimension(f, &element, &dimension);
                if (r < 0)
                        return r;
                if (n == 0)
                        size.rows = dimension;
                else
                        size.columns = dimension;
                if (++n > 2)
                        break;
        }
        if (value->kind == JSON_KIND_ARRAY && n != 2)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s must be an array of two numbers, [height, width]", f->name);

        size.set = size.rows > 0 || size.columns > 0;
        *ret = size;
        return 0;
}

/* Puts an owned "key=value" (or a pair's two strings) in place of an earlier one of the same key. */
static int labels_set(char ***labels, const char *key, const char *value)
{
        size_t n_key = strlen(key);
        char *label;

        if (asprintf(&label, "%s=%s", key, value) < 0)
                return -ENOMEM;
        STRV_FOREACH (i, *labels) {
                if (strncmp(*i, label, n_key + 1) != 0)
                        continue;
                free(*i);
                *i = label;
                return 0;
        }
        return strv_consume(labels, label);
}

static int refuse_count(Refusal *reterr, const char *name, unsigned max)
{
        return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "%s has more than %u entries, which is the limit",
                      name, max);
}

static int decode_labels(const JsonField *f, const JsonSpan *value, void *target)
{
        char ***ret = target;
        _cleanup_strv_ char **labels = NULL;
        size_t position = 0, n = 0;
        JsonSpan key, element;

        if (value->kind != JSON_KIND_NULL && value->kind != JSON_KIND_OBJECT)
                return json_field_refuse_type(f, value, "map[string]string", "");

        while (value->kind == JSON_KIND_OBJECT && json_span_next(value, &position, &key, &element)) {
                _cleanup_free_ char *name = NULL, *text = NULL;
                int r;

                r = json_field_take_string(f, &key, "Labels", &name);
                if (r < 0)
                        return r;
                if (element.kind == JSON_KIND_STRING)
                        r = json_field_take_string(f, &element, "Labels", &text);
                else if (element.kind != JSON_KIND_NULL)
                        r = json_field_refuse_type(f, &element, "string", "");
                if (r < 0)
                        return r;
                if (!*name || strchr(name, '='))
                        return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "Labels: a key must not be empty or contain \"=\"");
                r = labels_set(&labels, name, text ?: "");
                if (r < 0)
                        return r;
                /* Those that take the place of others count, too: each is work. */
                if (++n > EXEC_LABELS_MAX)
                        return refuse_count(f->reterr, f->name, EXEC_LABELS_MAX);
        }

        strv_free(*ret);
        *ret = TAKE_PTR(labels);
        return 0;
}

/* Takes both strings. Of repeated names the last one holds, at the place of the first. */
static int properties_set(char ***properties, char *name, char *text)
{
        int r;

        for (char **i = *properties; i && *i; i += 2) {
                if (strcmp(*i, name) != 0)
                        continue;
                free(name);
                free(i[1]);
                i[1] = text;
                return 0;
        }
        r = strv_consume(properties, name);
        if (r < 0) {
                free(text);
                return r;
        }
        return strv_consume(properties, text);
}

/* One member of the object form or one "Name=value" of the array form. */
static int take_property(const JsonField *f, const JsonSpan *key, const JsonSpan *value, char ***properties)
{
        _cleanup_free_ char *name = NULL, *text = NULL;
        char *equals;
        int r;

        if (key) {
                r = json_field_take_string(f, key, f->name, &name);
                if (r < 0)
                        return r;
                if (value->kind == JSON_KIND_NULL)
                        return 0;
                if (value->kind == JSON_KIND_NUMBER) {
                        text = memdup_text(value->text, value->size);
                        if (!text)
                                return -ENOMEM;
                        return properties_set(properties, TAKE_PTR(name), TAKE_PTR(text));
                }
        }
        if (value->kind != JSON_KIND_STRING && key) {
                _cleanup_free_ char *place = NULL;
                JsonField property = *f;

                if (asprintf(&place, "%s.%.64s", f->name, name) < 0)
                        return -ENOMEM;
                property.name = place;
                return json_field_refuse_type(&property, value, "string", " (a string or a number)");
        }
        if (value->kind != JSON_KIND_STRING)
                return json_field_refuse_type(f, value, "string", " (Name=value)");
        r = json_field_take_string(f, value, f->name, &text);
        if (r < 0)
                return r;
        if (key)
                return properties_set(properties, TAKE_PTR(name), TAKE_PTR(text));

        equals = strchr(text, '=');
        if (!equals)
                return refuse(f->reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "%s: an entry of the array form reads \"Name=value\"", f->name);
        name = strndup(text, (size_t) (equals - text));
        memmove(text, equals + 1, strlen(equals + 1) + 1);
        if (!name)
                return -ENOMEM;
        return properties_set(properties, TAKE_PTR(name), TAKE_PTR(text));
}

static int decode_properties(const JsonField *f, const JsonSpan *value, void *target)
{
        char ***ret = target;
        _cleanup_strv_ char **properties = NULL;
        bool is_object = value->kind == JSON_KIND_OBJECT;
        JsonSpan key, element;
        size_t position = 0, n = 0;

        if (!is_object && value->kind != JSON_KIND_ARRAY && value->kind != JSON_KIND_NULL)
                return json_field_refuse_type(f, value, "map[string]string",
                                              " (Properties is an object or an array)");

        while (value->kind != JSON_KIND_NULL && json_span_next(value, &position, &key, &element)) {
                int r;

                r = take_property(f, is_object ? &key : NULL, &element, &properties);
                if (r < 0)
                        return r;
                if (++n > SCOPE_PROPERTIES_MAX)
                        return refuse_count(f->reterr, f->name, SCOPE_PROPERTIES_MAX);
        }

        strv_free(*ret);
        *ret = TAKE_PTR(properties);
        return 0;
}

/* Parses what was kept as text. */
static int draft_finish(CreateDraft *d, Refusal *reterr)
{
        ExecRequest *request = &d->request;
        int r;

        r = exec_request_check_string("DetachKeys", d->detach_keys, reterr);
        if (r < 0)
                return r;
        r = detach_keys_parse(d->detach_keys ?: "", &request->detach_keys, reterr);
        if (r < 0)
                return r;

        if (d->on_disconnect) {
                r = on_disconnect_from_string(d->on_disconnect);
                if (r < 0)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "OnDisconnect must be one of keep, hangup, kill");
                request->on_disconnect = r;
                request->on_disconnect_given = true;
        }

        if (!d->properties)
                return 0;
        request->properties = calloc(strv_length(d->properties) / 2, sizeof(ScopeProperty));
        if (!request->properties)
                return -ENOMEM;
        for (char **i = d->properties; *i; i += 2) {
                r = exec_request_check_string("Properties: a name", i[0], reterr);
                if (r < 0)
                        return r;
                r = exec_request_check_string("Properties: a value", i[1], reterr);
                if (r < 0)
                        return r;
                r = scope_property_parse(i[0], i[1], &request->properties[request->n_properties], reterr);
                if (r < 0)
                        return r;
                request->n_properties++;
        }
        return 0;
}

static const JsonFieldRule create_rules[] = {
        {"Cmd", decode_cmd, offsetof(CreateDraft, request.argv)},
        {"Env", decode_env, offsetof(CreateDraft, request.env)},
        {"User", json_field_string, offsetof(CreateDraft, request.user)},
        {"WorkingDir", json_field_string, offsetof(CreateDraft, request.working_dir)},
        {"AttachStdin", json_field_bool, offsetof(CreateDraft, request.attach_stdin)},
        {"AttachStdout", json_field_bool, offsetof(CreateDraft, request.attach_stdout)},
        {"AttachStderr", json_field_bool, offsetof(CreateDraft, request.attach_stderr)},
        {"Tty", json_field_bool, offsetof(CreateDraft, request.tty)},
        {"Privileged", json_field_bool, offsetof(CreateDraft, request.privileged)},
        {"ConsoleSize", decode_console_size, offsetof(CreateDraft, request.console_size)},
        {"Labels", decode_labels, offsetof(CreateDraft, request.labels)},
        {"DetachKeys", json_field_string, offsetof(CreateDraft, detach_keys)},
        {"OnDisconnect", json_field_string, offsetof(CreateDraft, on_disconnect)},
        {"Record", json_field_bool, offsetof(CreateDraft, request.record)},
        {"Properties", decode_properties, offsetof(CreateDraft, properties)},
        {NULL},
};

static const JsonFieldRule start_rules[] = {
        {"Detach", json_field_bool, offsetof(StartOptions, detach)},
        {"Tty", json_field_bool, offsetof(StartOptions, tty)},
        {"ConsoleSize", decode_console_size, offsetof(StartOptions, console_size)},
        {NULL},
};

struct ExecRequestReader {
        CreateDraft draft;
        JsonFields *fields;
        unsigned version;
};

int exec_request_reader_new(const char *json, size_t size, unsigned version, ExecRequestReader **ret)
{
        _cleanup_(exec_request_reader_freep) ExecRequestReader *d = calloc(1, sizeof(ExecRequestReader));
        int r;

        if (!d)
                return -ENOMEM;
        d->version = version;
        r = json_fields_new(json, size, CREATE_NAME, create_rules, &d->draft, &d->fields);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

ExecRequestReader *exec_request_reader_free(ExecRequestReader *d)
{
        if (!d)
                return NULL;
        json_fields_free(d->fields);
        create_draft_done(&d->draft);
        return mfree(d);
}

int exec_request_reader_step(ExecRequestReader *d, size_t bytes, ExecRequest **ret, Refusal *reterr)
{
        ExecRequest *request;
        int r;

        r = json_fields_step(d->fields, bytes, reterr);
        if (r <= 0)
                return r;
        r = exec_request_validate(&d->draft.request, reterr);
        if (r >= 0)
                r = draft_finish(&d->draft, reterr);
        if (r < 0)
                return r;
        request = malloc(sizeof(ExecRequest));
        if (!request)
                return -ENOMEM;
        *request = d->draft.request;
        d->draft.request = (ExecRequest){0};
        if (d->version < VERSION_CONSOLE_SIZE)
                request->console_size = (ConsoleSize){0};
        *ret = request;
        return 1;
}

int exec_request_from_json(const char *json, size_t size, unsigned version, ExecRequest **ret,
                           Refusal *reterr)
{
        _cleanup_(exec_request_reader_freep) ExecRequestReader *d = NULL;
        int r = exec_request_reader_new(json, size, version, &d);

        if (r >= 0)
                r = exec_request_reader_step(d, SIZE_MAX, ret, reterr);
        return r < 0 ? r : 0;
}

int start_options_from_json(const char *json, size_t size, unsigned version, StartOptions *ret,
                            Refusal *reterr)
{
        StartOptions start = {0};
        int r;

        if (size > START_BODY_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "the request body is larger than %d bytes, which is the limit",
                              START_BODY_MAX);
        r = json_fields_decode(json, size, START_NAME, start_rules, &start, reterr);
        if (r < 0)
                return r;
        if (version < VERSION_CONSOLE_SIZE)
                start.console_size = (ConsoleSize){0};
        *ret = start;
        return 0;
}
