/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of create: what is accepted is JSON by json-c's judgement too, valid, and the same each time. */

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>

#include "fuzz/fuzz.h"
#include "unit/wire/request-dump.h"

/* json-c, lenient, takes all that we take. */
static void check_with_json_c(const char *data, size_t size)
{
        struct json_tokener *t = json_tokener_new_ex(EXEC_JSON_DEPTH + 2);
        struct json_object *o = json_tokener_parse_ex(t, data, (int) size);
        enum json_tokener_error e = json_tokener_get_error(t);

        /* A literal at the very end could go on, as far as json-c knows. */
        FUZZ_CHECK(e == json_tokener_success || e == json_tokener_continue);
        json_object_put(o);
        json_tokener_free(t);
}

static char *create(const uint8_t *data, size_t size, unsigned version)
{
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        ExecRequest *request = NULL;
        char *dump;
        int r;

        r = exec_request_from_json((const char *) data, size, version, &request, &e);
        fuzz_check_refusal(r, &e);
        if (r < 0) {
                FUZZ_CHECK(!request);
                return NULL;
        }
        FUZZ_CHECK(exec_request_validate(request, NULL) == 0);
        FUZZ_CHECK(request->argv && request->argv[0]);
        FUZZ_CHECK(version >= 1042 || !request->console_size.set);
        dump = dump_request(request);
        FUZZ_CHECK(!exec_request_free(request));
        return dump;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *old = create(data, size, 1041), *current = create(data, size, 1051),
                            *again = create(data, size, 1051);

        FUZZ_CHECK(!current == !again && !current == !old);
        if (!current)
                return 0;
        FUZZ_CHECK(strcmp(current, again) == 0);
        if (size > 0)
                check_with_json_c((const char *) data, size);
        return 0;
}
