/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A resource that callers share: a total, and the part of it that one uid may hold. The last tenth of the
 * total is reserved for root. The last quarter, that tenth included, is closed to uids that hold much, more
 * than an eighth of what one uid may: a user who takes as much as possible leaves something to the others.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/refusal.h"

typedef struct Budget {
        const char *what;          /* "execs", "bytes of requests and answers", …: for refusals */
        const char *key, *uid_key; /* the keys of execd.conf that set the limits; NULL: none does */
        uint64_t max, uid_max;
        uint64_t used;
        List holders; /* the uids that hold something */
} Budget;

void budget_done(Budget *b);

/* How much more a uid may take. */
uint64_t budget_room(const Budget *b, uid_t uid);
uint64_t budget_held(const Budget *b, uid_t uid);

/* False, and nothing is taken, when there is not so much left for this uid. */
bool budget_take(Budget *b, uid_t uid, uint64_t amount);
void budget_give(Budget *b, uid_t uid, uint64_t amount);

/* Takes it in any case: for objects that already exist, or that were counted elsewhere. */
void budget_force(Budget *b, uid_t uid, uint64_t amount);

/* The limit that is reached, with its key. LimitExceeded: the caller itself holds too much. Busy: others do,
 * or the shortage ends by itself. */
int budget_refuse(const Budget *b, uid_t uid, RefusalKind own, Refusal *reterr);
