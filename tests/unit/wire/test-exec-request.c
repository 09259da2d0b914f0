/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of create: what it may look like, what comes of it, and that each refusal names what is wrong. */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/test.h"
#include "unit/wire/request-text.h"

#define TEXT(t)      (t), sizeof(t) - 1
#define CMD          "\"Cmd\":[\"ls\"]"
#define WITH(fields) TEXT("{" CMD "," fields "}")
#define BAD          "BadRequest: "
#define JSON         "BadRequest: invalid JSON: "
#define NO_CMD       "BadRequest: No exec command specified: Cmd is missing or empty"
#define TYPE(what, field, type) \
        "BadRequest: invalid JSON: json: cannot unmarshal " what " into Go struct field ExecCreateRequest." field " of type " type
#define CMD_HINT      " (Cmd is a string or an array of strings)"
#define PROPERTY_HINT " (Properties is an object or an array)"

static const struct {
        const char *json;
        size_t size;
        const char *expected;
} rows[] = {
        /* Cmd. */
        {TEXT("{\"Cmd\":[\"ls\",\"-l\"]}"), "cmd[ls][-l]"},
        {TEXT("{\"Cmd\":\"ls -l | wc\"}"), "cmd[/bin/sh][-c][ls -l | wc]"},
        {TEXT("{\"Cmd\":[\"\"]}"), "cmd[]"},
        {TEXT("{\"Cmd\":[\"ls\",null,\"\"]}"), "cmd[ls][][]"},
        {TEXT("{\"Cmd\":[null]}"), "cmd[]"},
        {TEXT("{\"Cmd\":[\"a\\n\\t\\\"\\u00e4\\ud83d\\ude00\"]}"), "cmd[a\n\t\"\xc3\xa4\xf0\x9f\x98\x80]"},
        {TEXT("{\"Cmd\":[]}"), NO_CMD},
        {TEXT("{\"Cmd\":null}"), NO_CMD},
        {TEXT("{\"Cmd\":\"\"}"), NO_CMD},
        {TEXT("{}"), NO_CMD},
        {TEXT("null"), NO_CMD},
        {TEXT(""), NO_CMD},
        {TEXT("{\"Cmd\":1}"), TYPE("number", "Cmd", "[]string" CMD_HINT)},
        {TEXT("{\"Cmd\":true}"), TYPE("bool", "Cmd", "[]string" CMD_HINT)},
        {TEXT("{\"Cmd\":{}}"), TYPE("object", "Cmd", "[]string" CMD_HINT)},
        {TEXT("{\"Cmd\":[1]}"), TYPE("number", "Cmd", "string")},
        {TEXT("{\"Cmd\":[\"ls\",[\"-l\"]]}"), TYPE("array", "Cmd", "string")},
        {TEXT("{\"Cmd\":[\"ls\",\"a\\u0000b\"]}"), BAD "Cmd[1] contains a NUL byte"},
        {TEXT("{\"Cmd\":\"a\\u0000b\"}"), BAD "Cmd contains a NUL byte"},

        /* Env. */
        {WITH("\"Env\":[\"A=1\",\"B\",\"\",\"C=\",null,\"D=a=b\"]"), "cmd[ls] env[A=1][B][C=][D=a=b]"},
        {WITH("\"Env\":null"), "cmd[ls]"},
        {WITH("\"Env\":[]"), "cmd[ls]"},
        {WITH("\"Env\":[\"\",\"\"]"), "cmd[ls]"},
        {WITH("\"Env\":[\"1 a.b-c=x\\ny\"]"), "cmd[ls] env[1 a.b-c=x\ny]"},
        {WITH("\"Env\":[\"=x\"]"), BAD "Env: environment variable name can't be empty: \"=x\""},
        {WITH("\"Env\":\"A=1\""), TYPE("string", "Env", "[]string")},
        {WITH("\"Env\":{\"A\":\"1\"}"), TYPE("object", "Env", "[]string")},
        {WITH("\"Env\":[\"A=1\",2]"), TYPE("number", "Env", "string")},
        {WITH("\"Env\":[\"A=\\u0000\"]"), BAD "Env[0] contains a NUL byte"},

        /* Strings. */
        {WITH("\"User\":\"app:wheel\",\"WorkingDir\":\"/srv\""), "cmd[ls] user[app:wheel] dir[/srv]"},
        {WITH("\"User\":\"\",\"WorkingDir\":\"\",\"DetachKeys\":\"\",\"OnDisconnect\":\"\""), "cmd[ls]"},
        {WITH("\"User\":null,\"WorkingDir\":null,\"DetachKeys\":null,\"OnDisconnect\":null"), "cmd[ls]"},
        {WITH("\"User\":0"), TYPE("number", "User", "string")},
        {WITH("\"WorkingDir\":[\"/\"]"), TYPE("array", "WorkingDir", "string")},
        {WITH("\"DetachKeys\":false"), TYPE("bool", "DetachKeys", "string")},
        {WITH("\"OnDisconnect\":{}"), TYPE("object", "OnDisconnect", "string")},
        {WITH("\"User\":\"a\\u0000\""), BAD "User contains a NUL byte"},
        {WITH("\"WorkingDir\":\"/\\u0000\""), BAD "WorkingDir contains a NUL byte"},
        {WITH("\"DetachKeys\":\"ctrl-a,b\""), "cmd[ls] keys[01 62]"},
        {WITH("\"OnDisconnect\":\"hangup\""), "cmd[ls] on[hangup]"},
        {WITH("\"OnDisconnect\":\"kill\""), "cmd[ls] on[kill]"},
        {WITH("\"OnDisconnect\":\"keep\""), "cmd[ls]"},
        {WITH("\"OnDisconnect\":\"Kill\""), BAD "OnDisconnect must be one of keep, hangup, kill"},

        /* Flags. */
        {WITH("\"AttachStdin\":true,\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":true,\"Privileged\":true"),
         "cmd[ls] stdin stdout stderr tty privileged"},
        {WITH("\"AttachStdin\":false,\"Tty\":null"), "cmd[ls]"},
        {WITH("\"Tty\":true,\"Tty\":null"), "cmd[ls] tty"},
        {WITH("\"Tty\":true,\"tTY\":false"), "cmd[ls]"},
        {WITH("\"AttachStdin\":1"), TYPE("number", "AttachStdin", "bool")},
        {WITH("\"AttachStdout\":\"true\""), TYPE("string", "AttachStdout", "bool")},
        {WITH("\"AttachStderr\":[]"), TYPE("array", "AttachStderr", "bool")},
        {WITH("\"Tty\":{}"), TYPE("object", "Tty", "bool")},
        {WITH("\"Privileged\":\"\""), TYPE("string", "Privileged", "bool")},

        /* ConsoleSize. */
        {WITH("\"ConsoleSize\":[24,80]"), "cmd[ls] size[24x80]"},
        {WITH("\"ConsoleSize\":[0,0]"), "cmd[ls]"},
        {WITH("\"ConsoleSize\":null"), "cmd[ls]"},
        {WITH("\"ConsoleSize\":[0,80]"), "cmd[ls] size[0x80]"},
        {WITH("\"ConsoleSize\":[null,80]"), "cmd[ls] size[0x80]"},
        {WITH("\"ConsoleSize\":[65535,65535]"), "cmd[ls] size[65535x65535]"},
        {WITH("\"ConsoleSize\":[65536,1]"), BAD "ConsoleSize: rows and columns must not exceed 65535"},
        {WITH("\"ConsoleSize\":[99999999999999999999,1]"), BAD "ConsoleSize: rows and columns must not exceed 65535"},
        {WITH("\"ConsoleSize\":[1]"), BAD "ConsoleSize must be an array of two numbers, [height, width]"},
        {WITH("\"ConsoleSize\":[]"), BAD "ConsoleSize must be an array of two numbers, [height, width]"},
        {WITH("\"ConsoleSize\":[1,2,3]"), BAD "ConsoleSize must be an array of two numbers, [height, width]"},
        {WITH("\"ConsoleSize\":[-1,2]"), TYPE("number -1", "ConsoleSize", "uint")},
        {WITH("\"ConsoleSize\":[1.5,2]"), TYPE("number 1.5", "ConsoleSize", "uint")},
        {WITH("\"ConsoleSize\":[1e2,2]"), TYPE("number 1e2", "ConsoleSize", "uint")},
        {WITH("\"ConsoleSize\":[\"1\",2]"), TYPE("string", "ConsoleSize", "uint")},
        {WITH("\"ConsoleSize\":\"24x80\""), TYPE("string", "ConsoleSize", "[2]uint")},
        {WITH("\"ConsoleSize\":{}"), TYPE("object", "ConsoleSize", "[2]uint")},

        /* Labels and properties. */
        {WITH("\"Labels\":{\"a\":\"b\",\"c\":\"\",\"d\":null,\"a\":\"e=f\"}"), "cmd[ls] labels[a=e=f][c=][d=]"},
        {WITH("\"Labels\":{}"), "cmd[ls]"},
        {WITH("\"Labels\":null"), "cmd[ls]"},
        {WITH("\"Labels\":{\"ab\":\"1\",\"a\":\"2\"}"), "cmd[ls] labels[ab=1][a=2]"},
        {WITH("\"Labels\":[\"a=b\"]"), TYPE("array", "Labels", "map[string]string")},
        {WITH("\"Labels\":{\"a\":1}"), TYPE("number", "Labels", "string")},
        {WITH("\"Labels\":{\"\":\"b\"}"), BAD "Labels: a key must not be empty or contain \"=\""},
        {WITH("\"Labels\":{\"a=b\":\"c\"}"), BAD "Labels: a key must not be empty or contain \"=\""},
        {WITH("\"Labels\":{\"a\\u0000\":\"c\"}"), BAD "Labels contains a NUL byte"},
        {WITH("\"Properties\":{\"MemoryMax\":\"1G\",\"TasksMax\":12}"), "cmd[ls] properties[MemoryMax=1G][TasksMax=12]"},
        {WITH("\"Properties\":[\"MemoryMax=1G\",\"CPUQuota=50%\"]"), "cmd[ls] properties[MemoryMax=1G][CPUQuota=50%]"},
        {WITH("\"Properties\":{\"TasksMax\":1,\"CPUWeight\":2,\"TasksMax\":3}"),
         "cmd[ls] properties[TasksMax=3][CPUWeight=2]"},
        {WITH("\"Properties\":{\"TasksMax\":null}"), "cmd[ls]"},
        {WITH("\"Properties\":null"), "cmd[ls]"},
        {WITH("\"Properties\":\"TasksMax=1\""), TYPE("string", "Properties", "map[string]string" PROPERTY_HINT)},
        {WITH("\"Properties\":{\"TasksMax\":true}"), TYPE("bool", "Properties", "string (a string or a number)")},
        {WITH("\"Properties\":[7]"), TYPE("number", "Properties", "string (Name=value)")},
        {WITH("\"Properties\":[\"TasksMax\"]"), BAD "Properties: an entry of the array form reads \"Name=value\""},
        {WITH("\"Properties\":{\"CPUWeight\":\"none\"}"),
         BAD "Properties.CPUWeight: invalid value \"none\", expected 1 to 10000, or idle"},

        /* Keys: in any case, of the same ones the last holds, what is unknown does not matter. */
        {TEXT("{\"cmd\":[\"ls\"],\"USER\":\"a\",\"detachKeys\":\"x\",\"tTy\":true}"), "cmd[ls] user[a] tty keys[78]"},
        {TEXT("{\"Cmd\":[\"a\"],\"cmd\":[\"b\"]}"), "cmd[b]"},
        {TEXT("{\"Cmd\":[\"a\"],\"CMD\":null}"), NO_CMD},
        {TEXT("{\"Cmd\":1,\"Cmd\":[\"b\"]}"), TYPE("number", "Cmd", "[]string" CMD_HINT)},
        {WITH("\"User\":\"a\",\"User\":null"), "cmd[ls] user[a]"},
        {WITH("\"User\":\"a\",\"User\":\"\""), "cmd[ls]"},
        {WITH("\"Env\":[\"A=1\"],\"Env\":null"), "cmd[ls]"},
        {WITH("\"Detach\":true,\"Container\":\"x\",\"hijack\":[{\"a\":{}}],\"\":1,\"Tty\\u0000\":3"), "cmd[ls]"},
        {WITH("\"\\u0054ty\":true"), "cmd[ls] tty"},

        /* JSON itself. */
        {TEXT(" \t\r\n{ \"Cmd\" : [ \"ls\" , \"x\" ] } \n"), "cmd[ls][x]"},
        {TEXT("{\"Cmd\":[\"\xff\xc3\"]}"), "cmd[\xef\xbf\xbd\xef\xbf\xbd]"},
        {TEXT("{\"Cmd\":[\"\\ud800x\"]}"), "cmd[\xef\xbf\xbdx]"},
        {TEXT("[]"), JSON "json: cannot unmarshal array into Go value of type container.ExecCreateRequest"},
        {TEXT("\"x\""), JSON "json: cannot unmarshal string into Go value of type container.ExecCreateRequest"},
        {TEXT("1"), JSON "json: cannot unmarshal number into Go value of type container.ExecCreateRequest"},
        {TEXT("  \n"), JSON "got EOF while reading request body"},
        {TEXT("{\"Cmd\":[\"ls\""), JSON "unexpected EOF"},
        {TEXT("hello"), JSON "invalid character 'h' looking for beginning of value"},
        {TEXT("\xef\xbb\xbf{}"), JSON "invalid character '\xc3\xaf' looking for beginning of value"},
        {TEXT("{" CMD "}x"), BAD "unexpected content after JSON"},
        {TEXT("{" CMD "}{}"), BAD "unexpected content after JSON"},
        {TEXT("{" CMD "}\0"), BAD "unexpected content after JSON"},
        {TEXT("{" CMD ",}"), JSON "invalid character '}' looking for beginning of object key string"},
        {TEXT("{" CMD " // c\n}"), JSON "invalid character '/' after object key:value pair"},
        {TEXT("{\"Cmd\":[\"a\nb\"]}"), JSON "invalid character '\\n' in string literal"},
        {TEXT("{'Cmd':[]}"), JSON "invalid character '\\'' looking for beginning of object key string"},
        {TEXT("{\"Cmd\":NaN}"), JSON "invalid character 'N' looking for beginning of value"},
        {TEXT("{\"Cmd\":[\"\\x41\"]}"), JSON "invalid character 'x' in string escape code"},
};

