/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/peer.h"

#define RESERVED_FOR_ROOT 10 /* one in so many */
#define RESERVED_FOR_FEW  4
#define FEW               8

typedef struct Holder {
        ListNode node;
        uid_t uid;
        uint64_t held;
} Holder;

static Holder *find_holder(const Budget *b, uid_t uid)
{
        return LIST_FIND(Holder, h, &b->holders, node, h->uid == uid);
}

void budget_done(Budget *b)
{
        while (b->holders.first) {
                Holder *h = LIST_ENTRY(b->holders.first, Holder, node);

                list_remove(&b->holders, &h->node);
                free(h);
        }
        b->used = 0;
}

static uint64_t left_of(uint64_t limit, uint64_t used)
{
        return limit > used ? limit - used : 0;
}

/* The share of the total, regardless of the limit of the uid. */
static uint64_t room_in_total(const Budget *b, uid_t uid, uint64_t held)
{
        uint64_t many, few;

        if (uid == 0)
                return left_of(b->max, b->used);
        many = left_of(b->max - b->max / RESERVED_FOR_FEW, b->used);
        few = left_of(b->max - b->max / RESERVED_FOR_ROOT, b->used);
        return MAX(many, MIN(few, left_of(b->uid_max / FEW, held)));
}

uint64_t budget_held(const Budget *b, uid_t uid)
{
        const Holder *h = find_holder(b, uid);

        return h ? h->held : 0;
}

uint64_t budget_room(const Budget *b, uid_t uid)
{
        uint64_t held = budget_held(b, uid);

        return MIN(left_of(b->uid_max, held), room_in_total(b, uid, held));
}

static bool hold(Budget *b, uid_t uid, uint64_t amount)
{
        Holder *h = find_holder(b, uid);

        if (amount == 0)
                return true;
        if (!h) {
                h = calloc(1, sizeof(Holder));
                if (!h)
                        return false;
                h->uid = uid;
                list_append(&b->holders, &h->node);
        }
        h->held += amount;
        b->used += amount;
        return true;
}

bool budget_take(Budget *b, uid_t uid, uint64_t amount)
{
        return amount <= budget_room(b, uid) && hold(b, uid, amount);
}

void budget_force(Budget *b, uid_t uid, uint64_t amount)
{
        (void) hold(b, uid, amount);
}

void budget_give(Budget *b, uid_t uid, uint64_t amount)
{
        Holder *h = find_holder(b, uid);

        if (!h)
                return;
        amount = MIN(amount, h->held);
        h->held -= amount;
        b->used -= amount;
        if (h->held > 0)
                return;
        list_remove(&b->holders, &h->node);
        free(h);
}

static const char *share_name(uid_t uid, char buffer[static 32])
{
        if (uid == PEER_SHARE_FOREIGN)
                return "callers in containers";
        if (uid == PEER_SHARE_UNKNOWN)
                return "callers that the message bus has not identified";
        snprintf(buffer, 32, "uid %u", (unsigned) uid);
        return buffer;
}

int budget_refuse(const Budget *b, uid_t uid, RefusalKind own, Refusal *reterr)
{
        uint64_t held = budget_held(b, uid);
        bool is_own = room_in_total(b, uid, held) > left_of(b->uid_max, held) || held >= b->uid_max;
        const char *key = is_own ? b->uid_key : b->key;
        char set_by[64] = "", name[32];

        if (key)
                snprintf(set_by, sizeof(set_by), " (%s=)", key);
        if (is_own)
                return refuse(reterr, own, EUSERS,
                              "too many %s of %s: there are %" PRIu64 ", the limit is %" PRIu64 "%s",
                              b->what, share_name(uid, name), held, b->uid_max, set_by);
        return refuse(reterr, REFUSAL_BUSY, EBUSY,
                      "too many %s: there are %" PRIu64 ", the limit is %" PRIu64 "%s%s; try again", b->what,
                      b->used, b->max, set_by, b->used < b->max ? ", and the rest is reserved" : "");
}
