/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The User field and the container's passwd and group: valid users, invalid ones, and their
 * groups. */

#include <stdint.h>

#include "unit/need.h"
#include "unit/user-bytes.h"
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
} rows_of_users[] = {
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
        /* Texts that cannot be a user. */
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

/* How many bytes a read returns: lines and fields are cut wherever they may be. */
static const size_t steps[] = {1, 3, 7, 64, SIZE_MAX};

/* A file that is NULL is one that the container does not have. */
static int look_up_with(const UserSpec *s, char *const *groups, UserBytes users, UserBytes members,
                        UserCredentials *ret, Refusal *reterr)
{
        const UserFile passwd_file = {user_bytes_read, &users}, group_file = {user_bytes_read, &members};

        return user_lookup(s, groups, users.data ? &passwd_file : NULL, members.data ? &group_file : NULL,
                           ret, reterr);
}

static UserBytes bytes_of(const char *data, size_t size)
{
        return (UserBytes){.data = data, .size = size, .step = SIZE_MAX};
}

static UserBytes passwd_bytes(void)
{
        return bytes_of(passwd, sizeof(passwd) - 1);
}

static int look_up(const UserSpec *s, size_t step, UserCredentials *ret, Refusal *reterr)
{
        UserBytes users = passwd_bytes(), members = bytes_of(group, sizeof(group) - 1);

        users.step = members.step = step;
        return look_up_with(s, NULL, users, members, ret, reterr);
}

static void check_user(size_t i, size_t step)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        static UserCredentials c;
        const char *row = rows_of_users[i].text;
        UserSpec s = USER_SPEC_INIT;
        int r = user_spec_parse(row, &s, &refusal);

        NEED_ROW(row, (r < 0) == (rows_of_users[i].uid == BAD));
        if (r < 0) {
                NEED_ROW(row, refusal.kind == REFUSAL_BAD_REQUEST && strstr(refusal.message, "User"));
                NEED_ROW(row, !s.user && !s.group);
                return;
        }
        r = look_up(&s, step, &c, &refusal);
        NEED_ROW(row, (r < 0) == (rows_of_users[i].uid == NOBODY));
        if (r < 0) {
                NEED_ROW(row, c.uid == (uid_t) -1 && c.gid == (gid_t) -1);
                NEED_ROW(row, strstr(refusal.message, "no matching entries in"));
        } else {
                NEED_ROW(row, c.uid == rows_of_users[i].uid && c.gid == rows_of_users[i].gid);
                NEED_ROW(row, same_text(c.home, rows_of_users[i].home));
                NEED_ROW(row, c.n_groups == rows_of_users[i].n_groups);
                for (size_t k = 0; k < c.n_groups; k++)
                        NEED_ROW(row, c.groups[k] == rows_of_users[i].groups[k]);
        }
        user_spec_done(&s);
}

static void test_users(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows_of_users); i++)
                for (size_t k = 0; k < ELEMENTSOF(steps); k++)
                        check_user(i, steps[k]);
}

static void test_messages(void)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        static UserCredentials c;
        UserSpec s;

        NEED(user_spec_parse("nosuch", &s, NULL) == 0);
        NEED(look_up(&s, SIZE_MAX, &c, &refusal) < 0);
        NEED(same_text(refusal.message, "unable to find user nosuch: no matching entries in passwd file"));
        user_spec_done(&s);
        NEED(user_spec_parse("app:nosuch", &s, NULL) == 0);
        NEED(look_up(&s, SIZE_MAX, &c, &refusal) < 0);
        NEED(same_text(refusal.message, "unable to find group nosuch: no matching entries in group file"));
        user_spec_done(&s);
}

