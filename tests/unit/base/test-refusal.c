/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Refusals: what they carry, and that their names are stable in both directions. */

#include "base/refusal.h"

#include "unit/test.h"

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
        refusal_done(&e);
        CHECK(e.kind == REFUSAL_NONE && !e.message);

        for (int k = REFUSAL_NONE; k < _REFUSAL_MAX; k++) {
                const char *name = refusal_kind_to_string((RefusalKind) k);

                CHECK(name && *name && refusal_kind_from_string(name) == (RefusalKind) k);
                for (int other = REFUSAL_NONE; other < k; other++)
                        CHECK(strcmp(name, refusal_kind_to_string((RefusalKind) other)) != 0);
        }
        CHECK(refusal_kind_from_string("nonsense") == REFUSAL_INTERNAL);
        CHECK(refusal_kind_from_string(NULL) == REFUSAL_INTERNAL);
        CHECK_TEXT("out of range", refusal_kind_to_string((RefusalKind) 1000), "Internal");
        return test_finish("refusal");
}
