/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/user-spec.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"

/* The value -1 means "no id" to the kernel. */
#define ID_MAX   (UINT32_MAX - 1)
#define ID_RANGE "uids and gids must be in range 0-4294967294"

#define DIGITS   "0123456789"

void user_spec_done(UserSpec *s)
{
        s->user = mfree(s->user);
        s->group = mfree(s->group);
}

/* A piece of a line: not terminated. */
typedef struct Span {
        const char *p;
        size_t n;
} Span;

static bool span_is(Span s, const char *text)
{
        return strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

/* Strict decimal: digits only, no sign, no space, at most 2^32-2. */
static bool span_parse_id(Span s, uint32_t *ret)
{
        uint64_t v;

        if (decimal_read(s.p, s.n, ID_MAX, &v) < 0)
                return false;
        *ret = (uint32_t) v;
        return true;
}

static bool is_number(const char *s)
{
        return *s && s[strspn(s, DIGITS)] == 0;
}

/* The allowed characters of a name: those that passwd(5) can have without ambiguity about the end of a field
 * or a line, and none that make it a signed number or an option. */
static bool name_is_valid(const char *s)
{
        if (strlen(s) > USER_NAME_MAX || *s == '-' || *s == '+')
                return false;
        for (const unsigned char *p = (const unsigned char *) s; *p; p++)
                if (*p <= ' ' || *p == 0x7f || strchr(",/:\"'`\\|&;<>()*?[]{}", *p))
                        return false;
        return true;
}

static int check_part(const char *part, const char *what, Refusal *reterr)
{
        uint32_t id;

        if (is_number(part)) {
                if (!span_parse_id((Span){part, strlen(part)}, &id))
                        return refuse(reterr, REFUSAL_BAD_REQUEST, ERANGE, "invalid User: %s", ID_RANGE);
                return 0;
        }
        if (!name_is_valid(part))
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                              "invalid User: not a valid %s name or number", what);
        return 0;
}

int user_spec_parse(const char *text, UserSpec *ret, Refusal *reterr)
{
        UserSpec s = USER_SPEC_INIT;
        size_t user_length, group_length = 0;
        int r = 0;

        if (!text || !*text) {
                *ret = s;
                return 0;
        }

        /* A third part is ignored, as Docker does; an empty part is as if it were not there. */
        user_length = strcspn(text, ":");
        if (text[user_length] == ':')
                group_length = strcspn(text + user_length + 1, ":");
        if (user_length > USER_NAME_MAX || group_length > USER_NAME_MAX)
                return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL, "invalid User: name is too long");

        if (user_length > 0) {
                s.user = strndup(text, user_length);
                r = s.user ? check_part(s.user, "user", reterr) : -ENOMEM;
        }
        if (r >= 0 && group_length > 0) {
                s.group = strndup(text + user_length + 1, group_length);
                r = s.group ? check_part(s.group, "group", reterr) : -ENOMEM;
        }
        if (r < 0) {
                user_spec_done(&s);
                return r;
        }

        *ret = s;
        return 0;
}

static const char *strip_zeros(const char *part)
{
        while (part[0] == '0' && is_number(part + 1))
                part++;
        return part;
}

char *user_spec_normalize(const UserSpec *s)
{
        const char *user = s->user ? strip_zeros(s->user) : "root";
        char *text = NULL;

        /* root is in every group that it wants to be in. */
        if (strcmp(user, "0") == 0 || strcmp(user, "root") == 0)
                return strdup("root");
        if (!s->group)
                return strdup(user);
        return asprintf(&text, "%s:%s", user, strip_zeros(s->group)) < 0 ? NULL : text;
}

bool user_spec_has_names(const UserSpec *s)
{
        return (s->user && !is_number(s->user)) || (s->group && !is_number(s->group));
}

/* Takes the next line off `*file`. Over-long lines and lines with a NUL are skipped: readers that stop at a
 * NUL and readers that do not would see two different lines. */
static bool next_line(Span *file, Span *ret)
{
        while (file->n > 0) {
                const char *end = memchr(file->p, '\n', file->n);
                Span line = {file->p, end ? (size_t) (end - file->p) : file->n};
                size_t used = line.n + (end ? 1 : 0);

                file->p += used;
                file->n -= used;
                if (line.n == 0 || memchr(line.p, 0, line.n))
                        continue;
                *ret = line;
                return true;
        }
        return false;
}

/* Splits at `separator` into at most `max` fields; the last one takes all that is left. */
static size_t split(Span line, char separator, Span *fields, size_t max)
{
        size_t n = 0;

        for (;;) {
                const char *end = n + 1 < max ? memchr(line.p, separator, line.n) : NULL;
                size_t length = end ? (size_t) (end - line.p) : line.n;

                fields[n++] = (Span){line.p, length};
                if (!end)
                        return n;
                line.p += length + 1;
                line.n -= length + 1;
        }
}

typedef struct PasswdEntry {
        Span name, home;
        uint32_t uid, gid;
} PasswdEntry;

static bool parse_passwd_line(Span line, PasswdEntry *ret)
{
        Span f[8];
        size_t n = split(line, ':', f, ELEMENTSOF(f));

        if (n < 4 || f[0].n == 0 || !span_parse_id(f[2], &ret->uid) || !span_parse_id(f[3], &ret->gid))
                return false;
        ret->name = f[0];
        ret->home = n > 5 ? f[5] : (Span){"", 0};
        return true;
}