static char *parse(const char *json, size_t size, unsigned version)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_(exec_request_freep) ExecRequest *r = NULL;
        /* A copy of just this size, so that a read past its end is seen. */
        _cleanup_free_ char *copy = malloc(size);

        if (size > 0)
                memcpy(copy, json, size);
        if (exec_request_from_json(copy, size, version, &r, &refusal) < 0) {
                CHECK(!r);
                return refusal_to_text(&refusal);
        }
        CHECK(refusal.kind == REFUSAL_NONE);
        return request_to_text(r);
}

static void test_rows(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *found = parse(rows[i].json, rows[i].size, 1051);

                CHECK_TEXT(rows[i].json, found, rows[i].expected);
        }
}

/* No cut body is a request, and none is taken for one. */
static void test_cut(void)
{
        static const char json[] = "{\"Cmd\":[\"a\\u00e4\"],\"ConsoleSize\":[1,22],\"Tty\":true,\"Labels\":{\"a\":\"b\"}}";

        for (size_t n = 1; n < sizeof(json) - 1; n++) {
                _cleanup_free_ char *found = parse(json, n, 1051);

                CHECK_TEXT(json, found, JSON "unexpected EOF");
        }
}

static void test_version(void)
{
        static const char json[] = "{\"Cmd\":[\"ls\"],\"ConsoleSize\":[24,80]}";
        _cleanup_free_ char *old = parse(json, sizeof(json) - 1, 1041);
        _cleanup_free_ char *new = parse(json, sizeof(json) - 1, 1042);

        CHECK_TEXT("1.41", old, "cmd[ls]");
        CHECK_TEXT("1.42", new, "cmd[ls] size[24x80]");
}

