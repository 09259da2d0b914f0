/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A User field, NUL, passwd, NUL, group. A lookup gives a whole user or none, the same one however the files are cut into
 * pieces. */

#include "fuzz/fuzz.h"
#include "unit/user-bytes.h"
#include "wire/user-spec.h"

static int is_number(const char *s)
{
        return s && *s && strspn(s, "0123456789") == strlen(s);
}

static void check_credentials(const UserSpec *spec, const UserCredentials *c)
{
        size_t primary = 0;

        PROMISE(c->uid != (uid_t) -1 && c->gid != (gid_t) -1);
        PROMISE(c->n_groups >= 1 && c->n_groups <= ELEMENTSOF(c->groups));
        for (size_t i = 0; i < c->n_groups; i++) {
                PROMISE(c->groups[i] != (gid_t) -1);
                primary += c->groups[i] == c->gid;
        }
        PROMISE(primary == 1);
        PROMISE(memchr(c->home, 0, sizeof(c->home)) && c->home[0]);
        /* All digits is a number, whatever names the files have. */
        if (is_number(spec->user))
                PROMISE(c->uid == strtoul(spec->user, NULL, 10));
        if (is_number(spec->group))
                PROMISE(c->gid == strtoul(spec->group, NULL, 10));
        if (spec->group)
                PROMISE(c->n_groups == 1);
}

static int look_up(const UserSpec *spec, UserBytes passwd, UserBytes group, size_t step,
                   UserCredentials *ret, Refusal *reterr)
{
        const UserFile passwd_file = {user_bytes_read, &passwd}, group_file = {user_bytes_read, &group};

        passwd.step = group.step = step;
        return user_lookup(spec, NULL, &passwd_file, &group_file, ret, reterr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static UserCredentials c, in_pieces;
        FuzzInput in = {.data = data, .size = size};
        _cleanup_free_ char *text = fuzz_text(&in), *passwd = NULL, *group = NULL;
        _cleanup_(user_spec_done) UserSpec spec = USER_SPEC_INIT;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        UserBytes passwd_bytes, group_bytes;
        size_t n_passwd, n_group;
        int r;

        r = user_spec_parse(text, &spec, &refusal);
        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        if (r < 0) {
                PROMISE(!spec.user && !spec.group && strstr(refusal.message, "User"));
                return 0;
        }

        /* Without the NUL that a text would have: the files come with their size. */
        n_passwd = in.size > 0 ? strnlen((const char *) in.data, in.size) : 0;
        passwd = malloc(n_passwd);
        if (n_passwd > 0)
                memcpy(passwd, in.data, n_passwd);
        in.data += n_passwd;
        in.size -= n_passwd;
        (void) fuzz_byte(&in);
        n_group = in.size;
        group = malloc(n_group);
        if (n_group > 0)
                memcpy(group, in.data, n_group);

        passwd_bytes = (UserBytes){.data = passwd, .size = n_passwd};
        group_bytes = (UserBytes){.data = group, .size = n_group};
        r = look_up(&spec, passwd_bytes, group_bytes, SIZE_MAX, &c, &refusal);
        PROMISE(look_up(&spec, passwd_bytes, group_bytes, 1, &in_pieces, NULL) == r);
        PROMISE(in_pieces.uid == c.uid && in_pieces.gid == c.gid && in_pieces.n_groups == c.n_groups);
        PROMISE(strcmp(in_pieces.home, c.home) == 0);
        PROMISE(memcmp(in_pieces.groups, c.groups, c.n_groups * sizeof(*c.groups)) == 0);
        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        if (r < 0)
                PROMISE(c.uid == (uid_t) -1 && c.gid == (gid_t) -1 && c.n_groups == 0);
        else
                check_credentials(&spec, &c);
        return 0;
}