static int look_up_in(const char *user, const char *file, size_t size, UserCredentials *ret)
{
        UserSpec s;
        int r;

        NEED(user_spec_parse(user, &s, NULL) == 0);
        r = look_up_with(&s, NULL, bytes_of(file, size), bytes_of(NULL, 0), ret, NULL);
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

/* Line breaks of two characters, lines with a # (which begins no comment, as in Docker), blank lines, colons and commas too many. */
static void test_odd_lines(void)
{
        static const char users[] =
                "\r\n# app:x:1:1\n\n::::\nbell\a:x:2:2\napp:x:1000:1000::/home/app:/bin/sh\r\n"
                "gid:x:1001:1001\r\nend:x:1002:1002::/end";
        static const char members[] =
                "\n#one:x:1:app\none:x:1:app\r\ntwo:x:2:x:app\nthree:x:3:,,app:\nfour:x:4:app,,\n"
                "five\0:x:5:app\nsix:x:6:app,\0\nseven:x:7:\xff,app\neight:x:8:,app";
        static UserCredentials c;
        UserSpec s;

        for (size_t k = 0; k < ELEMENTSOF(steps); k++) {
                UserBytes user_bytes = bytes_of(users, sizeof(users) - 1);
                UserBytes member_bytes = bytes_of(members, sizeof(members) - 1);

                user_bytes.step = member_bytes.step = steps[k];
                NEED(user_spec_parse("app", &s, NULL) == 0);
                NEED(look_up_with(&s, NULL, user_bytes, member_bytes, &c, NULL) == 0);
                NEED(c.uid == 1000 && same_text(c.home, "/home/app"));
                NEED(c.n_groups == 5 && c.groups[0] == 1000 && c.groups[1] == 1 && c.groups[2] == 4 &&
                     c.groups[3] == 7 && c.groups[4] == 8);
                user_spec_done(&s);
        }
        NEED(look_up_in("gid", users, sizeof(users) - 1, &c) < 0);
        NEED(look_up_in("end", users, sizeof(users) - 1, &c) == 0 && c.uid == 1002 &&
             same_text(c.home, "/end"));
        NEED(look_up_in("1", users, sizeof(users) - 1, &c) == 0 && c.gid == 1);
        NEED(look_up_in("2", users, sizeof(users) - 1, &c) == 0 && c.gid == 2);
}

/* However long a field is, it ends where it does, and one that is not kept whole equals nothing. */
static void test_long_fields(void)
{
        const size_t lengths[] = {1,     USER_NAME_MAX, USER_FIELD_MAX, USER_FIELD_MAX + 1, USER_FILE_BUFFER,
                                  300000};
        static UserCredentials c;

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                size_t n = lengths[i], size, room = 3 * n + 256;
                bool is_kept = n <= USER_FIELD_MAX;
                char *users = malloc(room), *members = malloc(room), *name = malloc(n + 1);
                UserSpec s;

                NEED(users && members && name);
                memset(name, 'n', n);
                name[n] = 0;
                size = (size_t) snprintf(users, room, "%s:x:7:8::/%s:\nlast:x:9:9::/last:\n", name,
                                         name + 1);
                NEED(look_up_in("7", users, size, &c) == 0 && c.gid == 8);
                NEED((strlen(c.home) == n) == is_kept && (is_kept || same_text(c.home, "/")));
                NEED(look_up_in("last", users, size, &c) == 0 && c.uid == 9);

                snprintf(members, room, "%s:x:20:x\nlong:x:21:%s,%sn,last\n", name, name, name);
                NEED(user_spec_parse("7", &s, NULL) == 0);
                NEED(look_up_with(&s, NULL, bytes_of(users, size), bytes_of(members, strlen(members)), &c,
                                  NULL) == 0);
                NEED(c.n_groups == (is_kept ? 2 : 1) && (!is_kept || c.groups[1] == 21));
                user_spec_done(&s);
                NEED(user_spec_parse("last", &s, NULL) == 0);
                NEED(look_up_with(&s, NULL, bytes_of(users, size), bytes_of(members, strlen(members)), &c,
                                  NULL) == 0);
                NEED(c.n_groups == 2 && c.groups[1] == 21);
                user_spec_done(&s);
                free(users);
                free(members);
                free(name);
        }
}

