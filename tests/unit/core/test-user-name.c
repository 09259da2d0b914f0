/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/user-name: which line names a number, and which lines name none. The files are the test's. */

#include "core/user-name.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "unit/need.h"
#include "unit/test.h"

static char *files[2]; /* of users, of groups; NULL: it cannot be read */
static unsigned n_read;

int __wrap_file_read_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);
int __wrap_file_read_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        const char *text = files[strcmp(path, "/etc/group") == 0];

        n_read++;
        NEED(max >= 1024 * 1024);
        if (!text)
                return -EACCES;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* Twenty thousand users, in no order, between lines that are none. */
static char *make_users(void)
{
        size_t size = 0;
        char *text;
        FILE *f = open_memstream(&text, &size);

        NEED(f);
        fputs("root:x:0:0:root:/root:/bin/sh\n", f);
        fputs("toor:x:0:0:another root:/root:/bin/sh\n", f);
        fputs("\n:\n::\n:x:3:\n# comment:x:4\n+nis\nshort:x\nshort:x:5\nword:x:five:\nminus:x:-1:\n"
              "huge:x:4294967296:\nmore:x:99999999999999999999:\ntrail:x:6x:\n",
              f);
        for (unsigned i = 0; i < 20000; i++)
                fprintf(f, "user%u:x:%u:100::/:\n", (i * 7919U) % 20000U, 1000 + (i * 7919U) % 20000U);
        fputs("nobody:x:65534:65534:nobody:/:\nlast:x:4294967294:0::/:", f);
        fclose(f);
        return text;
}

int main(void)
{
        static const unsigned none[] = {1, 3, 4, 5, 6, 999, 21000, 65535, 4294967295U};
        char expected[32];

        files[0] = make_users();
        CHECK_TEXT("of two the first", user_name(0), "root");
        CHECK_TEXT("the last line has no end", user_name(4294967294U), "last");
        CHECK_TEXT("nobody", user_name(65534), "nobody");
        for (unsigned i = 0; i < 20000; i++) {
                snprintf(expected, sizeof(expected), "user%u", i);
                CHECK_TEXT(expected, user_name(1000 + i), expected);
        }
        for (size_t i = 0; i < ELEMENTSOF(none); i++) {
                snprintf(expected, sizeof(expected), "%u", none[i]);
                CHECK_TEXT(expected, user_name(none[i]), NULL);
        }
        /* The file is read once, and not for each name. */
        CHECK(n_read < 100);
        /* A file that cannot be read names no user. */
        CHECK(!group_name(0) && !group_name(100));
        free(files[0]);
        return test_finish("user-name");
}
