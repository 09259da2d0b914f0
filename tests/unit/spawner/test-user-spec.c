/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The User field and the container's passwd and group: what is a user, what is none, and whose groups he
 * has. */

#include <stdint.h>

#include "unit/need.h"
#include "wire/user-spec.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "app:x:1000:1000:App:/home/app:/bin/sh\n"
                             "1000:x:0:0:a number as a name:/root:/bin/sh\n"
                             "bad:x:abc:0::/:/bin/sh\n"
                             "neg:x:-1:0::/:/bin/sh\n"
                             "big:x:4294967295:0::/:/bin/sh\n"
                             "wrap:x:4294967296:0::/:/bin/sh\n"
                             "hex:x:0x0:0::/:/bin/sh\n"
                             "empty:x::\n"
                             "noid:x:\n"
                             "plain\n"
                             ":x:7:7::/:/bin/sh\n"
                             "twice:x:2001:2001::/first:/bin/sh\n"
                             "twice:x:2002:2002::/second:/bin/sh\n"
                             "short:x:3000:3000\n"
                             "nohome:x:3001:3001:::\n"
                             "max:x:4294967294:4294967294::/max:/bin/sh\n"
                             "last:x:5000:5000::/last:/bin/sh"; /* without a newline */

static const char group[] = "root:x:0:\n"
                            "wheel:x:10:app,twice\n"
                            "users:x:100:last,app,other\n"
                            "app:x:1000:\n"
                            "10:x:0:\n"
                            "bad:x:abc:app\n"
                            "nearly:x:77:apple,ap,xapp\n"
                            "odd:x:78:,app,\n"
                            "again:x:10:app\n";

/* T-C9 and more. BAD in `uid`: the grammar refuses it; NOBODY: the lookup does.
 */
#define BAD    UINT32_MAX
#define NOBODY (UINT32_MAX - 5)

static const struct {
        const char *text;
        uint32_t uid, gid;
        const char *home;
        gid_t groups[6];
        size_t n_groups;
} users[] = {
        {"", 0, 0, "/root", {0}, 1},
        {"root", 0, 0, "/root", {0}, 1},
        {"0", 0, 0, "/root", {0}, 1},
        {"00", 0, 0, "/root", {0}, 1},
        {"app", 1000, 1000, "/home/app", {1000, 10, 100, 78}, 4},
        {"1000", 1000, 1000, "/home/app", {1000, 10, 100, 78}, 4},
        {"01000", 1000, 1000, "/home/app", {1000, 10, 100, 78}, 4},
        {"app:wheel", 1000, 10, "/home/app", {10}, 1},
        {"app:10", 1000, 10, "/home/app", {10}, 1},
        {"1000:0", 1000, 0, "/home/app", {0}, 1},
        {"app:", 1000, 1000, "/home/app", {1000, 10, 100, 78}, 4},
        {"1:", 1, 0, "/", {0}, 1},
        {":1", 0, 1, "/root", {1}, 1},
        {":wheel", 0, 10, "/root", {10}, 1},
        {"1:2:3", 1, 2, "/", {2}, 1},
        {"root:", 0, 0, "/root", {0}, 1},
        {"4242", 4242, 0, "/", {0}, 1},
        {"4242:4343", 4242, 4343, "/", {4343}, 1},
        {"4294967294", 4294967294, 4294967294, "/max", {4294967294}, 1},
        {"twice", 2001, 2001, "/first", {2001, 10}, 2},
        {"short", 3000, 3000, "/", {3000}, 1},
        {"nohome", 3001, 3001, "/", {3001}, 1},
        {"last", 5000, 5000, "/last", {5000, 100}, 2},
        /* Names that are not there, or only in lines that do not count. */
        {"0x0", NOBODY, 0, NULL, {0}, 0},
        {"1e3", NOBODY, 0, NULL, {0}, 0},
        {"nosuch", NOBODY, 0, NULL, {0}, 0},
        {"bad", NOBODY, 0, NULL, {0}, 0},
        {"neg", NOBODY, 0, NULL, {0}, 0},
        {"big", NOBODY, 0, NULL, {0}, 0},
        {"wrap", NOBODY, 0, NULL, {0}, 0},
        {"hex", NOBODY, 0, NULL, {0}, 0},
        {"empty", NOBODY, 0, NULL, {0}, 0},
        {"noid", NOBODY, 0, NULL, {0}, 0},
        {"plain", NOBODY, 0, NULL, {0}, 0},
        {"app:nosuch", NOBODY, 0, NULL, {0}, 0},
        {"app:bad", NOBODY, 0, NULL, {0}, 0},
        /* What cannot be a user. */
        {"-1", BAD, 0, NULL, {0}, 0},
        {"+1", BAD, 0, NULL, {0}, 0},
        {" 1", BAD, 0, NULL, {0}, 0},
        {"1 ", BAD, 0, NULL, {0}, 0},
        {"\n0", BAD, 0, NULL, {0}, 0},
        {"root\n", BAD, 0, NULL, {0}, 0},
        {"4294967295", BAD, 0, NULL, {0}, 0},
        {"4294967296", BAD, 0, NULL, {0}, 0},
        {"9999999999999999999", BAD, 0, NULL, {0}, 0},
        {"99999999999999999999999999999999", BAD, 0, NULL, {0}, 0},
        {"0:4294967295", BAD, 0, NULL, {0}, 0},
        {"a/b", BAD, 0, NULL, {0}, 0},
        {"../root", BAD, 0, NULL, {0}, 0},
        {"a;id", BAD, 0, NULL, {0}, 0},
        {"app:-1", BAD, 0, NULL, {0}, 0},
};