/* The error of a read function is returned, and earlier findings are not a user. */
static void test_failing_reads(void)
{
        const UserFile failing = {user_bytes_read, &(UserBytes){.step = SIZE_MAX, .end = -EIO}};
        UserBytes members = {.data = group, .size = 40, .step = SIZE_MAX, .end = -EIO};
        static UserCredentials c;
        UserSpec s;

        NEED(user_spec_parse("app", &s, NULL) == 0);
        NEED(user_lookup(&s, NULL, &failing, NULL, &c, NULL) == -EIO && c.uid == (uid_t) -1);
        NEED(look_up_with(&s, NULL, passwd_bytes(), members, &c, NULL) == -EIO);
        NEED(c.uid == (uid_t) -1 && c.gid == (gid_t) -1 && c.n_groups == 0);
        user_spec_done(&s);
}

/* Each file is read once, whatever is looked for. */
static void test_reads_once(void)
{
        char *const further[] = {(char *) "wheel", (char *) "users", (char *) "7", NULL};
        UserBytes users = passwd_bytes(), members = bytes_of(group, sizeof(group) - 1);
        const UserFile passwd_file = {user_bytes_read, &users}, group_file = {user_bytes_read, &members};
        static UserCredentials c;
        UserSpec s;

        NEED(user_spec_parse("last:app", &s, NULL) == 0);
        NEED(user_lookup(&s, further, &passwd_file, &group_file, &c, NULL) == 0);
        NEED(c.n_groups == 4 && c.groups[0] == 1000 && c.groups[1] == 10 && c.groups[2] == 100 &&
             c.groups[3] == 7);
        NEED(users.n_reads == 2 && members.n_reads == 2); /* with the end */
        user_spec_done(&s);
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
        NEED(look_up_with(&s, NULL, passwd_bytes(), bytes_of(file, n), &c, NULL) == -E2BIG &&
             c.n_groups == 0);
        NEED(look_up_with(&s, NULL, passwd_bytes(), bytes_of(file, n / 4), &c, NULL) == 0 &&
             c.groups[0] == 1000);
        user_spec_done(&s);
        free(file);
}

/* Those that the container was given beside the user's own. */
static void test_further_groups(void)
{
        static const char file[] = "wheel:x:10:\n4242:x:0:\nvideo:x:44:root\nwheel:x:0:\n";
        char *const good[] = {(char *) "4242", (char *) "wheel", (char *) "1000", NULL}, *const none[] = {
                                                                                                 NULL};
        char *const unknown[] = {(char *) "nosuch", NULL}, *const large[] = {(char *) "4294967295", NULL};
        UserBytes members = bytes_of(file, sizeof(file) - 1), nothing = bytes_of(NULL, 0);
        static UserCredentials c;
        UserSpec s;

        NEED(user_spec_parse("1000", &s, NULL) == 0);
        NEED(look_up_with(&s, good, passwd_bytes(), members, &c, NULL) == 0 && c.n_groups == 3);
        NEED(c.groups[0] == 1000 && c.groups[1] == 4242 && c.groups[2] == 10);
        NEED(look_up_with(&s, none, passwd_bytes(), nothing, &c, NULL) == 0 && c.n_groups == 1);
        NEED(look_up_with(&s, unknown, passwd_bytes(), members, &c, NULL) == -ESRCH && c.n_groups == 0);
        NEED(look_up_with(&s, good, passwd_bytes(), nothing, &c, NULL) == -ESRCH);
        NEED(look_up_with(&s, large, passwd_bytes(), members, &c, NULL) == -ERANGE && c.uid == (uid_t) -1);
        user_spec_done(&s);
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
        test_odd_lines();
        test_long_fields();
        test_failing_reads();
        test_reads_once();
        test_many_groups();
        test_further_groups();
        test_has_names();
        return 0;
}
