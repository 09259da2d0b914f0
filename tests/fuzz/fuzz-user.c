/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A User field, NUL, passwd, NUL, group. A lookup gives a whole user or none. */

#include "fuzz/fuzz.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static UserCredentials c;
        FuzzInput in = {.data = data, .size = size};
        _cleanup_free_ char *text = fuzz_text(&in), *passwd = NULL, *group = NULL;
        _cleanup_(user_spec_done) UserSpec spec = USER_SPEC_INIT;
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
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

        r = user_lookup(&spec, passwd, n_passwd, group, n_group, &c, &refusal);
        PROMISE((r < 0) == (refusal.kind != REFUSAL_NONE));
        if (r < 0)
                PROMISE(c.uid == (uid_t) -1 && c.gid == (gid_t) -1 && c.n_groups == 0);
        else
                check_credentials(&spec, &c);
        return 0;
}
