/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The checks of a request that do not depend on its form; exec-request-json.c parses JSON. */

#include "wire/exec-request.h"

#include <string.h>

#include "base/strv.h"
#include "wire/user-spec.h"

static const char *const on_disconnect_names[_ON_DISCONNECT_MAX] = {
        [ON_DISCONNECT_KEEP] = "keep",
        [ON_DISCONNECT_HANGUP] = "hangup",
        [ON_DISCONNECT_KILL] = "kill",
};

const char *on_disconnect_to_string(OnDisconnect o)
{
        return (unsigned) o < _ON_DISCONNECT_MAX ? on_disconnect_names[o] : NULL;
}

int on_disconnect_from_string(const char *s)
{
        return NAMES_FIND(on_disconnect_names, s);
}

void exec_request_done(ExecRequest *r)
{
        strv_free(r->argv);
        strv_free(r->env);
        free(r->user);
        free(r->working_dir);
        strv_free(r->labels);
        scope_properties_free(r->properties, r->n_properties);
}

ExecRequest *exec_request_free(ExecRequest *r)
{
        if (!r)
                return NULL;
        exec_request_done(r);
        return mfree(r);
}

uint64_t exec_request_runtime_max(const ExecRequest *r)
{
        const ScopePropertyList l = {.items = r->properties, .n = r->n_properties};
        const ScopeProperty *p = scope_property_list_find(&l, "RuntimeMaxSec");

        return p ? p->number : UINT64_MAX;
}

int exec_request_check_string(const char *name, const char *s, Refusal *reterr)
{
        if (s && strnlen(s, EXEC_STRING_MAX + 1) > EXEC_STRING_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "%s is longer than %d bytes, which is the limit", name, EXEC_STRING_MAX);
        return 0;
}

static int validate_arguments(const ExecRequest *r, Refusal *reterr)
{
        size_t n = 0, n_env = strv_length(r->env), size = 0;

        STRV_FOREACH (i, r->argv) {
                n++;
                size += strlen(*i) + 1;
        }
        STRV_FOREACH (i, r->env) {
                if (**i == '=')
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "Env: environment variable name can't be empty: \"%.64s\"", *i);
                n++;
                size += strlen(*i) + 1;
        }
        if (n_env > EXEC_ENV_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG, "Env has %zu entries, the limit is %d",
                              n_env, EXEC_ENV_MAX);
        if (n > EXEC_ARGS_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "Cmd and Env together have %zu entries, the limit is %d", n, EXEC_ARGS_MAX);
        if (size > EXEC_ARGS_SIZE_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "Cmd and Env together have %zu bytes, the limit is %d", size,
                              EXEC_ARGS_SIZE_MAX);
        return 0;
}

static int validate_labels(const ExecRequest *r, Refusal *reterr)
{
        size_t n = 0;

        STRV_FOREACH (i, r->labels) {
                const char *equals = strchr(*i, '=');
                int q;

                if (!equals || equals == *i)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "Labels: an entry is a key that is not empty and a value");
                q = exec_request_check_string("Labels: an entry", *i, reterr);
                if (q < 0)
                        return q;
                if (++n > EXEC_LABELS_MAX)
                        return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                                      "Labels has more than %d entries, which is the limit",
                                      EXEC_LABELS_MAX);
        }
        return 0;
}

size_t exec_request_size(const ExecRequest *r)
{
        return sizeof(ExecRequest) + strv_size(r->argv) + strv_size(r->env) + strv_size(r->labels) +
               strlen(r->user ?: "") + strlen(r->working_dir ?: "") +
               scope_properties_size(r->properties, r->n_properties);
}

int exec_request_validate(const ExecRequest *r, Refusal *reterr)
{
        UserSpec user = USER_SPEC_INIT;
        int q;

        if (strv_length(r->argv) == 0)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "No exec command specified: Cmd is missing or empty");
        q = validate_arguments(r, reterr);
        if (q < 0)
                return q;
        q = exec_request_check_string("User", r->user, reterr);
        if (q < 0)
                return q;
        q = exec_request_check_string("WorkingDir", r->working_dir, reterr);
        if (q < 0)
                return q;
        q = validate_labels(r, reterr);
        if (q < 0)
                return q;
        if (r->n_properties > SCOPE_PROPERTIES_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, E2BIG,
                              "Properties has more than %d entries, which is the limit",
                              SCOPE_PROPERTIES_MAX);
        if ((unsigned) r->on_disconnect >= _ON_DISCONNECT_MAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "OnDisconnect must be one of keep, hangup, kill");

        q = user_spec_parse(r->user, &user, reterr);
        if (q < 0)
                return q;
        user_spec_done(&user);
        return 0;
}
