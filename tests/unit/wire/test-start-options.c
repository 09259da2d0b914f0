/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of start, which clients leave out, leave empty, or fill with fields of their own. */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/test.h"
#include "wire/exec-request.h"

#define TEXT(t) (t), sizeof(t) - 1
#define JSON    "BadRequest: invalid JSON: "
#define TYPE(what, field, type)                                  \
        "BadRequest: invalid JSON: json: cannot unmarshal " what \
        " into Go struct field ExecStartRequest." field " of type " type

static const struct {
        const char *json;
        size_t size;
        const char *expected;
} rows[] = {
        {TEXT(""), "attach"},
        {TEXT("null"), "attach"},
        {TEXT("{}"), "attach"},
        {TEXT("{\"Detach\":false,\"Tty\":false}\n"), "attach"},
        {TEXT("{\"Detach\":true,\"Tty\":true}"), "detach tty"},
        {TEXT("{\"detach\":true,\"TTY\":true}"), "detach tty"},
        {TEXT("{\"Detach\":null,\"Tty\":null,\"ConsoleSize\":null}"), "attach"},
        {TEXT("{\"Tty\":true,\"ConsoleSize\":[33,99]}"), "attach tty 33x99"},
        {TEXT("{\"Tty\":true,\"ConsoleSize\":[0,0]}"), "attach tty"},
        {TEXT("{\"hijack\":true,\"stdin\":true}"), "attach"},
        {TEXT("{\"Cmd\":1,\"User\":2}"), "attach"},
        {TEXT("{\"Tty\":true,\"Tty\":false}"), "attach"},
        {TEXT("{\"Detach\":1}"), TYPE("number", "Detach", "bool")},
        {TEXT("{\"Detach\":\"false\"}"), TYPE("string", "Detach", "bool")},
        {TEXT("{\"Tty\":[]}"), TYPE("array", "Tty", "bool")},
        {TEXT("{\"ConsoleSize\":\"1x2\"}"), TYPE("string", "ConsoleSize", "[2]uint")},
        {TEXT("{\"ConsoleSize\":[true,1]}"), TYPE("bool", "ConsoleSize", "uint")},
        {TEXT("{\"ConsoleSize\":[1,70000]}"),
         "BadRequest: ConsoleSize: rows and columns must not exceed 65535"},
        {TEXT("{\"ConsoleSize\":[1]}"),
         "BadRequest: ConsoleSize must be an array of two numbers, [height, width]"},
        {TEXT(" "), JSON "got EOF while reading request body"},
        {TEXT("{"), JSON "unexpected EOF"},
        {TEXT("{\"Tty\":tru}"), JSON "invalid character '}' in literal true (expecting 'e')"},
        {TEXT("{} {}"), "BadRequest: unexpected content after JSON"},
        {TEXT("[]"), JSON "json: cannot unmarshal array into Go value of type container.ExecStartRequest"},
};

/* "BadRequest: what is wrong". */
static char *refusal_to_text(const Refusal *r)
{
        char *text;

        return asprintf(&text, "%s: %s", refusal_kind_to_string(r->kind), r->message ?: "(null)") < 0 ? NULL
                                                                                                      : text;
}

static char *parse(const char *json, size_t size, unsigned version)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        StartOptions start;
        char size_text[32] = "", *text;

        /* Earlier values must not show in the result, and must not change when the body is refused. */
        memset(&start, 0xff, sizeof(start));
        if (start_options_from_json(json, size, version, &start, &refusal) < 0) {
                CHECK_ROW(json, start.console_size.rows == 0xffff);
                return refusal_to_text(&refusal);
        }
        if (start.console_size.set)
                snprintf(size_text, sizeof(size_text), " %ux%u", start.console_size.rows,
                         start.console_size.columns);
        return asprintf(&text, "%s%s%s", start.detach ? "detach" : "attach", start.tty ? " tty" : "",
                        size_text) < 0
                       ? NULL
                       : text;
}

int main(void)
{
        static const char sized[] = "{\"ConsoleSize\":[1,2]}";

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *found = parse(rows[i].json, rows[i].size, 1051);

                CHECK_TEXT(rows[i].json, found, rows[i].expected);
        }
        {
                _cleanup_free_ char *old = parse(sized, sizeof(sized) - 1, 1041);
                _cleanup_free_ char *new = parse(sized, sizeof(sized) - 1, 1042);

                CHECK_TEXT("1.41", old, "attach");
                CHECK_TEXT("1.42", new, "attach 1x2");
        }
        {
                _cleanup_free_ char *blanks = malloc(START_BODY_MAX + 1), *found = NULL;

                memset(blanks, ' ', START_BODY_MAX + 1);
                found = parse(blanks, START_BODY_MAX + 1, 1051);
                CHECK_TEXT("long", found,
                           "TooLarge: the request body is larger than 65536 bytes, which is the limit");
        }
        return test_finish("start-request");
}
