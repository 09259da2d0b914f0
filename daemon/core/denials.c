/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/denials.h"

#include "base/list.h"
#include "base/time.h"

typedef struct DeniedUser {
        ListNode node;
        uid_t share; /* peer_share() */
        unsigned n_written, n_counted;
        uint64_t until; /* CLOCK_MONOTONIC */
} DeniedUser;

struct Denials {
        sd_event *event;
        JournalQueue *journal;
        List users; /* by the end of their intervals */
        sd_event_source *timer;
};

Denials *denials_new(sd_event *event, JournalQueue *journal)
{
        Denials *l = calloc(1, sizeof(Denials));

        if (l)
                *l = (Denials){.event = event, .journal = journal};
        return l;
}

static void denials_expire(Denials *l, uint64_t now)
{
        LIST_FOREACH (DeniedUser, u, &l->users, node) {
                if (u->until > now)
                        break;
                if (u->n_counted > 0)
                        audit_denials_counted(l->journal, u->share, u->n_counted);
                list_remove(&l->users, &u->node);
                free(u);
        }
}

void denials_flush(Denials *l)
{
        denials_expire(l, UINT64_MAX);
}

Denials *denials_free(Denials *l)
{
        if (!l)
                return NULL;
        LIST_FOREACH (DeniedUser, u, &l->users, node)
                free(u);
        sd_event_source_disable_unref(l->timer);
        return mfree(l);
}

static void denials_arm(Denials *l);

static int denials_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        Denials *l = userdata;

        denials_expire(l, now_usec(CLOCK_MONOTONIC));
        denials_arm(l);
        return 0;
}

static void denials_arm(Denials *l)
{
        const DeniedUser *u;

        if (list_is_empty(&l->users))
                return;
        u = LIST_ENTRY(l->users.first, DeniedUser, node);
        if (!l->timer &&
            sd_event_add_time(l->event, &l->timer, CLOCK_MONOTONIC, u->until, 0, denials_on_timer, l) < 0)
                return;
        (void) sd_event_source_set_time(l->timer, u->until);
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

/* NULL on lack of memory. */
static DeniedUser *denials_user(Denials *l, uid_t share)
{
        DeniedUser *user = LIST_FIND(DeniedUser, u, &l->users, node, u->share == share);

        if (user)
                return user;
        user = calloc(1, sizeof(DeniedUser));
        if (!user)
                return NULL;
        user->share = share;
        user->until = now_usec(CLOCK_MONOTONIC) + DENIALS_USEC;
        list_append(&l->users, &user->node);
        denials_arm(l);
        return user;
}

void denials_add(Denials *l, const AuditDenial *d, const Refusal *refusal)
{
        DeniedUser *u;

        denials_expire(l, now_usec(CLOCK_MONOTONIC));
        u = denials_user(l, peer_share(d->peer));
        if (u && u->n_written >= DENIALS_BURST) {
                u->n_counted++;
                return;
        }
        if (u)
                u->n_written++;
        audit_denied(l->journal, d, refusal);
}
