/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Refusals: what they carry, and that their names are stable in both directions. */

#include "base/refusal.h"

#include "unit/test.h"

static void test_plain(void)
{
        static const char *const texts[][2] = {
                {"No such container: web", "No such container: web"},
                {"exec: as it is: unknown", "exec: as it is: unknown"},
                {"", ""},
                {"OCI runtime exec failed: exec failed: unable to start container process: exec: \"x\": "
                 "executable file not found in $PATH: unknown",
                 "\"x\": executable file not found in $PATH"},
                {"OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd "
                 "(\"/x\") set in config.json failed: no such file or directory: unknown",
                 "chdir to cwd (\"/x\") failed: no such file or directory"},
                {"OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown",
                 "Cwd must be an absolute path"},
                {"OCI runtime exec failed: ", ""},
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                _cleanup_free_ char *plain = refusal_plain(texts[i][0]);

                CHECK_TEXT(texts[i][0], plain, texts[i][1]);
        }
}

/* A name in a message can have megabytes, and its cut can be in the middle of a character. */
static void test_long(void)
{
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;
        char name[3 * REFUSAL_MESSAGE_MAX];

        for (size_t i = 0; i + 3 < sizeof(name); i += 3)
                memcpy(name + i, "\xe2\x82\xac", 4);
        (void) refuse(&e, REFUSAL_BAD_REQUEST, EINVAL, "unknown \"%s\"", name);
        CHECK(strlen(e.message) <= REFUSAL_MESSAGE_MAX && strlen(e.message) > REFUSAL_MESSAGE_MAX - 8);
        CHECK(strncmp(e.message, "unknown \"\xe2\x82\xac", 12) == 0);
        CHECK_TEXT("end", e.message + strlen(e.message) - 6, "\xe2\x82\xac...");
}

int main(void)
{
        _cleanup_refusal_ Refusal e = REFUSAL_INIT;

        CHECK(refuse(&e, REFUSAL_BAD_REQUEST, EINVAL, "%s %d", "field", 1) == -EINVAL);
        CHECK(e.kind == REFUSAL_BAD_REQUEST);
        CHECK_TEXT("message", e.message, "field 1");
        CHECK(refuse(&e, REFUSAL_DENIED, -EACCES, "other") == -EACCES);
        CHECK(e.kind == REFUSAL_DENIED);
        CHECK_TEXT("replaced", e.message, "other");
        CHECK(refuse(NULL, REFUSAL_DENIED, EACCES, "nobody listens") == -EACCES);
        (void) refuse(&e, REFUSAL_BAD_REQUEST, EINVAL, "\"%.4s\" and \xff", "\xe2\x82\xac\xe2\x82\xac");
        CHECK_TEXT("not UTF-8", e.message, "\"\xe2\x82\xac\xef\xbf\xbd\" and \xef\xbf\xbd");
        refusal_done(&e);
        CHECK(e.kind == REFUSAL_NONE && !e.message);

        for (int k = REFUSAL_NONE; k < _REFUSAL_MAX; k++) {
                const char *name = refusal_kind_to_string((RefusalKind) k);

                CHECK(name && *name);
                CHECK(refusal_kind_from_string(name) ==
                      (k == REFUSAL_NONE ? REFUSAL_INTERNAL : (RefusalKind) k));
                for (int other = REFUSAL_NONE; other < k; other++)
                        CHECK(strcmp(name, refusal_kind_to_string((RefusalKind) other)) != 0);
        }
        test_long();
        CHECK(refusal_kind_from_string("nonsense") == REFUSAL_INTERNAL);
        CHECK(refusal_kind_from_string(NULL) == REFUSAL_INTERNAL);
        CHECK_TEXT("out of range", refusal_kind_to_string((RefusalKind) 1000), "Internal");
        test_plain();
        return test_finish("refusal");
}