static int look_up(const UserSpec *s, UserCredentials *ret, Refusal *reterr)
{
        return user_lookup(s, passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, ret, reterr);
}

static void test_users(void)
{
        static UserCredentials c;

        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                const char *row = users[i].text;
                UserSpec s = USER_SPEC_INIT;
                int r = user_spec_parse(row, &s, &refusal);

                NEED_ROW(row, (r < 0) == (users[i].uid == BAD));
                if (r < 0) {
                        NEED_ROW(row,
                                 refusal.kind == REFUSAL_BAD_REQUEST && strstr(refusal.message, "User"));
                        NEED_ROW(row, !s.user && !s.group);
                        continue;
                }
                r = look_up(&s, &c, &refusal);
                NEED_ROW(row, (r < 0) == (users[i].uid == NOBODY));
                if (r < 0) {
                        NEED_ROW(row, c.uid == (uid_t) -1 && c.gid == (gid_t) -1);
                        NEED_ROW(row, strstr(refusal.message, "no matching entries in"));
                } else {
                        NEED_ROW(row, c.uid == users[i].uid && c.gid == users[i].gid);
                        NEED_ROW(row, same_text(c.home, users[i].home));
                        NEED_ROW(row, c.n_groups == users[i].n_groups);
                        for (size_t k = 0; k < c.n_groups; k++)
                                NEED_ROW(row, c.groups[k] == users[i].groups[k]);
                }
                user_spec_done(&s);
        }
}

static void test_messages(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        static UserCredentials c;
        UserSpec s;

        NEED(user_spec_parse("nosuch", &s, NULL) == 0);
        NEED(look_up(&s, &c, &refusal) < 0);
        NEED(same_text(refusal.message, "unable to find user nosuch: no matching entries in passwd file"));
        user_spec_done(&s);
        NEED(user_spec_parse("app:nosuch", &s, NULL) == 0);
        NEED(look_up(&s, &c, &refusal) < 0);
        NEED(same_text(refusal.message, "unable to find group nosuch: no matching entries in group file"));
        user_spec_done(&s);
}

static int look_up_in(const char *user, const char *file, size_t size, UserCredentials *ret)
{
        UserSpec s;
        int r;

        NEED(user_spec_parse(user, &s, NULL) == 0);
        r = user_lookup(&s, file, size, NULL, 0, ret, NULL);
        user_spec_done(&s);
        return r;
}

