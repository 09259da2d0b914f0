/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arrays of strings, of which NULL is the empty one. */

#include "base/strv.h"

#include "unit/test.h"

int main(void)
{
        _cleanup_strv_ char **v = NULL, **copy = NULL, **none = NULL;
        size_t n = 0;

        CHECK(strv_length(NULL) == 0 && !strv_free(NULL));
        STRV_FOREACH (i, v)
                n++;
        CHECK(n == 0);

        CHECK(strv_append(&v, "a") == 0 && strv_append(&v, "") == 0 && strv_consume(&v, strdup("c")) == 0);
        CHECK(strv_length(v) == 3 && !v[3]);
        CHECK_TEXT("first", v[0], "a");
        CHECK_TEXT("second", v[1], "");
        CHECK_TEXT("third", v[2], "c");
        CHECK(strv_consume(&v, NULL) == -ENOMEM && strv_length(v) == 3);

        copy = strv_copy(v);
        CHECK(strv_length(copy) == 3 && copy != v && copy[0] != v[0]);
        CHECK_TEXT("copy", copy[2], "c");
        STRV_FOREACH (i, copy)
                n += strlen(*i) + 1;
        CHECK(n == 5);

        none = strv_copy(NULL);
        CHECK(none && !none[0]);
        return test_finish("strv");
}