/* `start`, then `piece` as many times, then `end`. */
static char *parse_repeated(const char *start, const char *piece, size_t n, const char *end)
{
        _cleanup_buf_ Buf b = BUF_INIT;

        buf_puts(&b, start);
        for (size_t i = 0; i < n; i++)
                buf_puts(&b, piece);
        buf_puts(&b, end);
        return parse(buf_head(&b), buf_length(&b), 1051);
}

static void test_limits(void)
{
        static const struct {
                const char *start, *piece;
                size_t n; /* the most that is accepted */
                const char *end, *refused;
        } limits[] = {
                {"{\"Cmd\":[\"ls\"", ",\"x\"", EXEC_ARGS_MAX - 1, "]}",
                 "TooLarge: Cmd and Env together have 4097 entries, the limit is 4096"},
                {"{" CMD ",\"Env\":[\"A=1\"", ",\"B\"", EXEC_ARGS_MAX - 2, "]}",
                 "TooLarge: Cmd and Env together have 4097 entries, the limit is 4096"},
                {"{" CMD ",\"User\":\"", "u", 256, "\"}", NULL},
                {"{" CMD ",\"WorkingDir\":\"", "d", EXEC_STRING_MAX, "\"}",
                 "TooLarge: WorkingDir is longer than 4096 bytes, which is the limit"},
                {"{\"Cmd\":[\"ls\"],\"x\":", "[", EXEC_JSON_DEPTH - 1, "", NULL},
                {"{\"Cmd\":[\"", "x", EXEC_BODY_MAX - 12, "\"]}",
                 "TooLarge: the request body is larger than 1048576 bytes, which is the limit"},
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                _cleanup_free_ char *most = NULL, *more = NULL;

                if (!limits[i].refused)
                        continue;
                most = parse_repeated(limits[i].start, limits[i].piece, limits[i].n, limits[i].end);
                more = parse_repeated(limits[i].start, limits[i].piece, limits[i].n + 1, limits[i].end);
                CHECK_ROW(limits[i].start, strncmp(most, "cmd[", 4) == 0);
                CHECK_TEXT(limits[i].start, more, limits[i].refused);
        }
}

