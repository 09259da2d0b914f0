/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bodies of create and start: the valid values of each field, values that Docker accepts, and those that it
 * refuses, with its words. A row's expectation begins with a space (the request's dump) or is the refusal's whole text.
 */

#include <malloc.h>
#include <stdlib.h>

#include "unit/test.h"
#include "unit/wire/request-dump.h"

#define VERSION 1051
#define BAD     "invalid JSON: "
#define FIELD   "into Go struct field ExecCreateRequest."
#define NO_CMD  "No exec command specified: Cmd is missing or empty"
#define KEYS                                                                                             \
        " provided: DetachKeys is a comma-separated list of single characters, ctrl-<value> with value " \
        "one of a-z @ [ \\ ] ^ _ and the comma, or DEL"
#define SIZE_LENGTH "ConsoleSize must be an array of two numbers, [height, width]"
#define SIZE_RANGE  "ConsoleSize: rows and columns must not exceed 65535"
#define FFFD        "\xef\xbf\xbd"

static const struct {
        const char *json, *expected;
} rows[] = {
        /* Cmd. */
        {"{\"Cmd\":[\"id\"]}", " argv=[id]"},
        {"{\"Cmd\":[\"a\",\"b c\",\"\"]}", " argv=[a][b c][]"},
        {"{\"Cmd\":\"echo $HOME\"}", " argv=[/bin/sh][-c][echo $HOME]"},
        {"{\"Cmd\":[\"\"]}", " argv=[]"},
        {"{\"Cmd\":[null,\"a\"]}", " argv=[][a]"},
        {"", NO_CMD},
        {"{}", NO_CMD},
        {"null", NO_CMD},
        {"{\"Cmd\":null}", NO_CMD},
        {"{\"Cmd\":[]}", NO_CMD},
        {"{\"Cmd\":\"\"}", NO_CMD},
        {"{\"Cmd\":5}", BAD "json: cannot unmarshal number " FIELD
                            "Cmd of type []string (Cmd is a string or an array of strings)"},
        {"{\"Cmd\":true}", BAD "json: cannot unmarshal bool " FIELD
                               "Cmd of type []string (Cmd is a string or an array of strings)"},
        {"{\"Cmd\":{}}", BAD "json: cannot unmarshal object " FIELD
                             "Cmd of type []string (Cmd is a string or an array of strings)"},
        {"{\"Cmd\":[\"a\",1]}", BAD "json: cannot unmarshal number " FIELD "Cmd of type string"},
        {"{\"Cmd\":[[\"a\"]]}", BAD "json: cannot unmarshal array " FIELD "Cmd of type string"},
        {"{\"Cmd\":[\"a\",\"b\",\"c\\u0000d\"]}", "Cmd[2] contains a NUL byte"},
        {"{\"Cmd\":\"a\\u0000\"}", "Cmd contains a NUL byte"},

        /* Every other field of Docker's. */
        {"{\"Cmd\":[\"a\"],\"Env\":[\"A=1\",\"B\",\"\",\"C=\",null]}", " argv=[a] env=[A=1][B][C=]"},
        {"{\"Cmd\":[\"a\"],\"Env\":null}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Env\":[\"\"]}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Env\":\"A=1\"}",
         BAD "json: cannot unmarshal string " FIELD "Env of type []string"},
        {"{\"Cmd\":[\"a\"],\"Env\":{\"A\":\"1\"}}",
         BAD "json: cannot unmarshal object " FIELD "Env of type []string"},
        {"{\"Cmd\":[\"a\"],\"Env\":[1]}", BAD "json: cannot unmarshal number " FIELD "Env of type string"},
        {"{\"Cmd\":[\"a\"],\"Env\":[\"A=\\u0000\"]}", "Env[0] contains a NUL byte"},
        {"{\"Cmd\":[\"a\"],\"Env\":[\"=x\"]}", "Env: environment variable name can't be empty: \"=x\""},
        {"{\"Cmd\":[\"a\"],\"User\":\"app:wheel\"}", " argv=[a] user=app:wheel"},
        {"{\"Cmd\":[\"a\"],\"User\":\"\"}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"User\":0}", BAD "json: cannot unmarshal number " FIELD "User of type string"},
        {"{\"Cmd\":[\"a\"],\"User\":\"a\\u0000\"}", "User contains a NUL byte"},
        {"{\"Cmd\":[\"a\"],\"WorkingDir\":\"/tmp\"}", " argv=[a] dir=/tmp"},
        {"{\"Cmd\":[\"a\"],\"WorkingDir\":\"tmp\"}", " argv=[a] dir=tmp"},
        {"{\"Cmd\":[\"a\"],\"WorkingDir\":[]}",
         BAD "json: cannot unmarshal array " FIELD "WorkingDir of type string"},
        {"{\"Cmd\":[\"a\"],\"Tty\":true,\"Privileged\":true}", " argv=[a] tty privileged"},
        {"{\"Cmd\":[\"a\"],\"AttachStdin\":true,\"AttachStdout\":true,\"AttachStderr\":true}",
         " argv=[a] stdin stdout stderr"},
        {"{\"Cmd\":[\"a\"],\"AttachStdin\":false,\"Tty\":null}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Tty\":\"true\"}",
         BAD "json: cannot unmarshal string " FIELD "Tty of type bool"},
        {"{\"Cmd\":[\"a\"],\"Tty\":1}", BAD "json: cannot unmarshal number " FIELD "Tty of type bool"},
        {"{\"Cmd\":[\"a\"],\"Privileged\":\"\"}",
         BAD "json: cannot unmarshal string " FIELD "Privileged of type bool"},
        {"{\"Cmd\":[\"a\"],\"AttachStdin\":[]}",
         BAD "json: cannot unmarshal array " FIELD "AttachStdin of type bool"},
        {"{\"Cmd\":[\"a\"],\"AttachStdout\":0}",
         BAD "json: cannot unmarshal number " FIELD "AttachStdout of type bool"},
        {"{\"Cmd\":[\"a\"],\"AttachStderr\":{}}",
         BAD "json: cannot unmarshal object " FIELD "AttachStderr of type bool"},
        {"{\"Cmd\":[\"a\"],\"DetachKeys\":\"ctrl-p,ctrl-q\"}", " argv=[a] keys=1011"},
        {"{\"Cmd\":[\"a\"],\"DetachKeys\":\"ctrl-,\"}", " argv=[a] keys=0c"},
        {"{\"Cmd\":[\"a\"],\"DetachKeys\":\"\"}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"DetachKeys\":\"abc\"}", "Invalid escape keys (abc)" KEYS},
        {"{\"DetachKeys\":\"abc\"}", NO_CMD}, /* in Docker's order of checks Cmd comes first */
        {"{\"Cmd\":[\"a\"],\"DetachKeys\":1}",
         BAD "json: cannot unmarshal number " FIELD "DetachKeys of type string"},

        /* ConsoleSize. */
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[24,80]}", " argv=[a] size=24x80"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[0,0]}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[0,80]}", " argv=[a] size=0x80"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[65535,65535]}", " argv=[a] size=65535x65535"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":null}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[24,80],\"ConsoleSize\":null}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[]}", SIZE_LENGTH},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[24]}", SIZE_LENGTH},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[24,80,1]}", SIZE_LENGTH},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[65536,80]}", SIZE_RANGE},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[24,99999999999999999999999999]}", SIZE_RANGE},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[-1,80]}",
         BAD "json: cannot unmarshal number -1 " FIELD "ConsoleSize of type uint"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[24.0,80]}",
         BAD "json: cannot unmarshal number 24.0 " FIELD "ConsoleSize of type uint"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[1e2,80]}",
         BAD "json: cannot unmarshal number 1e2 " FIELD "ConsoleSize of type uint"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[\"24\",80]}",
         BAD "json: cannot unmarshal string " FIELD "ConsoleSize of type uint"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":\"24x80\"}",
         BAD "json: cannot unmarshal string " FIELD "ConsoleSize of type [2]uint"},

        /* Our own fields. */
        {"{\"Cmd\":[\"a\"],\"record\":true}", " argv=[a] record"},
        {"{\"Cmd\":[\"a\"],\"Record\":false}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Record\":null}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Record\":\"yes\"}",
         BAD "json: cannot unmarshal string " FIELD "Record of type bool"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"x\":\"1\",\"y\":\"a=b\",\"z\":null}}",
         " argv=[a] labels=[x=1][y=a=b][z=]"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"x\":\"1\",\"y\":\"2\",\"x\":\"3\"}}",
         " argv=[a] labels=[x=3][y=2]"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"x\":\"1\",\"xy\":\"2\"}}", " argv=[a] labels=[x=1][xy=2]"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{}}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"\":\"1\"}}", "Labels: a key must not be empty or contain \"=\""},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"a=b\":\"1\"}}", "Labels: a key must not be empty or contain \"=\""},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"a\\u0000\":\"1\"}}", "Labels contains a NUL byte"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"a\":\"\\u0000\"}}", "Labels contains a NUL byte"},
        {"{\"Cmd\":[\"a\"],\"Labels\":{\"a\":1}}",
         BAD "json: cannot unmarshal number " FIELD "Labels of type string"},
        {"{\"Cmd\":[\"a\"],\"Labels\":[\"a=1\"]}",
         BAD "json: cannot unmarshal array " FIELD "Labels of type map[string]string"},
        {"{\"Cmd\":[\"a\"],\"OnDisconnect\":\"kill\"}", " argv=[a] on-disconnect=kill"},
        {"{\"Cmd\":[\"a\"],\"OnDisconnect\":\"hangup\"}", " argv=[a] on-disconnect=hangup"},
        {"{\"Cmd\":[\"a\"],\"OnDisconnect\":\"keep\"}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"OnDisconnect\":\"\"}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"OnDisconnect\":\"Kill\"}", "OnDisconnect must be one of keep, hangup, kill"},
        {"{\"Cmd\":[\"a\"],\"OnDisconnect\":1}",
         BAD "json: cannot unmarshal number " FIELD "OnDisconnect of type string"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{\"RuntimeMaxSec\":2,\"MemoryMax\":\"1G\"}}",
         " argv=[a] RuntimeMaxSec=2 MemoryMax=1G"},
        {"{\"Cmd\":[\"a\"],\"Properties\":[\"RuntimeMaxSec=2\",\"MemoryMax=1G\"]}",
         " argv=[a] RuntimeMaxSec=2 MemoryMax=1G"},
        {"{\"Cmd\":[\"a\"],\"Properties\":[\"TasksMax=1\",\"IOWeight=2\",\"TasksMax=3\"]}",
         " argv=[a] TasksMax=3 IOWeight=2"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{\"TasksMax\":null}}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{}}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Properties\":[]}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Properties\":[\"TasksMax\"]}",
         "Properties: an entry of the array form reads \"Name=value\""},
        {"{\"Cmd\":[\"a\"],\"Properties\":[1]}",
         BAD "json: cannot unmarshal number " FIELD "Properties of type string (Name=value)"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{\"TasksMax\":true}}", BAD
         "json: cannot unmarshal bool " FIELD "Properties.TasksMax of type string (a string or a number)"},
        {"{\"Cmd\":[\"a\"],\"Properties\":\"TasksMax=1\"}",
         BAD "json: cannot unmarshal string " FIELD
             "Properties of type map[string]string (Properties is an object or an array)"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{\"IOWeight\":0}}",
         "Properties.IOWeight: invalid value \"0\", expected 1 to 10000"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{\"MemoryMax\":-1}}",
         "Properties.MemoryMax: invalid value \"-1\", expected bytes (such as 512M or 1G), a percentage up to "
         "100%, or infinity"},
        {"{\"Cmd\":[\"a\"],\"Properties\":{\"TasksMax\\u0000\":1}}", "Properties contains a NUL byte"},

        /* Keys: any case, any order, the last of several; unknown ones are ignored. */
        {"{\"cmd\":[\"a\"],\"detachKeys\":\"a\",\"tTY\":true}", " argv=[a] keys=61 tty"},
        {"{\"\\u0043md\":[\"a\"]}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"cmd\":[\"b\"],\"CMD\":[\"c\"]}", " argv=[c]"},
        {"{\"Cmd\":[\"a\"],\"cmd\":[\"b\"],\"Cmd\":[\"c\"]}", " argv=[c]"},
        {"{\"Cmd\":[\"a\"],\"cmd\":null}", NO_CMD},
        {"{\"Cmd\":[\"a\"],\"Env\":[\"A=1\"],\"env\":null}", " argv=[a]"},
        {"{\"Cmd\":[\"a\"],\"Tty\":true,\"tty\":null}", " argv=[a] tty"},
        {"{\"Cmd\":[\"a\"],\"User\":\"x\",\"User\":null}", " argv=[a] user=x"},
        {"{\"Cmd\":[\"a\"],\"User\":\"x\",\"User\":\"\"}", " argv=[a]"},
        {"{\"Cmd\":5,\"Cmd\":[\"a\"]}", BAD "json: cannot unmarshal number " FIELD
                                            "Cmd of type []string (Cmd is a string or an array of strings)"},
        {"{\"Detach\":true,\"Container\":\"web\",\"Nope\":{\"Cmd\":[1]},\"Cmd\":[\"a\"]}", " argv=[a]"},
        {"{\"Cmd\\u0000\":[\"b\"],\"Cmd\":[\"a\"]}", " argv=[a]"},
        {" \t\r\n{ \"Cmd\" : [ \"a\" , \"b\" ] } \r\n", " argv=[a][b]"},

        /* Strings. */
        {"{\"Cmd\":[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]}", " argv=[\"\\/\b\f\n\r\t]"},
        {"{\"Cmd\":[\"\\u00e4\\u20ac\\uD83D\\uDE00\"]}", " argv=[\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80]"},
        {"{\"Cmd\":[\"\xc3\xa4\xf0\x9f\x98\x80\"]}", " argv=[\xc3\xa4\xf0\x9f\x98\x80]"},
        {"{\"Cmd\":[\"a\\ud800\"]}", " argv=[a" FFFD "]"},
        {"{\"Cmd\":[\"\\udc00a\"]}", " argv=[" FFFD "a]"},
        {"{\"Cmd\":[\"\\ud800\\u0041\"]}", " argv=[" FFFD "A]"},
        {"{\"Cmd\":[\"\\ud800x\"]}", " argv=[" FFFD "x]"},
        {"{\"Cmd\":[\"\\ud800\\ud800\"]}", " argv=[" FFFD FFFD "]"},
        {"{\"Cmd\":[\"\\ud800\\n\"]}", " argv=[" FFFD "\n]"},
        {"{\"Cmd\":[\"a\xff\xfe\"]}", " argv=[a" FFFD FFFD "]"},
        {"{\"Cmd\":[\"\xc0\x80\"]}", " argv=[" FFFD FFFD "]"},                   /* overlong NUL */
        {"{\"Cmd\":[\"\xed\xa0\x80\"]}", " argv=[" FFFD FFFD FFFD "]"},          /* a surrogate, encoded */
        {"{\"Cmd\":[\"\xf4\x90\x80\x80\"]}", " argv=[" FFFD FFFD FFFD FFFD "]"}, /* above U+10FFFF */
        {"{\"Cmd\":[\"\xe2\x82\"]}", " argv=[" FFFD FFFD "]"},
        {"{\"Cmd\":[\"\x7f\"]}", " argv=[\x7f]"},

        /* Not an object. */
        {"[]", BAD "json: cannot unmarshal array into Go value of type container.ExecCreateRequest"},
        {"\"x\"", BAD "json: cannot unmarshal string into Go value of type container.ExecCreateRequest"},
        {"1", BAD "json: cannot unmarshal number into Go value of type container.ExecCreateRequest"},
        {"true", BAD "json: cannot unmarshal bool into Go value of type container.ExecCreateRequest"},

        /* Syntax, in the words of Go's decoder. */
        {" ", BAD "got EOF while reading request body"},
        {"\r\n\t ", BAD "got EOF while reading request body"},
        {"{", BAD "unexpected EOF"},
        {"{\"Cmd\":[\"a\"]", BAD "unexpected EOF"},
        {"{\"Cmd\":[\"a", BAD "unexpected EOF"},
        {"{\"Cmd\":[\"a\\", BAD "unexpected EOF"},
        {"{\"Cmd\":[\"\\u00", BAD "unexpected EOF"},
        {"{\"Tty\":tru", BAD "unexpected EOF"},
        {"{\"Tty\":-", BAD "unexpected EOF"},
        {"{\"Tty\":1.", BAD "unexpected EOF"},
        {"{\"Tty\":1e", BAD "unexpected EOF"},
        {"{\"Tty\"", BAD "unexpected EOF"},
        {"{\"Tty\":", BAD "unexpected EOF"},
        {"{\"Cmd\":[\"a\"]} x", "unexpected content after JSON"},
        {"{\"Cmd\":[\"a\"]}{}", "unexpected content after JSON"},
        {"{\"Cmd\":[\"a\"]}}", "unexpected content after JSON"},
        {"{\"Cmd\":[\"a\"]}// x", "unexpected content after JSON"},
        {"hello", BAD "invalid character 'h' looking for beginning of value"},
        {"\xef\xbb\xbf{}", BAD "invalid character '\xc3\xaf' looking for beginning of value"},
        {"'x'", BAD "invalid character '\\'' looking for beginning of value"},
        {"/* x */{}", BAD "invalid character '/' looking for beginning of value"},
        {"\x01", BAD "invalid character '\\x01' looking for beginning of value"},
        {"\x80", BAD "invalid character '\\u0080' looking for beginning of value"},
        {"NaN", BAD "invalid character 'N' looking for beginning of value"},
        {"Infinity", BAD "invalid character 'I' looking for beginning of value"},
        {"-Infinity", BAD "invalid character 'I' in numeric literal"},
        {"+1", BAD "invalid character '+' looking for beginning of value"},
        {".5", BAD "invalid character '.' looking for beginning of value"},
        {"{\"a\":01}", BAD "invalid character '1' after object key:value pair"},
        {"{\"a\":1.x}", BAD "invalid character 'x' after decimal point in numeric literal"},
        {"{\"a\":1ex}", BAD "invalid character 'x' in exponent of numeric literal"},
        {"{\"a\":0x1}", BAD "invalid character 'x' after object key:value pair"},
        {"{\"a\":tRue}", BAD "invalid character 'R' in literal true (expecting 'r')"},
        {"{\"a\":falsy}", BAD "invalid character 'y' in literal false (expecting 'e')"},
        {"{\"a\":nul}", BAD "invalid character '}' in literal null (expecting 'l')"},
        {"{a:1}", BAD "invalid character 'a' looking for beginning of object key string"},
        {"{'a':1}", BAD "invalid character '\\'' looking for beginning of object key string"},
        {"{\"a\" 1}", BAD "invalid character '1' after object key"},
        {"{\"a\":1 \"b\":2}", BAD "invalid character '\"' after object key:value pair"},
        {"{\"a\":1,}", BAD "invalid character '}' looking for beginning of object key string"},
        {"{,}", BAD "invalid character ',' looking for beginning of object key string"},
        {"[1,]", BAD "invalid character ']' looking for beginning of value"},
        {"[1 2]", BAD "invalid character '2' after array element"},
        {"[}", BAD "invalid character '}' looking for beginning of value"},
        {"{\"a\":[1}", BAD "invalid character '}' after array element"},
        {"{\"a\":\"\n\"}", BAD "invalid character '\\n' in string literal"},
        {"{\"a\":\"\x1f\"}", BAD "invalid character '\\x1f' in string literal"},
        {"{\"a\":\"\\x\"}", BAD "invalid character 'x' in string escape code"},
        {"{\"a\":\"\\'\"}", BAD "invalid character '\\'' in string escape code"},
        {"{\"a\":\"\\u00g0\"}", BAD "invalid character 'g' in \\u hexadecimal character escape"},
        {"{\"Cmd\":5,", BAD "unexpected EOF"}, /* the whole text is checked before any type */
        /* 16 levels are the limit. */
        {"{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]],\"Cmd\":[\"a\"]}", " argv=[a]"},
        {"{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],\"Cmd\":[\"a\"]}", BAD "exceeded max depth (16 levels)"},
        {"{\"a\":[[[[[[[[[[[[[[[{", BAD "exceeded max depth (16 levels)"},
};

/* In steps of a few bytes, with the same end. */
static void check_steps(const char *json, size_t size, unsigned version, size_t bytes, const char *dump,
                        const char *message)
{
        _cleanup_(exec_request_reader_freep) ExecRequestReader *reader = NULL;
        _cleanup_(exec_request_freep) ExecRequest *request = NULL;
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        _cleanup_free_ char *found = NULL;
        unsigned n = 0;
        int r;

        CHECK_ROW(json, exec_request_reader_new(json, size, version, &reader) == 0);
        do
                r = exec_request_reader_step(reader, bytes, &request, &e);
        while (r == 0 && n++ < 10000);
        CHECK_ROW(json, r < 0 ? !request : r == 1 && request);
        found = request ? dump_request(request) : NULL;
        CHECK_TEXT(json, found, dump);
        CHECK_TEXT(json, e.message, message);
}

static char *create(const char *json, size_t size, unsigned version, Refusal *e)
{
        _cleanup_(exec_request_freep) ExecRequest *request = NULL;
        char *dump;
        int r;

        /* A copy to the byte, so that a sanitizer sees a read past the end. */
        _cleanup_free_ char *exact = malloc(size ?: 1);

        memcpy(exact, json, size);
        r = exec_request_from_json(exact, size, version, &request, e);
        CHECK_ROW(json, r < 0 ? !request && e->kind != REFUSAL_NONE : request && e->kind == REFUSAL_NONE);
        dump = r < 0 ? NULL : dump_request(request);
        for (size_t bytes = 1; bytes < 6 && size < 10000; bytes++)
                check_steps(exact, size, version, bytes, dump, e->message);
        return dump;
}

static void test_rows(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                _cleanup_free_ char *dump = create(rows[i].json, strlen(rows[i].json), VERSION, &e);

                CHECK_TEXT(rows[i].json, dump ?: e.message, rows[i].expected);
                if (!dump)
                        CHECK_ROW(rows[i].json, e.kind == REFUSAL_BAD_REQUEST);
        }
}

static void test_raw_nul(void)
{
        static const char inside[] = "{\"Cmd\":[\"a\0b\"]}", behind[] = "{\"Cmd\":[\"a\"]}\0";
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;

        CHECK_TEXT("NUL in a string", create(inside, sizeof(inside) - 1, VERSION, &e), NULL);
        CHECK_TEXT("NUL in a string", e.message, BAD "invalid character '\\x00' in string literal");
        refusal_done(&e);
        CHECK_TEXT("NUL behind", create(behind, sizeof(behind) - 1, VERSION, &e), NULL);
        CHECK_TEXT("NUL behind", e.message, "unexpected content after JSON");
}

/* Every beginning of a body is refused, and none is read beyond its end. */
static void test_truncated(void)
{
        static const char body[] = "{\"Cmd\":[\"a\\u0041\",null],\"Tty\":true,\"ConsoleSize\":[1,2],"
                                   "\"Labels\":{\"a\":\"b\"},\"Properties\":[\"TasksMax=1.0e5\"]}";

        for (size_t n = 1; n < sizeof(body) - 1; n++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                _cleanup_free_ char *dump = create(body, n, VERSION, &e);

                CHECK_TEXT("truncated", dump ?: e.message, BAD "unexpected EOF");
        }
}

static void test_versions(void)
{
        static const char body[] = "{\"Cmd\":[\"a\"],\"ConsoleSize\":[24,80]}";
        static const struct {
                unsigned version;
                const char *expected;
        } versions[] = {{1024, " argv=[a]"}, {1041, " argv=[a]"}, {1042, " argv=[a] size=24x80"}};

        for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                _cleanup_free_ char *dump = create(body, sizeof(body) - 1, versions[i].version, &e);

                CHECK_TEXT("version", dump, versions[i].expected);
        }
}

/* A body with one string or list of `n` pieces in the middle. */
static void check_limit(const char *start, const char *piece, size_t n, const char *end, const char *refusal)
{
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        _cleanup_buf_ Buf b = BUF_INIT;
        _cleanup_free_ char *dump = NULL;

        buf_puts(&b, start);
        for (size_t i = 0; i < n; i++)
                buf_printf(&b, piece, i);
        buf_puts(&b, end);
        buf_append(&b, "", 1);
        dump = create(buf_head(&b), buf_length(&b) - 1, VERSION, &e);
        if (!refusal) {
                CHECK_TEXT(start, e.message, NULL);
                CHECK_ROW(start, dump);
                return;
        }
        CHECK_ROW(start, !dump && e.kind == REFUSAL_TOO_LARGE);
        CHECK_TEXT(start, e.message, refusal);
}

static void test_limits(void)
{
        static const char cmd[] = "{\"Cmd\":[\"a\"", env[] = "{\"Cmd\":[\"a\"],\"Env\":[\"A=1\"",
                          user[] = "{\"Cmd\":[\"a\"],\"User\":\"u\",\"WorkingDir\":\"",
                          keys[] = "{\"Cmd\":[\"a\"],\"DetachKeys\":\"",
                          labels[] = "{\"Cmd\":[\"a\"],\"Labels\":{\"z\":\"z\"",
                          label[] = "{\"Cmd\":[\"a\"],\"Labels\":{\"z\":\"",
                          properties[] = "{\"Cmd\":[\"a\"],\"Properties\":[",
                          property[] = "{\"Cmd\":[\"a\"],\"Properties\":[\"TasksMax=";

        check_limit(cmd, ",\"\"", EXEC_ARGS_MAX - 1, "]}", NULL);
        check_limit(cmd, ",\"\"", EXEC_ARGS_MAX, "]}",
                    "Cmd has more than 262144 entries, which is the limit");
        check_limit(cmd, ",\"\"", EXEC_ARGS_MAX - 1, "],\"Env\":[\"A=1\"]}",
                    "Cmd and Env together have 262145 entries, the limit is 262144");
        check_limit(env, ",\"\"", EXEC_ARGS_MAX, "]}",
                    "Env has more than 262144 entries, which is the limit");
        check_limit(env, ",\"B%zu\"", EXEC_ENV_MAX - 1, "]}", NULL);
        check_limit(env, ",\"B%zu\"", EXEC_ENV_MAX, "]}", "Env has 4097 entries, the limit is 4096");
        check_limit("{\"Cmd\":[\"", "x", 1000 * 1000, "\"]}", NULL);
        check_limit(user, "x", EXEC_STRING_MAX, "\"}", NULL);
        check_limit(user, "x", EXEC_STRING_MAX + 1, "\"}",
                    "WorkingDir is longer than 4096 bytes, which is the limit");
        check_limit("{\"Cmd\":[\"a\"],\"User\":\"", "x", EXEC_STRING_MAX + 1, "\"}",
                    "User is longer than 4096 bytes, which is the limit");
        check_limit(keys, "x", EXEC_STRING_MAX + 1, "\"}",
                    "DetachKeys is longer than 4096 bytes, which is the limit");
        check_limit(labels, ",\"%zu\":\"\"", EXEC_LABELS_MAX - 1, "}}", NULL);
        check_limit(labels, ",\"%zu\":\"\"", EXEC_LABELS_MAX, "}}",
                    "Labels has more than 64 entries, which is the limit");
        check_limit(labels, ",\"z\":\"\"", EXEC_LABELS_MAX, "}}",
                    "Labels has more than 64 entries, which is the limit");
        check_limit(label, "x", EXEC_STRING_MAX - 2, "\"}}", NULL);
        check_limit(label, "x", EXEC_STRING_MAX - 1, "\"}}",
                    "Labels: an entry is longer than 4096 bytes, which is the limit");
        check_limit(properties, "\"X%zu=1\",", SCOPE_PROPERTIES_MAX, "\"Y=1\"]}",
                    "Properties has more than 32 entries, which is the limit");
        check_limit(properties, "\"TasksMax=1\",", SCOPE_PROPERTIES_MAX, "\"TasksMax=1\"]}",
                    "Properties has more than 32 entries, which is the limit");
        check_limit("{\"Cmd\":[\"a\"]", ",\"x%zu\":1", 255, "}", NULL);
        check_limit("{\"Cmd\":[\"a\"]", ",\"x%zu\":1", 256, "}",
                    BAD "the object has more than 256 members, which is the limit");
        check_limit("{\"Cmd\":[\"a\"],\"x\":{\"y\":[[]", ",[]", 300000, "]}}", NULL);
        check_limit("{\"Cmd\":[\"a\"],\"x\":{\"y\":[[]", ",[]", 400000, "]}}",
                    BAD "there are more than 327680 values, which is the limit");
        check_limit(property, "1", EXEC_STRING_MAX + 1, "\"]}",
                    "Properties: a value is longer than 4096 bytes, which is the limit");
        check_limit("{\"Cmd\":[\"a\"],\"x\":\"", "x", EXEC_BODY_MAX, "\"}",
                    "the request body is larger than 4194304 bytes, which is the limit");
}

/* A million empty strings, and what they take: a step looks at few of them, and none takes more memory than it needs. */
static void test_long_list(void)
{
        enum { N = 200000, STEP = 64 * 1024 };
        _cleanup_(exec_request_reader_freep) ExecRequestReader *reader = NULL;
        _cleanup_(exec_request_freep) ExecRequest *request = NULL;
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        _cleanup_buf_ Buf b = BUF_INIT;
        size_t n_steps = 0, taken = 0;
        int r;

        buf_puts(&b, "{\"Cmd\":[\"a\"");
        for (size_t i = 0; i < N; i++)
                buf_puts(&b, i % 2 ? ",\"\"" : ",\"\\u0041\"");
        buf_puts(&b, "]}");
        CHECK(exec_request_reader_new(buf_head(&b), buf_length(&b), VERSION, &reader) == 0);
        do
                r = exec_request_reader_step(reader, STEP, &request, &e);
        while (n_steps++ < 1000 && r == 0);
        CHECK(r == 1 && request && strv_length(request->argv) == N + 1);
        /* It is checked, and then decoded. */
        CHECK(n_steps >= 2 * (buf_length(&b) / STEP) && n_steps <= 2 * (buf_length(&b) / STEP) + 4);
        STRV_FOREACH (i, request ? request->argv : NULL)
                taken += sizeof(char *) + malloc_usable_size(*i);
        CHECK(taken <= N * 48 && request && taken <= exec_request_size(request));
}

/* Values that a D-Bus message can contain and no body can. */
static void test_validate(void)
{
        char *argv[] = {(char *) "a", NULL}, *none[] = {NULL}, *label[] = {(char *) "x", NULL},
             *empty[] = {(char *) "=x", NULL}, *large[] = {NULL, NULL};
        char *text = malloc(EXEC_ARGS_SIZE_MAX + 1);
        const struct {
                const char *name;
                ExecRequest request;
                RefusalKind kind;
        } cases[] = {
                {"good", {.argv = argv}, REFUSAL_NONE},
                {"no argv", {.argv = NULL}, REFUSAL_BAD_REQUEST},
                {"empty argv", {.argv = none}, REFUSAL_BAD_REQUEST},
                {"label without =", {.argv = argv, .labels = label}, REFUSAL_BAD_REQUEST},
                {"label without a key", {.argv = argv, .labels = empty}, REFUSAL_BAD_REQUEST},
                {"OnDisconnect", {.argv = argv, .on_disconnect = _ON_DISCONNECT_MAX}, REFUSAL_BAD_REQUEST},
                {"properties", {.argv = argv, .n_properties = SCOPE_PROPERTIES_MAX + 1}, REFUSAL_TOO_LARGE},
                {"bytes", {.argv = large}, REFUSAL_TOO_LARGE},
        };

        memset(text, 'x', EXEC_ARGS_SIZE_MAX);
        text[EXEC_ARGS_SIZE_MAX] = '\0';
        large[0] = text;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                int r = exec_request_validate(&cases[i].request, &e);

                CHECK_ROW(cases[i].name, e.kind == cases[i].kind && (r < 0) == (e.kind != REFUSAL_NONE));
        }
        /* One byte less fits. */
        text[EXEC_ARGS_SIZE_MAX - 1] = '\0';
        CHECK(exec_request_validate(&(ExecRequest){.argv = large}, NULL) == 0);
        free(text);
}

static const struct {
        const char *json, *expected;
} starts[] = {
        {"", ""},
        {"{}", ""},
        {"null", ""},
        {"{\"Detach\":true,\"Tty\":false}\n", " detach"},
        {"{\"Detach\":false,\"Tty\":true,\"ConsoleSize\":[33,99]}", " tty size=33x99"},
        {"{\"tty\":true,\"TTY\":null}", " tty"},
        {"{\"hijack\":true,\"stdin\":true}", ""},
        {"{\"ConsoleSize\":[0,0]}", ""},
        {"{\"Detach\":\"yes\"}",
         BAD "json: cannot unmarshal string into Go struct field ExecStartRequest.Detach of type bool"},
        {"{\"Tty\":1}",
         BAD "json: cannot unmarshal number into Go struct field ExecStartRequest.Tty of type bool"},
        {"{\"ConsoleSize\":[1]}", SIZE_LENGTH},
        {"[]", BAD "json: cannot unmarshal array into Go value of type container.ExecStartRequest"},
        {" ", BAD "got EOF while reading request body"},
        {"{", BAD "unexpected EOF"},
        {"{}{}", "unexpected content after JSON"},
};

static void test_start(void)
{
        for (size_t i = 0; i < ELEMENTSOF(starts); i++) {
                _cleanup_refusal_ Refusal e = REFUSAL_INIT;
                _cleanup_buf_ Buf b = BUF_INIT;
                StartOptions start = {0};
                int r = start_options_from_json(starts[i].json, strlen(starts[i].json), VERSION, &start, &e);

                buf_puts(&b, start.detach ? " detach" : "");
                buf_puts(&b, start.tty ? " tty" : "");
                dump_console_size(&b, &start.console_size);
                buf_append(&b, "", 1);
                CHECK_TEXT(starts[i].json, r < 0 ? e.message : buf_head(&b), starts[i].expected);
        }
        {
                static const char json[] = "{\"ConsoleSize\":[1,2]}";
                StartOptions start = {0};

                CHECK(start_options_from_json(json, sizeof(json) - 1, 1041, &start, NULL) == 0);
                CHECK(!start.console_size.set);
        }
}

static void test_on_disconnect(void)
{
        for (int i = 0; i < _ON_DISCONNECT_MAX; i++)
                CHECK(on_disconnect_from_string(on_disconnect_to_string((OnDisconnect) i)) == i);
        CHECK(on_disconnect_from_string("x") == -EINVAL);
        CHECK(on_disconnect_from_string(NULL) == -EINVAL);
        CHECK(!on_disconnect_to_string(_ON_DISCONNECT_MAX));
}

int main(void)
{
        test_rows();
        test_raw_nul();
        test_truncated();
        test_versions();
        test_limits();
        test_long_list();
        test_validate();
        test_start();
        test_on_disconnect();
        return test_finish("exec-request");
}
