/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/image-name: the names and IDs with which a filter finds an image. */

#include "api/image-name.h"

#include "base/cleanup.h"
#include "unit/test.h"

typedef struct Row {
        const char *found, *value;
        bool matches;
} Row;

static void test_names(void)
{
        static const Row rows[] = {
                {"bb", "bb", true},
                {"bb:latest", "bb", true},
                {"bb", "bb:latest", true},
                {"docker.io/library/bb:latest", "bb", true},
                {"docker.io/user/bb", "user/bb", true},
                {"localhost/bb", "bb", true},
                {"localhost/bb", "docker.io/library/bb", true},
                {"bb:1", "bb", false},
                {"bb", "b", false},
                {"b", "bb", false},
                {"quay.io/bb", "bb", false},
                {"docker.io/user/bb", "bb", false},
                {"", "", false},
                {"", "docker.io/", false},
                {":latest", ":latest", true}, /* not a tag without a name before it */
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_ROW(rows[i].found,
                          image_name_matches(rows[i].found, rows[i].value) == rows[i].matches);
}

static void test_ids(void)
{
        static const Row rows[] = {
                {"sha256:abcdef", "abc", true},     {"sha256:abcdef", "sha256:abc", true},
                {"abcdef", "sha256:abcdef", true},  {"abcdef", "abcdef", true},
                {"sha256:abcdef", "bcd", false},    {"abc", "abcdef", false},
                {"sha256:abcdef", "", false},       {"sha256:abcdef", "sha256:", false},
                {"sha256:abcdef", "sha256", false}, {"", "abc", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_ROW(rows[i].value, image_id_matches(rows[i].found, rows[i].value) == rows[i].matches);
}

int main(void)
{
        test_names();
        test_ids();
        return test_finish("image-name");
}
