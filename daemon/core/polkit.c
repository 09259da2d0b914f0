/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/polkit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

/* The number of questions that may wait for each question of a uid that may be in progress. */
#define WAITING_FACTOR 16

typedef enum QuestionState {
        QUESTION_NEW,
        QUESTION_WAITING,
        QUESTION_SENT,
        QUESTION_ORPHANED, /* given up, and the bus still waits for the answer */
} QuestionState;

struct PolkitQuestion {
        Polkit *polkit; /* weak */
        ListNode node;
        QuestionState state;
        PolkitOptions options;
        sd_bus_message *call;
        sd_bus_slot *slot;
        sd_event_source *timer;
        char id[48];
};

struct Polkit {
        sd_bus *bus;    /* weak */
        Budget *budget; /* weak */
        List waiting;   /* oldest first */
        List sent;
        uint64_t counter;
};

Polkit *polkit_new(sd_bus *bus, Budget *budget)
{
        Polkit *p = calloc(1, sizeof(Polkit));

        if (!p)
                return NULL;
        p->bus = bus;
        p->budget = budget;
        return p;
}

static void question_destroy(PolkitQuestion *q)
{
        if (q->state == QUESTION_SENT || q->state == QUESTION_ORPHANED) {
                list_remove(&q->polkit->sent, &q->node);
                budget_give(q->polkit->budget, q->options.uid, 1);
        } else if (q->state == QUESTION_WAITING)
                list_remove(&q->polkit->waiting, &q->node);
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->call);
        sd_event_source_disable_unref(q->timer);
        free(q);
}

Polkit *polkit_free(Polkit *p)
{
        if (!p)
                return NULL;
        while (p->sent.first)
                question_destroy(LIST_ENTRY(p->sent.first, PolkitQuestion, node));
        while (p->waiting.first)
                question_destroy(LIST_ENTRY(p->waiting.first, PolkitQuestion, node));
        return mfree(p);
}

PolkitQuestion *polkit_question_free(PolkitQuestion *q)
{
        if (!q)
                return NULL;
        if (q->state != QUESTION_SENT) {
                question_destroy(q);
                return NULL;
        }
        q->state = QUESTION_ORPHANED;
        q->timer = sd_event_source_disable_unref(q->timer);
        (void) sd_bus_call_method_async(q->polkit->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                        "CancelCheckAuthorization", NULL, NULL, "s", q->id);
        return NULL;
}

int polkit_question_new(Polkit *p, PolkitQuestion **ret, sd_bus_message **ret_call, const char **ret_id)
{
        _cleanup_(polkit_question_freep) PolkitQuestion *q = calloc(1, sizeof(PolkitQuestion));
        int r;

        if (!q)
                return -ENOMEM;
        q->polkit = p;
        snprintf(q->id, sizeof(q->id), "execd-%" PRIu64, ++p->counter);
        r = sd_bus_message_new_method_call(p->bus, &q->call, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r < 0)
                return r;
        *ret_call = q->call;
        *ret_id = q->id;
        *ret = TAKE_PTR(q);
        return 0;
}

static void polkit_go_on(Polkit *p);

static int question_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        PolkitQuestion *q = userdata;
        PolkitOptions o = q->options;
        bool wanted = q->state == QUESTION_SENT;
        Polkit *p = q->polkit;

        question_destroy(q);
        polkit_go_on(p);
        if (wanted)
                o.callback(o.userdata, POLKIT_ANSWERED, m);
        return 0;
}

static int question_on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        PolkitQuestion *q = userdata;
        PolkitOptions o = q->options;
        PolkitOutcome outcome = q->state == QUESTION_SENT ? POLKIT_LATE : POLKIT_NOT_ASKED;

        polkit_question_free(q);
        o.callback(o.userdata, outcome, NULL);
        return 0;
}

static int question_arm(PolkitQuestion *q, uint64_t usec)
{
        int r;

        if (!q->timer)
                return sd_event_add_time_relative(sd_bus_get_event(q->polkit->bus), &q->timer,
                                                  CLOCK_MONOTONIC, usec, 0, question_on_late, q);
        r = sd_event_source_set_time_relative(q->timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(q->timer, SD_EVENT_ONESHOT);
}

/* The bus sets no limit of time: only the answer shows that it no longer counts the call. */
static int question_send(PolkitQuestion *q)
{
        int r;

        r = question_arm(q, q->options.answer_usec);
        if (r >= 0)
                r = sd_bus_call_async(q->polkit->bus, &q->slot, q->call, question_on_reply, q, UINT64_MAX);
        if (r < 0)
                return r;
        q->call = sd_bus_message_unref(q->call);
        q->state = QUESTION_SENT;
        list_append(&q->polkit->sent, &q->node);
        return 0;
}

/* The oldest first of those whose uid may have one more under way. */
static void polkit_go_on(Polkit *p)
{
        LIST_FOREACH (PolkitQuestion, q, &p->waiting, node) {
                int r;

                if (!budget_take(p->budget, q->options.uid, 1))
                        continue;
                list_remove(&p->waiting, &q->node);
                r = question_send(q);
                if (r >= 0)
                        continue;
                log_error_errno(r, "Failed to ask polkit");
                budget_give(p->budget, q->options.uid, 1);
                list_append(&p->waiting, &q->node);
                (void) question_arm(q, 0);
                break;
        }
}

static size_t count_waiting(const Polkit *p, uid_t uid)
{
        size_t count = 0;

        LIST_FOREACH (PolkitQuestion, entry, &p->waiting, node)
                count += entry->options.uid == uid;
        return count;
}

int polkit_question_ask(PolkitQuestion *q, const PolkitOptions *o, Refusal *reterr)
{
        Polkit *p = q->polkit;
        int r;

        q->options = *o;
        if (budget_take(p->budget, o->uid, 1)) {
                r = question_send(q);
                if (r < 0)
                        budget_give(p->budget, o->uid, 1);
                return r;
        }
        if (count_waiting(p, o->uid) >= WAITING_FACTOR * p->budget->uid_max)
                return budget_refuse(p->budget, o->uid, REFUSAL_BUSY, reterr);
        r = question_arm(q, o->wait_usec);
        if (r < 0)
                return r;
        q->state = QUESTION_WAITING;
        list_append(&p->waiting, &q->node);
        return 0;
}
