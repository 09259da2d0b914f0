/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Users: the grammar of the User field, and its lookup in the container's own passwd and group files. No NSS,
 * bounded in every direction. Only a whole success makes a result valid.
 *
 * All digits is always a number and never a name (strict decimal up to 2^32-2, or the refusal says so). A
 * number that passwd does not know has gid 0 and home "/". A given group replaces the supplementary groups.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "wire/user-file.h"

#define USER_NAME_MAX   256
#define USER_GROUPS_MAX 1024 /* supplementary groups; more are refused */

typedef struct UserSpec {
        char *user;  /* name or number as text; NULL for the default */
        char *group; /* NULL when not given */
} UserSpec;

void user_spec_done(UserSpec *s);
#define USER_SPEC_INIT ((UserSpec){0})

/* Checks the grammar only: `user`, `user:group`, a number in each place; "" and NULL are the default. Text
 * that cannot be a user (control characters, bad numbers, over-long) is refused, and the message names User.
 * */
int user_spec_parse(const char *text, UserSpec *ret, Refusal *reterr);

/* True when the lookup needs the container's passwd for more than the home directory and groups, so that it
 * can fail with "no matching entries". */
bool user_spec_has_names(const UserSpec *s);

/* The same user as one text, for decisions: numbers without leading zeros, "root" for uid 0
 * whatever its group and for the default, else USER or USER:GROUP. A name stays one, since only the
 * container knows its number. NULL on lack of memory. */
char *user_spec_normalize(const UserSpec *s);

typedef struct UserCredentials {
        uid_t uid; /* (uid_t) -1 while invalid */
        gid_t gid; /* (gid_t) -1 while invalid */
        gid_t groups[USER_GROUPS_MAX + 1];
        size_t n_groups; /* the primary group is always among them */
        char home[4096]; /* "/" when passwd has none */
} UserCredentials;

/* Looks the user up, in passwd and then in group, each of which is read once at most. Either may be NULL, if the
 * container has no such file: names are then not found, numbers hold. `groups` are further ones, by name or number. An
 * error of a read function is returned as it is. */
int user_lookup(const UserSpec *s, char *const *groups, const UserFile *passwd, const UserFile *group,
                UserCredentials *ret, Refusal *reterr);