/* Nesting, counted with the body itself. */
static void test_depth(void)
{
        for (unsigned depth = EXEC_JSON_DEPTH - 1; depth <= EXEC_JSON_DEPTH + 1; depth++) {
                _cleanup_buf_ Buf b = BUF_INIT;
                _cleanup_free_ char *found = NULL;

                buf_puts(&b, "{" CMD ",\"x\":");
                for (unsigned i = 1; i < depth; i++)
                        buf_puts(&b, "[");
                for (unsigned i = 1; i < depth; i++)
                        buf_puts(&b, "]");
                buf_puts(&b, "}");
                found = parse(buf_head(&b), buf_length(&b), 1051);
                CHECK_TEXT("depth", found, depth <= EXEC_JSON_DEPTH ? "cmd[ls]" : JSON "exceeded max depth (16 levels)");
        }
}

/* The size of all arguments together: NULs count, and one byte decides. */
static void test_size(void)
{
        for (size_t over = 0; over <= 1; over++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                _cleanup_free_ char *large = malloc(EXEC_ARGS_SIZE_MAX);
                char *argv[] = {large, NULL}, *env[] = {(char *) "AB=", NULL};
                ExecRequest r = {.argv = argv, .env = env};
                size_t n = EXEC_ARGS_SIZE_MAX - sizeof("AB=") - 1 + over;
                int k;

                memset(large, 'x', n);
                large[n] = 0;
                k = exec_request_validate(&r, &refusal);
                CHECK(k == (over ? -E2BIG : 0));
                CHECK_TEXT("size", refusal.message,
                           over ? "Cmd and Env together have 1048577 bytes, the limit is 1048576" : NULL);
        }
}

