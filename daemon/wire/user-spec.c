/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/user-spec.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NO_ID    UINT32_MAX
#define ID_RANGE "uids and gids must be in range 0-4294967294"

#define DIGITS   "0123456789"

void user_spec_done(UserSpec *s)
{
        s->user = mfree(s->user);
        s->group = mfree(s->group);
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
                if (!user_id_parse(part, strlen(part), &id))
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

static int parse_number(const char *text, uint32_t *ret, Refusal *reterr)
{
        return user_id_parse(text, strlen(text), ret)
                       ? 0
                       : refuse(reterr, REFUSAL_NOT_RUNNABLE, ERANGE, ID_RANGE);
}

/* 1, or 0 for a number that has no entry. */
static int find_user(const char *user, const UserFile *file, PasswdEntry *ret, Refusal *reterr)
{
        UserReader reader = {.file = file};
        bool is_name = !is_number(user);
        uint32_t uid = 0;
        int r = is_name ? 0 : parse_number(user, &uid, reterr);

        if (r < 0)
                return r;
        do
                r = passwd_next(&reader, ret);
        while (r > 0 && !(is_name ? user_field_is(&ret->name, user) : ret->uid == uid));
        if (r != 0)
                return r;
        if (is_name)
                return refuse(reterr, REFUSAL_NOT_RUNNABLE, ESRCH,
                              "unable to find user %s: no matching entries in passwd file", user);
        *ret = (PasswdEntry){.uid = uid};
        return 0;
}

/* A group by name or number, and its gid, which is NO_ID until it is found. */
typedef struct WantedGroup {
        const char *text;
        uint32_t gid;
} WantedGroup;

static int want_group(WantedGroup *w, const char *text, Refusal *reterr)
{
        *w = (WantedGroup){text, NO_ID};
        return is_number(text) ? parse_number(text, &w->gid, reterr) : 0;
}

static int add_wanted(const WantedGroup *w, UserCredentials *c, Refusal *reterr)
{
        if (w->gid == NO_ID)
                return refuse(reterr, REFUSAL_NOT_RUNNABLE, ESRCH,
                              "unable to find group %s: no matching entries in group file", w->text);
        return add_group(c, w->gid, reterr);
}

/* The groups that are named, of which the first line with the name counts, and those that have the user as a member: the
 * file is read once. */
static int search_groups(const UserFile *file, WantedGroup *wanted, size_t n, const UserField *member,
                         UserCredentials *c, Refusal *reterr)
{
        UserReader reader = {.file = file};
        GroupEntry entry = {0};
        int r;

        while ((r = group_next(&reader, member, &entry)) > 0) {
                for (size_t i = 0; i < n; i++)
                        if (wanted[i].gid == NO_ID && user_field_is(&entry.name, wanted[i].text))
                                wanted[i].gid = entry.gid;
                r = entry.has_member ? add_group(c, entry.gid, reterr) : 0;
                if (r < 0)
                        break;
        }
        return r;
}

static size_t count(char *const *groups)
{
        size_t n = 0;

        while (groups && groups[n])
                n++;
        return n;
}

/* The primary group, those of the user where no group is given, and then the further ones. */
static int find_groups(const UserSpec *s, char *const *groups, const PasswdEntry *entry,
                       const UserFile *file, UserCredentials *c, Refusal *reterr)
{
        bool is_member = !s->group && entry->name.size > 0;
        size_t n = count(groups);
        _cleanup_free_ WantedGroup *wanted = calloc(n + 1, sizeof(*wanted));
        int r = 0;

        if (!wanted)
                return -ENOMEM;
        wanted[n].gid = entry->gid;
        if (s->group)
                r = want_group(&wanted[n], s->group, reterr);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = want_group(&wanted[i], groups[i], reterr);

        if (r >= 0 && !s->group)
                r = add_wanted(&wanted[n], c, reterr);
        if (r >= 0)
                r = search_groups(file, wanted, n + 1, is_member ? &entry->name : NULL, c, reterr);
        if (r >= 0 && s->group)
                r = add_wanted(&wanted[n], c, reterr);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_wanted(&wanted[i], c, reterr);
        c->gid = wanted[n].gid;
        return r;
}

static void set_home(UserCredentials *c, const UserField *home)
{
        _Static_assert(sizeof(c->home) > USER_FIELD_MAX, "a field and a NUL must fit");

        if (home->size == 0 || home->size > USER_FIELD_MAX) {
                strcpy(c->home, "/");
                return;
        }
        memcpy(c->home, home->text, home->size);
        c->home[home->size] = 0;
}

int user_lookup(const UserSpec *s, char *const *groups, const UserFile *passwd, const UserFile *group,
                UserCredentials *ret, Refusal *reterr)
{
        PasswdEntry entry = {0};
        int r;

        ret->n_groups = 0;
        ret->home[0] = 0;
        r = find_user(s->user ?: "0", passwd, &entry, reterr);
        if (r >= 0)
                r = find_groups(s, groups, &entry, group, ret, reterr);
        if (r < 0) {
                ret->n_groups = 0;
                ret->uid = (uid_t) -1;
                ret->gid = (gid_t) -1;
                return r;
        }
        set_home(ret, &entry.home);
        ret->uid = entry.uid;
        return 0;
}