/* Files that are missing, empty, with long lines, or binary. */
static void test_odd_files(void)
{
        static const char with_nul[] = "app\0:x:0:0\nx\0\napp:x:1000:1000::/home/app:\n";
        size_t size = 100 * 1024;
        static UserCredentials c;
        char *huge = malloc(size + 64);

        NEED(huge);
        NEED(look_up_in("0", NULL, 0, &c) == 0 && c.uid == 0 && c.n_groups == 1 && same_text(c.home, "/"));
        NEED(look_up_in("root", NULL, 0, &c) < 0);
        NEED(look_up_in("root", "", 0, &c) < 0);
        NEED(look_up_in("app", with_nul, sizeof(with_nul) - 1, &c) == 0 && c.uid == 1000);

        /* However long a line is, it is one. */
        memset(huge, 'a', size);
        memcpy(huge, "app:x:7:7:", 10);
        strcpy(huge + size, "\napp:x:1000:1000::/h:\n");
        NEED(look_up_in("app", huge, strlen(huge), &c) == 0 && c.uid == 7);
        /* A home that does not fit is none. */
        memset(huge, 'a', 5000);
        memcpy(huge, "app:x:1:1::/", 12);
        NEED(look_up_in("app", huge, 5000, &c) == 0 && same_text(c.home, "/"));
        free(huge);
}

/* More than are taken is a refusal, and not fewer groups. */
static void test_many_groups(void)
{
        static UserCredentials c;
        UserSpec s;
        size_t n = 0, room = 3000 * 32;
        char *file = malloc(room);

        NEED(file);
        for (int i = 0; i < 3000; i++)
                n += (size_t) snprintf(file + n, room - n, "g%d:x:%d:app\n", i, 10000 + i);
        NEED(user_spec_parse("app", &s, NULL) == 0);
        NEED(user_lookup(&s, passwd, sizeof(passwd) - 1, file, n, &c, NULL) == -E2BIG);
        NEED(user_lookup(&s, passwd, sizeof(passwd) - 1, file, n / 4, &c, NULL) == 0 && c.groups[0] == 1000);
        user_spec_done(&s);
        free(file);
}

/* Those that the container was given beside the user's own. */
static void test_further_groups(void)
{
        static const char file[] = "wheel:x:10:\nvideo:x:44:root\n";
        char *const good[] = {(char *) "4242", (char *) "wheel", (char *) "1000", NULL};
        char *const unknown[] = {(char *) "nosuch", NULL}, *const large[] = {(char *) "4294967295", NULL};
        static UserCredentials c;

        NEED(look_up_in("1000", passwd, sizeof(passwd) - 1, &c) == 0);
        NEED(user_add_groups(good, file, strlen(file), &c, NULL) == 0 && c.n_groups == 3);
        NEED(c.groups[0] == 1000 && c.groups[1] == 4242 && c.groups[2] == 10);
        NEED(user_add_groups(NULL, NULL, 0, &c, NULL) == 0 && c.n_groups == 3);
        NEED(user_add_groups(unknown, file, strlen(file), &c, NULL) == -ESRCH);
        NEED(user_add_groups(good, NULL, 0, &c, NULL) == -ESRCH);
        NEED(user_add_groups(large, file, strlen(file), &c, NULL) == -ERANGE);
}

static void test_has_names(void)
{
        static const struct {
                const char *text;
                bool names;
        } rows[] = {{"", false},   {"0", false},      {"1:2", false},
                    {"app", true}, {"1:wheel", true}, {"0x0", true}};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                UserSpec s;

                NEED(user_spec_parse(rows[i].text, &s, NULL) == 0);
                NEED_ROW(rows[i].text, user_spec_has_names(&s) == rows[i].names);
                user_spec_done(&s);
        }
}

static void test_normalized(void)
{
        static const char *const texts[][2] = {
                {"", "root"},
                {"root", "root"},
                {"0", "root"},
                {"00", "root"},
                {":0", "root"},
                {":wheel", "root"},
                {"root:wheel", "root"},
                {"0:0", "root"},
                {"000:10", "root"},
                {"app", "app"},
                {"app:0", "app:0"},
                {"app:00", "app:0"},
                {"01000", "1000"},
                {"1000:010", "1000:10"},
                {"app:wheel", "app:wheel"},
                {"4294967294", "4294967294"},
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *text = NULL;
                UserSpec s = USER_SPEC_INIT;

                NEED(user_spec_parse(texts[i][0], &s, NULL) == 0);
                text = user_spec_normalize(&s);
                NEED(text && strcmp(text, texts[i][1]) == 0);
                user_spec_done(&s);
        }
}

int main(void)
{
        test_normalized();
        test_users();
        test_messages();
        test_odd_files();
        test_many_groups();
        test_further_groups();
        test_has_names();
        return 0;
}