static void add_numbered(Buf *b, size_t n, const char *format)
{
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_puts(b, ",");
                buf_printf(b, format, i);
        }
}

static void test_counts(void)
{
        for (size_t n = EXEC_LABELS_MAX; n <= EXEC_LABELS_MAX + 1; n++) {
                _cleanup_buf_ Buf b = BUF_INIT;
                _cleanup_free_ char *found = NULL;

                buf_puts(&b, "{" CMD ",\"Labels\":{");
                add_numbered(&b, n, "\"k%zu\":\"v\"");
                buf_puts(&b, "}}");
                found = parse(buf_head(&b), buf_length(&b), 1051);
                if (n > EXEC_LABELS_MAX)
                        CHECK_TEXT("labels", found, "TooLarge: Labels has more than 64 entries, which is the limit");
                else
                        CHECK(strncmp(found, "cmd[ls] labels[k0=v]", 20) == 0);
        }
        {
                _cleanup_buf_ Buf b = BUF_INIT;
                _cleanup_free_ char *found = NULL;

                buf_puts(&b, "{" CMD ",\"Properties\":{");
                add_numbered(&b, SCOPE_PROPERTIES_MAX + 1, "\"p%zu\":1");
                buf_puts(&b, "}}");
                found = parse(buf_head(&b), buf_length(&b), 1051);
                CHECK_TEXT("properties", found, "TooLarge: Properties has more than 32 entries, which is the limit");
        }
}

