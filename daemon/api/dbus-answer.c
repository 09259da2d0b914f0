/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-answer.h"

#include <stdlib.h>
#include <systemd/sd-event.h>

#include "base/time.h"

/* As large an answer is always given to a caller who has used up his share, one at a time. */
#define ANSWER_ALWAYS (16 * 1024)

typedef struct Answer {
        ListNode node;
        uid_t uid;
        size_t size;
} Answer;

/* The bytes that were sent to a user recently. */
typedef struct Recent {
        ListNode node;
        uid_t uid;
        uint64_t size;
        uint64_t since; /* CLOCK_MONOTONIC; it shrinks from then on */
} Recent;

struct DbusAnswers {
        sd_bus *bus;             /* weak */
        Budget *budget;          /* weak */
        List queued;             /* that the bus may not have yet */
        sd_event_source *source; /* after each event, while there are any */
        List recent;
};

static bool bus_has_all(const DbusAnswers *a)
{
        uint64_t n = 0;

        return sd_bus_get_n_queued_write(a->bus, &n) < 0 || n == 0;
}

static void forget(DbusAnswers *a)
{
        while (a->queued.first) {
                Answer *k = LIST_ENTRY(a->queued.first, Answer, node);

                budget_give(a->budget, k->uid, k->size);
                list_remove(&a->queued, &k->node);
                free(k);
        }
        (void) sd_event_source_set_enabled(a->source, SD_EVENT_OFF);
}

static int on_event(sd_event_source *source, void *userdata)
{
        DbusAnswers *a = userdata;

        if (bus_has_all(a))
                forget(a);
        return 0;
}

static void recent_free(DbusAnswers *a, Recent *k)
{
        list_remove(&a->recent, &k->node);
        free(k);
}

static void recent_shrink(Recent *k, uint64_t now)
{
        uint64_t passed =
                MIN(now - MIN(now, k->since), DBUS_ANSWERS_AT_ONCE * USEC_PER_SEC / DBUS_ANSWERS_A_SECOND);
        uint64_t less = passed * DBUS_ANSWERS_A_SECOND / USEC_PER_SEC;

        k->size -= MIN(less, k->size);
        k->since = now;
}

/* NULL if there is none. Those with nothing left are forgotten. */
static Recent *recent_find(DbusAnswers *a, uid_t uid, uint64_t now)
{
        Recent *found = NULL;

        LIST_FOREACH (Recent, k, &a->recent, node) {
                recent_shrink(k, now);
                if (k->size == 0)
                        recent_free(a, k);
                else if (k->uid == uid)
                        found = k;
        }
        return found;
}

static int check_recent(DbusAnswers *a, uid_t uid, size_t size, uint64_t now, Refusal *reterr)
{
        const Recent *k = uid == 0 ? NULL : recent_find(a, uid, now);

        if (!k || k->size + size <= DBUS_ANSWERS_AT_ONCE)
                return 0;
        return refuse(
                reterr, REFUSAL_BUSY, EBUSY,
                "too many bytes of answers over D-Bus to uid %u: the limit is %d bytes, and %d more in each "
                "second; try again",
                (unsigned) uid, DBUS_ANSWERS_AT_ONCE, DBUS_ANSWERS_A_SECOND);
}

static void add_recent(DbusAnswers *a, uid_t uid, size_t size, uint64_t now)
{
        Recent *k = uid == 0 ? NULL : recent_find(a, uid, now);

        if (!k && uid != 0) {
                k = calloc(1, sizeof(Recent));
                if (!k)
                        return;
                *k = (Recent){.uid = uid, .since = now};
                list_append(&a->recent, &k->node);
        }
        if (k)
                k->size += size;
}

int dbus_answers_new(sd_bus *bus, Budget *budget, DbusAnswers **ret)
{
        DbusAnswers *a = calloc(1, sizeof(DbusAnswers));
        int r;

        if (!a)
                return -ENOMEM;
        *a = (DbusAnswers){.bus = bus, .budget = budget};
        r = sd_event_add_post(sd_bus_get_event(bus), &a->source, on_event, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->source, SD_EVENT_OFF);
        if (r < 0) {
                dbus_answers_free(a);
                return r;
        }
        *ret = a;
        return 0;
}

DbusAnswers *dbus_answers_free(DbusAnswers *a)
{
        if (!a)
                return NULL;
        forget(a);
        while (a->recent.first)
                recent_free(a, LIST_ENTRY(a->recent.first, Recent, node));
        a->source = sd_event_source_disable_unref(a->source);
        return mfree(a);
}

int dbus_answers_take(DbusAnswers *a, uid_t uid, size_t size, uint64_t now, Refusal *reterr)
{
        int r;

        if (size > DBUS_ANSWER_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, EMSGSIZE,
                              "the answer is larger than %d bytes, which is the limit: "
                              "ask for fewer execs with a filter of ListExecsFiltered",
                              DBUS_ANSWER_MAX);
        r = check_recent(a, uid, size, now, reterr);
        if (r < 0)
                return r;
        r = budget_take(a->budget, uid, size);
        if (r == 0 && (size > ANSWER_ALWAYS || !bus_has_all(a)))
                return budget_refuse(a->budget, uid, REFUSAL_BUSY, reterr);
        add_recent(a, uid, size, now);
        return r;
}

void dbus_answers_sent(DbusAnswers *a, uid_t uid, size_t size)
{
        Answer *k;

        if (size == 0)
                return;
        k = bus_has_all(a) ? NULL : calloc(1, sizeof(Answer));
        if (!k) {
                budget_give(a->budget, uid, size);
                return;
        }
        *k = (Answer){.uid = uid, .size = size};
        list_append(&a->queued, &k->node);
        (void) sd_event_source_set_enabled(a->source, SD_EVENT_ON);
}
