/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/dbus-answer.h"

#include <stdlib.h>
#include <systemd/sd-event.h>

/* As large an answer is always given to a caller who has used up his share, one at a time. */
#define ANSWER_ALWAYS (16 * 1024)

typedef struct Answer {
        ListNode node;
        uid_t uid;
        size_t size;
} Answer;

struct DbusAnswers {
        sd_bus *bus;             /* weak */
        Budget *budget;          /* weak */
        List queued;             /* that the bus may not have yet */
        sd_event_source *source; /* after each event, while there are any */
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
        a->source = sd_event_source_disable_unref(a->source);
        return mfree(a);
}

int dbus_answers_take(DbusAnswers *a, uid_t uid, size_t size, Refusal *reterr)
{
        if (size > DBUS_ANSWER_MAX)
                return refuse(reterr, REFUSAL_TOO_LARGE, EMSGSIZE,
                              "the answer is larger than %d bytes, which is the limit: "
                              "ask for fewer execs with a filter of ListExecsFiltered",
                              DBUS_ANSWER_MAX);
        if (budget_take(a->budget, uid, size))
                return 1;
        if (size <= ANSWER_ALWAYS && bus_has_all(a))
                return 0;
        return budget_refuse(a->budget, uid, REFUSAL_BUSY, reterr);
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