/* A request that comes over D-Bus is checked by the same rules, without JSON in front. */
static void test_validate(void)
{
        char *argv[] = {(char *) "ls", NULL}, *none[] = {NULL}, *env[] = {(char *) "A", (char *) "=b", NULL};
        char *label[] = {(char *) "a=b", (char *) "c", NULL}, *unnamed[] = {(char *) "=b", NULL};
        const struct {
                ExecRequest request;
                const char *expected;
        } requests[] = {
                {{.argv = argv}, NULL},
                {{.argv = NULL}, "No exec command specified: Cmd is missing or empty"},
                {{.argv = none}, "No exec command specified: Cmd is missing or empty"},
                {{.argv = argv, .env = env}, "Env: environment variable name can't be empty: \"=b\""},
                {{.argv = argv, .labels = label}, "Labels: an entry is a key that is not empty and a value"},
                {{.argv = argv, .labels = unnamed}, "Labels: an entry is a key that is not empty and a value"},
                {{.argv = argv, .n_properties = SCOPE_PROPERTIES_MAX + 1},
                 "Properties has more than 32 entries, which is the limit"},
                {{.argv = argv, .on_disconnect = _ON_DISCONNECT_MAX}, "OnDisconnect must be one of keep, hangup, kill"},
        };

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                int r = exec_request_validate(&requests[i].request, &refusal);

                CHECK_ROW(requests[i].expected ?: "fine", (r < 0) == (requests[i].expected != NULL));
                CHECK_TEXT("validate", refusal.message, requests[i].expected);
        }
}

static void test_on_disconnect(void)
{
        for (int i = 0; i < _ON_DISCONNECT_MAX; i++)
                CHECK(on_disconnect_from_string(on_disconnect_to_string((OnDisconnect) i)) == i);
        CHECK(!on_disconnect_to_string(_ON_DISCONNECT_MAX));
        CHECK(on_disconnect_from_string("KEEP") == -EINVAL);
        CHECK(on_disconnect_from_string("") == -EINVAL);
        CHECK(on_disconnect_from_string(NULL) == -EINVAL);
}

int main(void)
{
        test_rows();
        test_cut();
        test_version();
        test_limits();
        test_depth();
        test_size();
        test_counts();
        test_validate();
        test_on_disconnect();
        return test_finish("exec-request");
}