static bool find_passwd(Span file, const char *name, uint32_t uid, PasswdEntry *ret)
{
        Span line;

        while (next_line(&file, &line)) {
                PasswdEntry e;

                if (parse_passwd_line(line, &e) && (name ? span_is(e.name, name) : e.uid == uid)) {
                        *ret = e;
                        return true;
                }
        }
        return false;
}

static bool parse_group_line(Span line, Span *ret_name, uint32_t *ret_gid, Span *ret_members)
{
        Span f[4];
        size_t n = split(line, ':', f, ELEMENTSOF(f));

        if (n < 3 || f[0].n == 0 || !span_parse_id(f[2], ret_gid))
                return false;
        *ret_name = f[0];
        *ret_members = n > 3 ? f[3] : (Span){"", 0};
        return true;
}

static bool find_group(Span file, const char *name, uint32_t *ret_gid)
{
        Span line, line_name, members;

        while (next_line(&file, &line))
                if (parse_group_line(line, &line_name, ret_gid, &members) && span_is(line_name, name))
                        return true;
        return false;
}

static bool lists_member(Span members, Span name)
{
        while (members.n > 0) {
                const char *end = memchr(members.p, ',', members.n);
                size_t length = end ? (size_t) (end - members.p) : members.n;

                if (length == name.n && memcmp(members.p, name.p, length) == 0)
                        return true;
                length += end ? 1 : 0;
                members.p += length;
                members.n -= length;
        }
        return false;
}

static int add_group(UserCredentials *c, gid_t gid, Refusal *reterr)
{
        for (size_t i = 0; i < c->n_groups; i++)
                if (c->groups[i] == gid)
                        return 0;
        if (c->n_groups >= ELEMENTSOF(c->groups))
                return refuse(reterr, REFUSAL_NOT_RUNNABLE, E2BIG,
                              "the user is in more than %d groups of the container, which is the limit",
                              USER_GROUPS_MAX);
        c->groups[c->n_groups++] = gid;
        return 0;
}

static int add_memberships(UserCredentials *c, Span file, Span user_name, Refusal *reterr)
{
        Span line, name, members;
        uint32_t gid;
        int r = 0;

        while (r >= 0 && next_line(&file, &line))
                if (parse_group_line(line, &name, &gid, &members) && lists_member(members, user_name))
                        r = add_group(c, gid, reterr);
        return r;
}

int user_add_groups(char *const *groups, const char *group, size_t group_size, UserCredentials *c,
                    Refusal *reterr)
{
        Span file = {group ?: "", group ? group_size : 0};
        int r = 0;

        for (char *const *g = groups; r >= 0 && g && *g; g++) {
                uint32_t gid;

                if (is_number(*g)) {
                        if (!span_parse_id((Span){*g, strlen(*g)}, &gid))
                                return refuse(reterr, REFUSAL_NOT_RUNNABLE, ERANGE, ID_RANGE);
                } else if (!find_group(file, *g, &gid))
                        return refuse(reterr, REFUSAL_NOT_RUNNABLE, ESRCH,
                                      "unable to find group %s: no matching entries in group file", *g);
                r = add_group(c, gid, reterr);
        }
        return r;
}

static void set_home(UserCredentials *c, Span home)
{
        if (home.n == 0 || home.n >= sizeof(c->home))
                home = (Span){"/", 1};
        memcpy(c->home, home.p, home.n);
        c->home[home.n] = 0;
}

int user_lookup(const UserSpec *s, const char *passwd, size_t passwd_size, const char *group,
                size_t group_size, UserCredentials *ret, Refusal *reterr)
{
        Span passwd_file = {passwd ?: "", passwd ? passwd_size : 0};
        Span group_file = {group ?: "", group ? group_size : 0};
        const char *user = s->user ?: "0";
        PasswdEntry entry = {0};
        uint32_t uid = 0, gid = 0;
        bool found;
        int r;

        ret->uid = (uid_t) -1;
        ret->gid = (gid_t) -1;
        ret->n_groups = 0;
        ret->home[0] = 0;

        if (is_number(user)) {
                if (!span_parse_id((Span){user, strlen(user)}, &uid))
                        return refuse(reterr, REFUSAL_NOT_RUNNABLE, ERANGE, ID_RANGE);
                found = find_passwd(passwd_file, NULL, uid, &entry);
        } else {
                found = find_passwd(passwd_file, user, 0, &entry);
                if (!found)
                        return refuse(reterr, REFUSAL_NOT_RUNNABLE, ESRCH,
                                      "unable to find user %s: no matching entries in passwd file", user);
                uid = entry.uid;
        }
        if (found)
                gid = entry.gid;

        if (s->group && is_number(s->group)) {
                if (!span_parse_id((Span){s->group, strlen(s->group)}, &gid))
                        return refuse(reterr, REFUSAL_NOT_RUNNABLE, ERANGE, ID_RANGE);
        } else if (s->group && !find_group(group_file, s->group, &gid))
                return refuse(reterr, REFUSAL_NOT_RUNNABLE, ESRCH,
                              "unable to find group %s: no matching entries in group file", s->group);

        r = add_group(ret, gid, reterr);
        if (r >= 0 && found && !s->group)
                r = add_memberships(ret, group_file, entry.name, reterr);
        if (r < 0)
                return r;
        set_home(ret, entry.home);
        ret->gid = gid;
        ret->uid = uid;
        return 0;
}
