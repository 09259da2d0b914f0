/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths are decoded once and not more; of queries the first value counts, and a bad escape anywhere is an error.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "unit/test.h"
#include "wire/http-target.h"

static const struct {
        const char *target, *path; /* NULL: refused */
} paths[] = {
        {"/a/b", "/a/b"},
        {"/a?b=%zz", "/a"},
        {"/a%2Fb", "/a/b"},
        {"/a%2fb", "/a/b"},
        {"/%252e", "/%2e"},
        {"/%2e%2E/x", "/../x"},
        {"//a/../b", "//a/../b"},
        {"/a+b", "/a+b"},
        {"/%41%5a", "/AZ"},
        {"/a%0ab", "/a\nb"},
        {"/%c3%a4%ff", "/\xc3\xa4\xff"},
        {"*", "*"},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%4?1", NULL},
        {"/%g1", NULL},
        {"/%1g", NULL},
        {"/%-1", NULL},
        {"/% 1", NULL},
        {"/a%00b", NULL},
};

static const struct {
        const char *target, *name;
        int result;
        const char *text; /* the value, or the escape that is bad */
} queries[] = {
        {"/a?h=1&w=2", "h", 0, "1"},
        {"/a?h=1&w=2", "w", 0, "2"},
        {"/a?h=1&h=2", "h", 0, "1"},
        {"/a?h=1&w=2", "x", -ENOENT, NULL},
        {"/a?hh=1&h=2", "h", 0, "2"},
        {"/a?H=1", "h", -ENOENT, NULL},
        {"/a", "h", -ENOENT, NULL},
        {"/a?", "h", -ENOENT, NULL},
        {"/a?h", "h", 0, ""},
        {"/a?h=", "h", 0, ""},
        {"/a?&&h=1&", "h", 0, "1"},
        {"/a?h=a=b", "h", 0, "a=b"},
        {"/a?h=a?b", "h", 0, "a?b"},
        {"/a?h=a+b%2Bc%20d", "h", 0, "a b+c d"},
        {"/a?%68=1", "h", 0, "1"},
        {"/a?a+b=1", "a b", 0, "1"},
        {"/a?h=%2541", "h", 0, "%41"},
        {"/a?filters=%7B%22name%22%3A%5B%22web%22%5D%7D", "filters", 0, "{\"name\":[\"web\"]}"},
        {"/a?h=%zz", "h", -EBADMSG, "%zz"},
        {"/a?h=1&w=%zz", "h", -EBADMSG, "%zz"},
        {"/a?h=1&%4", "h", -EBADMSG, "%4"},
        {"/a?h=%", "h", -EBADMSG, "%"},
        {"/a?h=%4&w=1", "h", -EBADMSG, "%4"},
        {"/a?%4=1", "h", -EBADMSG, "%4"},
        {"/a?h=xy%00z", "h", -EBADMSG, "%00"},
        {"/a?h=%4gxyz", "h", -EBADMSG, "%4g"},
};

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_free_ char *path = NULL;
                int r = http_target_path(paths[i].target, &path);

                CHECK_ROW(paths[i].target, r == (paths[i].path ? 0 : -EBADMSG));
                CHECK_TEXT(paths[i].target, path, paths[i].path);
        }
        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                _cleanup_free_ char *value = NULL, *bad = NULL;
                int r = http_target_query(queries[i].target, queries[i].name, &value, &bad);

                CHECK_ROW(queries[i].target, r == queries[i].result);
                CHECK_TEXT(queries[i].target, r == -EBADMSG ? bad : value, queries[i].text);
        }
        return test_finish("http-target");
}
